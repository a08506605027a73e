"""Modulation that follows the signal: gains and shifts of blocks, from what was loud in them, and the knobs.

TFiLM (Birnbaum et al. 2019, arXiv 1909.06628), and the variants TTFiLM and TVFiLM of NablAFx, which add the knobs.
A recurrent network turns the maxima of blocks into a condition for each block. As published, block b is modulated by
what it holds itself: a layer then looks ahead by up to ``block_length - 1`` samples. With ``causal``, an option of our
own, block b is modulated by block b - 1, and the first one as behind silence: the layer looks ahead by nothing.
Blocks are anchored at sample 0 of what ``forward`` is given; the last one may be shorter.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["TemporalFiLM", "TimeVaryingCondition", "TimeVaryingFiLM", "TinyTemporalFiLM"]


class _BlockFeatures(nn.Module):
    """What the modulations of this file have in common: features of blocks.

    Args:
        block_length: samples of a block.
        causal: see the module.
    """

    def __init__(self, block_length: int, causal: bool) -> None:
        super().__init__()
        self.block_length, self.causal = block_length, causal

    @property
    def look_ahead(self) -> int:
        """Samples of the future that an output sample can depend on."""
        return 0 if self.causal else self.block_length - 1

    def maxima(self, x: Tensor) -> Tensor:
        """Return the largest (not the loudest) value of each block, that of the block before if causal.

        Shape:
            (B, C, T) -> (B, C, N), N blocks.
        """
        pooled = F.max_pool1d(x, self.block_length, ceil_mode=True)
        return F.pad(pooled[..., :-1], (1, 0)) if self.causal else pooled

    def condition(self, features: Tensor, knobs: Tensor, lstm: nn.LSTM) -> Tensor:
        """Return the condition (B, H, N) of features (B, C, N) and knobs (B, K)."""
        joined = torch.cat([features, knobs[..., None].expand(-1, -1, features.shape[-1])], dim=1)
        return lstm(joined.transpose(1, 2))[0].transpose(1, 2)


class TemporalFiLM(_BlockFeatures):
    """TFiLM: the output of an LSTM on the maxima of the activations is gain and shift.

    Args:
        channels: C.
        num_knobs: K.
        block_length: samples of a block.
        causal: modulate each block by the one before, see the module.

    Shape:
        x (B, C, T), knobs (B, K) -> (B, C, T).
    """

    def __init__(self, channels: int, num_knobs: int, block_length: int = 128, causal: bool = False) -> None:
        super().__init__(block_length, causal)
        self.lstm = nn.LSTM(channels + num_knobs, 2 * channels, batch_first=True)

    def forward(self, x: Tensor, knobs: Tensor) -> Tensor:
        """Modulate ``x``."""
        return _modulate(x, self.condition(self.maxima(x), knobs, self.lstm), self.block_length)


class TinyTemporalFiLM(_BlockFeatures):
    """TTFiLM: TFiLM with a small LSTM between convolutions of one tap; gains and shifts are never negative.

    Arguments and shape as for :class:`TemporalFiLM`.

    Args:
        channels: C.
        num_knobs: K.
        block_length: samples of a block.
        causal: modulate each block by the one before, see the module.
        hidden_size: channels of the LSTM.
    """

    def __init__(
        self, channels: int, num_knobs: int, block_length: int = 128, causal: bool = False, hidden_size: int = 4
    ) -> None:
        super().__init__(block_length, causal)
        self.reduce = nn.Conv1d(channels, hidden_size, 1)
        self.lstm = nn.LSTM(hidden_size + num_knobs, hidden_size, batch_first=True)
        sizes = (hidden_size, 16, 32, 2 * channels)
        layers = [(nn.Conv1d(a, b, 1), nn.ReLU()) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.adaptor = nn.Sequential(*(layer for pair in layers for layer in pair))

    def forward(self, x: Tensor, knobs: Tensor) -> Tensor:
        """Modulate ``x``."""
        condition = self.condition(self.reduce(self.maxima(x)), knobs, self.lstm)
        return _modulate(x, self.adaptor(condition), self.block_length)


class TimeVaryingCondition(_BlockFeatures):
    """The one LSTM of TVFiLM, on the peaks of a network's input, whose output conditions all of its layers.

    Args:
        audio_channels: C.
        num_knobs: K.
        block_length: samples of a block.
        causal: condition each block by the one before, see the module.
        hidden_size: H.

    Shape:
        audio (B, C, T), knobs (B, K) -> (B, H, N), N = ceil(T / block_length).
    """

    def __init__(
        self,
        audio_channels: int,
        num_knobs: int,
        block_length: int = 128,
        causal: bool = False,
        hidden_size: int = 32,
    ) -> None:
        super().__init__(block_length, causal)
        self.lstm = nn.LSTM(audio_channels + num_knobs, hidden_size, batch_first=True)

    def forward(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return the condition of each block."""
        return self.condition(self.maxima(audio.abs()), knobs, self.lstm)


class TimeVaryingFiLM(nn.Module):
    """TVFiLM: gain and shift of one layer from the condition that all layers share.

    It looks ahead as far as :class:`TimeVaryingCondition` does.

    Args:
        channels: C.
        condition_channels: H.
        block_length: samples of a block.

    Shape:
        x (B, C, T), condition (B, H, N) -> (B, C, T), N = ceil(T / block_length).
    """

    def __init__(self, channels: int, condition_channels: int = 32, block_length: int = 128) -> None:
        super().__init__()
        self.block_length = block_length
        self.adaptor = nn.Conv1d(condition_channels, 2 * channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Modulate ``x``."""
        return _modulate(x, self.adaptor(condition), self.block_length)


def _modulate(x: Tensor, parameters: Tensor, block_length: int) -> Tensor:
    """Scale and shift the blocks of ``x`` (B, C, T) by ``parameters`` (B, 2 C, N): gains, then shifts."""
    gain, shift = parameters.repeat_interleave(block_length, dim=-1)[..., : x.shape[-1]].chunk(2, dim=1)
    return x * gain + shift
