"""Temporal convolutional network with FiLM: micro-TCN (Steinmetz and Reiss 2021, arXiv 2102.06200) and our variants.

Examples:
    >>> import torch
    >>> from effects import load, render
    >>> model = load("comp4c-tcn")
    >>> dry = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(22050) / 44100)[None]
    >>> wet = render(model, dry, 44100, {"threshold": "-24dB", "ratio": 4})
    >>> bool(wet.abs().max() < dry.abs().max())
    True
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from effects.models.devices import LA2A_KNOBS
from effects.models.film import Condition, FiLM, FilmNorm
from effects.models.head import Head, HeadName
from effects.models.model import EffectConfig, EffectModel, State
from effects.models.rows import padded_channels
from vocoders.layers.containers import ModuleListOf

__all__ = ["TCN", "VARIANTS", "TCNConfig"]


class TCNConfig(EffectConfig):
    """Configuration of a TCN; the defaults are ours, with the sizes of the published TCN-300.

    Attributes:
        channels: width of the network.
        num_blocks: number of blocks.
        kernel_size: taps of each convolution.
        dilation_growth: ratio of the dilations of neighbouring blocks; that of block n is its power ``n % stack_size``.
        stack_size: number of blocks after which the dilation returns to 1.
        causal: ``False`` looks ahead by half the receptive field, which becomes latency.
        crop: ``aligned``; or ``official``, as published weights need: the residual path of each causal block reads one
            sample earlier than the convolution, and the output is one sample late.
        norm: norm before each modulation: ``none``, or ``batch`` as published.
        head: ``direct`` (published) or ``gain``, see :class:`~effects.models.head.Head`.
        condition_channels: widths of the layers of the condition.
    """

    channels: int = Field(default=32, gt=0)
    num_blocks: int = Field(default=4, gt=0)
    kernel_size: int = Field(default=13, gt=1)
    dilation_growth: int = Field(default=10, gt=0)
    stack_size: int = Field(default=10, gt=0)
    causal: bool = True
    crop: Literal["aligned", "official"] = "aligned"
    norm: FilmNorm = "none"
    head: HeadName = "direct"
    condition_channels: tuple[int, ...] = Field(default=(16, 32, 32), min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "TCNConfig":
        if self.channels % self.audio_channels:
            raise ValueError(f"channels {self.channels} is not a multiple of audio_channels {self.audio_channels}")
        return self

    @property
    def dilations(self) -> list[int]:
        """Dilation of each block."""
        return [self.dilation_growth ** (block % self.stack_size) for block in range(self.num_blocks)]

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        return 1 + sum((self.kernel_size - 1) * dilation for dilation in self.dilations)

    @property
    def latency(self) -> int:
        """Delay of the output in samples."""
        if not self.causal:
            return self.receptive_field // 2
        return 1 if self.crop == "official" else 0


class TCNBlock(nn.Module):
    """Dilated convolution, modulation and PReLU, with a residual path that has one gain per channel.

    Shape:
        x (B, in, context + T), condition (B, c, T or 1) -> (B, channels, T).
    """

    def __init__(self, config: TCNConfig, in_channels: int, dilation: int) -> None:
        super().__init__()
        channels = config.channels
        self.conv = nn.Conv1d(in_channels, channels, config.kernel_size, dilation=dilation, bias=False)
        self.film = FiLM(channels, config.condition_channels[-1], config.norm)
        self.activation = nn.PReLU(channels)
        self.residual = nn.Conv1d(in_channels, channels, 1, groups=in_channels, bias=False)
        self.context = (config.kernel_size - 1) * dilation
        if config.causal:
            self.residual_start = self.context - (config.crop == "official")
        else:
            self.residual_start = self.context // 2

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the block's output, shorter than ``x`` by ``context`` samples."""
        length = x.shape[-1] - self.context
        y = self.activation(self.film(self.conv(x), condition))
        return y + self.residual(x[..., self.residual_start : self.residual_start + length])


