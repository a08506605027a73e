"""Multi-resolution STFT distance (M-STFT), as the vocoder papers report it."""

from functools import lru_cache

import torch

from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError, optional_module

__all__ = ["MultiResolutionStft"]

# Reflection at the edges by half of the longest transform.
_LONGEST_PADDING = 1024


class MultiResolutionStft(Metric):
    """Spectral convergence plus log-magnitude distance, mean of three resolutions.

    auraloss ``MultiResolutionSTFTLoss`` with its defaults: FFT 1024 / 2048 / 512, hop 120 / 240 / 50, Hann window
    600 / 1200 / 240, power clamped at 1e-8. The call is (generated, reference), so the convergence term is divided by
    the norm of the reference; it is not symmetric. The norm runs over the whole batch, hence one file at a time.
    """

    name = "mstft"
    title = "M-STFT"
    direction = Direction.LOWER
    identity = 0.0
    definition = (
        "auraloss MultiResolutionSTFTLoss defaults (FFT 1024/2048/512, hop 120/240/50, window 600/1200/240), "
        "called (generated, reference), one file at a time, native rate"
    )

    def __init__(self) -> None:
        optional_module("auraloss.freq", "auraloss", "metric 'mstft'")

    def measure(self, pair: SignalPair) -> float:
        """Return the distance, 0 for equal signals."""
        if len(pair.generated.samples) <= _LONGEST_PADDING:
            raise UndefinedMetricError(
                f"{len(pair.generated.samples)} samples; M-STFT needs more than {_LONGEST_PADDING}"
            )
        generated, reference = (torch.from_numpy(s.samples)[None, None] for s in (pair.generated, pair.reference))
        with torch.inference_mode():
            return _loss()(generated, reference).item()


@lru_cache(maxsize=1)
def _loss() -> torch.nn.Module:
    from auraloss.freq import MultiResolutionSTFTLoss

    return MultiResolutionSTFTLoss()
