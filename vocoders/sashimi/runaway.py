"""Noise that feeds itself: how it is recognised.

An autoregressive model continues what it has drawn. Of sounds that are unlike its training data, `sashimi-digits-8k`
expects more than it hears: after white noise of any level the next sample is 1.3 to 1.6 times as loud. So a vowel that
has grown by chance beyond the loudest of the training data grows further, within a tenth of a second, to full scale,
and stays there: noise there is as probable to the model as speech is elsewhere. Truncation of the distribution (top-p)
does not prevent it, and models without guidance do it too. The level tells such noise from anything that the model has
learned.
"""

from torch import Tensor

__all__ = ["WINDOW_SECONDS", "runs_away"]

# Levels are measured in windows of this length, every half of it.
WINDOW_SECONDS = 0.1


def runs_away(audio: Tensor, sample_rate: int, loudest: float) -> Tensor:
    """Return whether any window of each item is louder than anything that the model has learned, bool (B,).

    Args:
        audio: (B, T), full scale 1.
        sample_rate: in Hz.
        loudest: largest RMS of a window.
    """
    window = min(max(2, round(WINDOW_SECONDS * sample_rate)), audio.shape[-1])
    frames = audio.unfold(-1, window, max(1, window // 2))
    return (frames.square().mean(dim=-1).amax(dim=-1)).sqrt() > loudest