class TCN(EffectModel[TCNConfig]):
    """Stack of dilated convolutions, modulated by the knobs.

    The output has the length of the input: each block stores the last ``(kernel_size - 1) * dilation`` samples of its
    input.

    Args:
        config: see :class:`TCNConfig`.
    """

    family = "tcn"
    runtime = "effects.runtimes.tcn:TCNStream"
    config_class = TCNConfig
    onnx_graph = "effects.runtimes.onnx.tcn:build_tcn"

    def __init__(self, config: TCNConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = Condition(len(config.knobs), config.condition_channels)
        widths = [config.audio_channels] + [config.channels] * (config.num_blocks - 1)
        self.blocks = ModuleListOf(
            TCNBlock(config, width, dilation) for width, dilation in zip(widths, config.dilations, strict=True)
        )
        self.head = Head(config.head, config.audio_channels)
        self.projection = nn.Conv1d(config.channels, self.head.num_features, 1)
        self.head.start(self.projection)

    @property
    def latency(self) -> int:
        """Delay of the output in samples."""
        return self.config.latency

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        return self.config.receptive_field

    @property
    def takes_linked_channels(self) -> bool:
        """Whether a mono model takes several channels and applies the same gain to all."""
        return self.config.head == "gain"

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.numel() == 0:
            return audio.clone(), state
        dry, state = self.delayed(audio, state)
        condition = self.condition(knobs.to(audio.dtype))
        start = int(state["offset"][0])
        state = {name: tensor for name, tensor in state.items() if not name.startswith("film.")}
        x = self.detector(audio)
        for index, block in enumerate(self.blocks):
            rows = state[f"history.{index}"]
            history = rows[:, start : start + block.context, : x.shape[1]].transpose(1, 2)
            x = torch.cat([history, x], dim=-1)
            latest = x[..., x.shape[-1] - block.context :].transpose(1, 2)
            state[f"history.{index}"] = F.pad(latest, (0, rows.shape[-1] - x.shape[1]))
            x = block(x, condition)
        state["offset"] = torch.zeros(len(audio), dtype=torch.int64, device=audio.device)
        return self.head(self.projection(x), dry), state

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state after silence: histories of the blocks, and of dry audio where it must be delayed.

        Histories are rows (B, context, width); the compiled step pads the width of the network.
        """
        state = {
            f"history.{index}": torch.zeros(batch, block.context, width, device=device, dtype=dtype)
            for index, (block, width) in enumerate(zip(self.blocks, self.row_widths, strict=True))
        }
        # Start of the valid part of the histories: streaming appends to them instead of moving them.
        state["offset"] = torch.zeros(batch, dtype=torch.int64, device=device)
        if self.config.head == "gain" and self.latency:
            state["dry"] = torch.zeros(batch, channels, self.latency, device=device, dtype=dtype)
        return state

    def delayed(self, audio: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the dry audio with the delay of the output."""
        if "dry" not in state:
            return audio, state
        known = torch.cat([state["dry"], audio], dim=-1)
        return known[..., : audio.shape[-1]], state | {"dry": known[..., audio.shape[-1] :]}

    @property
    def row_widths(self) -> list[int]:
        """Width of the input rows of each block."""
        return [self.config.audio_channels] + [padded_channels(self.config.channels)] * (len(self.blocks) - 1)


def _published(num_blocks: int, growth: int, kernel_size: int, causal: bool, channels: int = 32) -> TCNConfig:
    return TCNConfig(
        knobs=LA2A_KNOBS,
        channels=channels,
        num_blocks=num_blocks,
        kernel_size=kernel_size,
        dilation_growth=growth,
        causal=causal,
        crop="official",
        norm="batch",
    )


VARIANTS: dict[str, TCNConfig] = {
    "tcn_100_causal": _published(4, 10, 5, True),
    "tcn_100_noncausal": _published(4, 10, 5, False),
    "tcn_300_causal": _published(4, 10, 13, True),
    "tcn_300_noncausal": _published(4, 10, 13, False),
    "tcn_1000_causal": _published(5, 10, 5, True),
    "tcn_1000_noncausal": _published(5, 10, 5, False),
    "tcn_324_noncausal": _published(10, 2, 15, False),
    "tcn_324_16_noncausal": _published(10, 2, 15, False, channels=16),
    "tcn_3_60_5_causal": _published(3, 60, 5, True),
    "tcn_30_blocks_noncausal": _published(30, 2, 15, False),
}
