"""A discriminator: scores, and the feature maps that led to them."""

import torch.nn.functional as F
from torch import Tensor, nn

from recipes.discriminators import Discriminator
from vocoders.core.config import Config


class WaveOptions(Config):
    """Width of the layers."""

    channels: int = 8


class WaveDiscriminator(Discriminator):
    """Two convolutions over the waveform."""

    Options = WaveOptions

    def __init__(self, options: WaveOptions) -> None:
        super().__init__(options)
        self.hidden = nn.Conv1d(1, options.channels, 41, stride=4, padding=20)
        self.score = nn.Conv1d(options.channels, 1, 3, padding=1)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and feature maps of audio (B, 1, T)."""
        features = F.leaky_relu(self.hidden(audio), 0.1)
        return [self.score(features)], [features]
