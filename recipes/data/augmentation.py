"""Changes of training audio, as pure functions; all are off by default."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["draw_gain", "draw_smoothing"]

# Greatest numbers of frames and bands over which a mel is averaged.
_MOST_FRAMES, _MOST_BANDS = 7, 5


def draw_gain(generator: np.random.Generator, range_db: tuple[float, float], peak: float) -> np.float32:
    """Draw a random gain, uniform in dB.

    Args:
        generator: source of randomness.
        range_db: lowest and highest gain in dB.
        peak: peak of the audio; a gain that would raise it above 1 is reduced so that it reaches 1.

    Returns:
        The factor for the samples.
    """
    gain = 10.0 ** (generator.uniform(*range_db) / 20.0)
    # This limit does not attenuate audio that is already above 1; only the range does.
    limit = max(1.0 / peak, min(1.0, gain)) if peak > 0 else gain
    return np.float32(min(gain, limit))


def draw_smoothing(generator: np.random.Generator, features: Tensor, amount: float) -> Tensor:
    """Smooth log-mels as acoustic models do, by random means over frames and bands.

    Args:
        generator: source of randomness.
        features: (n_mels, F).
        amount: largest share of the smoothed mel in the result, 0 to 1; the share is drawn uniformly.

    Returns:
        (n_mels, F).
    """
    frames, bands = (
        1 + 2 * int(generator.integers(0, most // 2, endpoint=True)) for most in (_MOST_FRAMES, _MOST_BANDS)
    )
    margins = (frames // 2, frames // 2, bands // 2, bands // 2)
    padded = torch.nn.functional.pad(features[None, None], margins, mode="replicate")
    smooth = torch.nn.functional.avg_pool2d(padded, (bands, frames), stride=1)[0, 0]
    return torch.lerp(features, smooth, amount * float(generator.uniform()))
