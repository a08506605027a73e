"""The condition encoder of PeriodWave: features to one sequence for each period."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoders.layers.convnext_v2 import ConvNeXtV2Block
from vocoders.periodwave.config import CONDITION_HOP, FlowVocoderConfig

__all__ = ["ConditionEncoder"]

_NUM_BLOCKS = 8
_NUM_FINE_BLOCKS = 4


class ConditionEncoder(nn.Module):
    """Encode features, once for all solver steps (arXiv 2408.07547, "mel encoder").

    The response norms make the encoder global: each output depends on all frames, on their number and on padding.

    Args:
        config: see :class:`FlowVocoderConfig`.
        in_channels: channels of the input: the features and, with an energy prior, its deviation.

    Shape:
        (B, in_channels, F), F >= 2 -> for each period q a sequence (B, H, N), N >= F * hop / (64 q).
    """

    def __init__(self, config: FlowVocoderConfig, in_channels: int) -> None:
        super().__init__()
        width, fine_width = config.hidden_channels, config.hidden_channels // 2
        self.periods = config.periods
        self.embed = nn.Conv1d(in_channels, width, 7, padding=3)
        self.blocks = nn.ModuleList(
            ConvNeXtV2Block(width, 3 * width, config.drop_prob) for _ in range(_NUM_BLOCKS)
        )  # fmt: skip
        stride = config.hop_length // CONDITION_HOP
        kernel = 2 * stride + stride % 2
        self.upsample = weight_norm(
            nn.ConvTranspose1d(width, fine_width, kernel, stride, padding=(kernel - stride) // 2)
        )
        self.fine_blocks = nn.ModuleList(
            ConvNeXtV2Block(fine_width, 4 * fine_width, config.drop_prob) for _ in range(_NUM_FINE_BLOCKS)
        )
        self.period_convs = nn.ModuleList(
            weight_norm(nn.Conv1d(fine_width, width, 2 * period, stride=period, padding=period - 1))
            for period in config.periods
        )

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the condition of each period, always in full precision.

        The response norms sum over the whole sequence, which needs precision, and the encoder runs only once for all
        solver steps, so this costs little time.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self._encode(features.to(self.embed.weight.dtype))

    def _encode(self, features: Tensor) -> tuple[Tensor, ...]:
        embedded = self.embed(features)
        y = embedded
        for block in self.blocks:
            y = block(y)
        y = self.upsample(F.silu(y + embedded))
        for block in self.fine_blocks:
            y = block(y)
        y = F.silu(y)
        # The published padding: a fixed number of frames for every length.
        return tuple(
            conv(F.pad(y, (0, max(period - 1, 1)), mode="reflect"))
            for conv, period in zip(self.period_convs, self.periods, strict=True)
        )
