"""PESQ wide-band (ITU-T P.862.2), by the protocol of the vocoder papers."""

import warnings

import numpy as np

from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError, optional_module
from vocoders.core.errors import DataError

__all__ = ["Pesq"]


class Pesq(Metric):
    """Perceptual evaluation of speech quality, wide-band, as MOS-LQO.

    Protocol of BigVGAN and PeriodWave: resample both signals to 16 kHz, multiply by 32768, *truncate* (not round) to
    16 bits, ``pesq(16000, reference, generated, "wb")``. A signal against itself gives 4.6439.
    """

    name = "pesq"
    title = "PESQ-wb"
    direction = Direction.HIGHER
    identity = 4.643888
    sample_rate = 16000
    shortest = 0.25
    definition = (
        "PESQ wide-band (P.862.2 MOS-LQO, package pesq) at 16 kHz; torchaudio Resample, x 32768, truncated to int16"
    )

    def __init__(self) -> None:
        optional_module("pesq", "pesq", "metric 'pesq'")

    def measure(self, pair: SignalPair) -> float:
        """Return the MOS-LQO, 1.04 ... 4.64."""
        from pesq import NoUtterancesError, PesqError, pesq

        reference, generated = (_truncated(samples) for samples in pair.resampled(self.sample_rate))
        if not reference.any():
            raise UndefinedMetricError("the reference is silent; PESQ needs an utterance in it")
        if not generated.any():
            raise DataError("the generated audio is silent; PESQ needs an utterance in it")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                return pesq(self.sample_rate, reference, generated, "wb")
        except NoUtterancesError:
            raise UndefinedMetricError("PESQ detects no utterance in the pair") from None
        except (PesqError, ValueError) as error:
            raise DataError(f"PESQ failed: {_text(error)}") from None


def _truncated(samples: np.ndarray) -> np.ndarray:
    """Convert to 16 bits towards zero; resampling may overshoot, so the range is limited first."""
    return np.clip(samples * 32768.0, -32768, 32767).astype(np.int16)


def _text(error: Exception) -> str:
    argument = error.args[0] if error.args else error
    return argument.decode() if isinstance(argument, bytes) else str(argument)
