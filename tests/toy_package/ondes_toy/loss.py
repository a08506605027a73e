"""A reconstruction loss: a distance between generated and recorded audio."""

import torch.nn.functional as F
from torch import Tensor

from recipes.losses import Loss
from vocoders.core.config import Config


class LevelOptions(Config):
    """Length of a frame in samples."""

    frame: int = 320


class LevelLoss(Loss):
    """Mean difference of the levels of frames."""

    Options = LevelOptions

    def __init__(self, sample_rate: int, options: LevelOptions) -> None:
        super().__init__(sample_rate, options)
        self.frame = options.frame

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the distance of audio (B, 1, T)."""
        levels = [F.avg_pool1d(audio.square(), self.frame).add(1e-5).log() for audio in (prediction, target)]
        return (levels[0] - levels[1]).abs().mean()
