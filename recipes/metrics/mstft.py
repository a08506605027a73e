"""STFT distances: at three resolutions (M-STFT) as in vocoder papers, and at one as in effect papers."""

from functools import lru_cache, partial

import torch

from recipes.metrics.domain import REFERENCE_IS_HEARD, Condition
from recipes.metrics.metric import Metric, SignalPair, optional_module

__all__ = ["MultiResolutionStft", "SingleResolutionStft"]


class MultiResolutionStft(Metric):
    """Spectral convergence plus log-magnitude distance, mean of three resolutions.

    auraloss ``MultiResolutionSTFTLoss`` with its defaults: FFT 1024 / 2048 / 512, hop 120 / 240 / 50, Hann window
    600 / 1200 / 240, power clamped at 1e-8. The call is (generated, reference), so the convergence term is divided by
    the norm of the reference; it is not symmetric. The norm runs over the whole batch, hence one file at a time.
    """

    name = "mstft"
    title = "M-STFT"
    definition = (
        "auraloss MultiResolutionSTFTLoss defaults (FFT 1024/2048/512, hop 120/240/50, window 600/1200/240), "
        "arguments (generated, reference), each file alone, at its sample rate"
    )
    _loss_name, _longest_transform = "MultiResolutionSTFTLoss", 2048

    def __init__(self) -> None:
        optional_module("auraloss.freq", "auraloss", f"metric '{self.name}'")
        padding = self._longest_transform // 2
        mirrored = Condition(
            partial(_is_longer, padding),
            f"its frames mirror {padding} samples at the edges, and the audio has no more",
        )
        # The convergence term is divided by the norm of the reference.
        self.domain = (mirrored, REFERENCE_IS_HEARD)

    def measure(self, pair: SignalPair) -> float:
        """Return the distance, 0 for equal signals."""
        generated, reference = (torch.from_numpy(s.samples)[None, None] for s in (pair.generated, pair.reference))
        with torch.inference_mode():
            return _loss(self._loss_name)(generated, reference).item()


class SingleResolutionStft(MultiResolutionStft):
    """The same distance at one resolution: auraloss ``STFTLoss`` with its defaults, FFT 1024, hop 256, window 1024."""

    name = "stft"
    title = "STFT"
    definition = (
        "auraloss STFTLoss defaults (FFT 1024, hop 256, Hann window 1024), called (generated, reference), one file at "
        "a time, native rate"
    )
    _loss_name, _longest_transform = "STFTLoss", 1024


def _is_longer(samples: int, pair: SignalPair) -> bool:
    return len(pair.generated.samples) > samples


@lru_cache(maxsize=2)
def _loss(name: str) -> torch.nn.Module:
    import auraloss.freq

    return getattr(auraloss.freq, name)()
