"""PESQ wide-band (ITU-T P.862.2), by the protocol of the vocoder papers."""

import warnings

import numpy as np

from recipes.metrics.domain import REFERENCE_IS_HEARD, REFERENCE_MOVES, Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair, UndefinedMetricError, optional_module
from vocoders.core.errors import DataError

__all__ = ["Pesq"]

_RATE = 16000


class Pesq(Metric):
    """Perceptual evaluation of speech quality, wide-band, as MOS-LQO.

    Protocol of BigVGAN and PeriodWave: resample both signals to 16 kHz, multiply by 32768, *truncate* (not round) to
    16 bits, ``pesq(16000, reference, generated, "wb")``. A signal against itself gives 4.6439.
    """

    name = "pesq"
    title = "PESQ-wb"
    direction = Direction.HIGHER
    identity = 4.643888
    sample_rate = _RATE
    shortest = 0.25
    domain = (
        REFERENCE_IS_HEARD,
        REFERENCE_MOVES,
        Condition(lambda pair: bool(_truncated(pair.reference).any()), "the reference is silent below 8 kHz"),
        Condition(
            lambda pair: bool(_truncated(pair.generated).any()), "the generated audio is silent below 8 kHz", True
        ),
    )
    definition = (
        "PESQ wide-band (P.862.2 MOS-LQO, package pesq) at 16 kHz; resampled by torchaudio, scaled by 32768, truncated "
        "to int16"
    )

    def __init__(self) -> None:
        optional_module("pesq", "pesq", "metric 'pesq'")

    def measure(self, pair: SignalPair) -> float:
        """Return the MOS-LQO, 1.04 ... 4.64."""
        from pesq import NoUtterancesError, PesqError, pesq

        reference, generated = _truncated(pair.reference), _truncated(pair.generated)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                return pesq(_RATE, reference, generated, "wb")
        except NoUtterancesError:
            raise UndefinedMetricError("PESQ detects no utterance in the pair") from None
        except (PesqError, ValueError) as error:
            raise DataError(f"PESQ failed: {_text(error)}") from None


def _truncated(signal: Signal) -> np.ndarray:
    """Convert to 16 kHz, and to 16 bits towards zero; resampling may overshoot, so the range is limited first."""
    return np.clip(signal.resampled(_RATE) * 32768.0, -32768, 32767).astype(np.int16)


def _text(error: Exception) -> str:
    argument = error.args[0] if error.args else error
    return argument.decode() if isinstance(argument, bytes) else str(argument)
