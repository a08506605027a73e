"""The head of a network: from its last features to audio."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from vocoders.core.errors import ShapeError

__all__ = ["LIMIT", "Head", "HeadName", "detector_signal"]

HeadName = Literal["direct", "linear", "gain"]

# Gains stay within +-60 dB, in nepers.
LIMIT = 60 * math.log(10) / 20


class Head(nn.Module):
    """Compute audio from projected features.

    ``direct``: the audio is the tanh of the features. ``linear``: it is the features themselves. ``gain``: one feature
    is a gain for all channels, and the tanh of the others is added: ``dry * exp(gain) + alpha * tanh(rest)`` with
    alpha = 0 initially. A network with small weights starts as the identity, and a compressor is close to it.

    On a mono model with a gain head, several channels are linked: the features come from :func:`detector_signal`, and
    every channel gets the same gain and its share of the added signal.

    Args:
        name: ``direct``, ``linear`` or ``gain``.
        audio_channels: channels of the model.
        residual: ``direct`` and ``linear``: add the dry audio.
        residual_gain: factor on the dry audio that is added.

    Shape:
        features (B, num_features, T), dry (B, C, T) -> (B, C, T).
    """

    def __init__(self, name: HeadName, audio_channels: int, residual: bool = False, residual_gain: float = 1.0) -> None:
        super().__init__()
        self.name, self.audio_channels = name, audio_channels
        self.residual, self.residual_gain = residual, residual_gain
        self.num_features = audio_channels + (name == "gain")
        if name == "gain":
            self.alpha = nn.Parameter(torch.zeros(()))

    def start(self, projection: nn.Conv1d | nn.Linear) -> None:
        """Initialise the layer that makes the features: with a gain, near the identity."""
        if self.name == "gain":
            nn.init.normal_(projection.weight, std=0.01)
            if projection.bias is not None:
                nn.init.zeros_(projection.bias)

    def forward(self, features: Tensor, dry: Tensor) -> Tensor:
        """Return the audio."""
        if self.name != "gain":
            wet = torch.tanh(features) if self.name == "direct" else features
            return wet + self.residual_gain * dry if self.residual else wet
        gain, rest = features[:, :1], features[:, 1:]
        added = self.alpha * torch.tanh(rest)
        if dry.shape[1] != self.audio_channels:
            detector = detector_signal(dry)
            share = torch.where(detector == 0, torch.ones_like(dry), dry / torch.where(detector == 0, 1.0, detector))
            added = added * share
        return dry * torch.exp(LIMIT * torch.tanh(gain / LIMIT)) + added


def detector_signal(audio: Tensor) -> Tensor:
    """Return the sample of the channel with the largest magnitude, at each time: (B, C, T) -> (B, 1, T).

    In a mean, signals of opposite phase would cancel.
    """
    if audio.ndim != 3:
        raise ShapeError(f"audio {tuple(audio.shape)}; expected (B, C, T)")
    return audio.gather(1, audio.abs().argmax(dim=1, keepdim=True))
