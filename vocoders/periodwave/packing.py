"""All periods in one pass through the U-Net.

The columns of a period are concatenated to one sequence, with zeros between them, and the sequences of all periods,
which have about the same length, form a batch. Every convolution then has the same inputs as on a separate column,
provided that its outputs between the columns are set to zero again. The arithmetic is the same, in a fifth of the
calls: that is faster where the overhead of a call exceeds its work, on a GPU, but not on a CPU.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.periodwave.unet import PLAIN, DownStage, FreeU, PeriodUNet, ResidualBlock, UpStage, fold_rows, unfold_rows

__all__ = ["PackedLayout", "faster_form", "packed_paths"]


@dataclass(frozen=True)
class PackedLayout:
    """Positions of the columns of every period in its sequence.

    Attributes:
        length: samples of the signal.
        periods: samples per row of each path.
        multiple: the length of a column is a multiple of this.
        gap: zeros after each column at full rate, a multiple of ``multiple``.
    """

    length: int
    periods: tuple[int, ...]
    multiple: int
    gap: int

    @classmethod
    def of(cls, unet: PeriodUNet, periods: Sequence[int], length: int) -> "PackedLayout":
        """Return the layout in which no convolution of ``unet`` extends from one column into the next."""
        padding = max(int(block.conv1.padding[0]) for block in unet.middle.blocks)
        return cls(length, tuple(periods), unet.length_multiple, unet.length_multiple * padding)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Length of a column of each period."""
        return tuple(-(-self.length // (self.multiple * q)) * self.multiple for q in self.periods)

    @cached_property
    def total(self) -> int:
        """Length of the sequences."""
        return max(q * (n + self.gap) for q, n in zip(self.periods, self.columns, strict=True))

    def mask(self, batch: int, rate: int, like: Tensor) -> Tensor:
        """Return ones in the columns and zeros between them at ``1 / rate`` of the rate: (P * B, 1, total / rate)."""
        masks = [
            self._lay(like.new_ones(q, 1, n // rate), q, rate) for q, n in zip(self.periods, self.columns, strict=True)
        ]
        return torch.cat(masks).repeat_interleave(batch, dim=0)

    def pack(self, x: Tensor) -> Tensor:
        """Return the sequences (P * B, C, total) of a signal (B, C, length)."""
        return torch.cat([self._lay(fold_rows(x, q, self.multiple), q, 1) for q in self.periods])

    def pack_frames(self, frames: Sequence[Tensor]) -> Tensor:
        """Return tensors (B, C, N or more), one for each period and common to its columns, as sequences."""
        laid = [
            self._lay(item[..., : n // self.multiple].repeat_interleave(q, dim=0), q, self.multiple)
            for item, q, n in zip(frames, self.periods, self.columns, strict=True)
        ]
        return torch.cat(laid)

    def unpack(self, sequences: Tensor) -> list[Tensor]:
        """Return the signals (B, C, length) of the sequences of every period."""
        signals = []
        for item, q, n in zip(sequences.chunk(len(self.periods)), self.periods, self.columns, strict=True):
            columns = item[..., : q * (n + self.gap)].unflatten(-1, (q, -1))[..., :n]
            signals.append(unfold_rows(columns.transpose(1, 2).flatten(0, 1), q, self.length))
        return signals

    def _lay(self, columns: Tensor, period: int, rate: int) -> Tensor:
        """Concatenate columns (B * q, C, n) with gaps: (B, C, total / rate)."""
        columns = F.pad(columns, (0, self.gap // rate)).unflatten(0, (-1, period))
        sequence = columns.transpose(1, 2).flatten(2)
        return F.pad(sequence, (0, self.total // rate - sequence.shape[-1]))


def packed_paths(
    unet: PeriodUNet,
    x: Tensor,
    periods: Sequence[int],
    condition: Sequence[Tensor],
    embedding: Tensor,
    freeu: FreeU = PLAIN,
) -> list[Tensor]:
    """Return the features (B, C, T) of every period, equal to those of separate calls of the U-Net.

    Args:
        unet: the network.
        x: signal (B, in_channels, T).
        periods: samples per row of each path.
        condition: condition of each period, see :class:`PeriodUNet`.
        embedding: embedding of time and period, (B, periods, H).
        freeu: see :class:`FreeU`.
    """
    layout = PackedLayout.of(unet, periods, x.shape[-1])
    embedding = F.silu(embedding.transpose(0, 1).flatten(0, 1))
    masks: dict[int, Tensor] = {}

    def clear(y: Tensor) -> Tensor:
        rate = layout.total // y.shape[-1]
        if rate not in masks:
            masks[rate] = layout.mask(x.shape[0], rate, y)
        return y * masks[rate]

    y, skips = layout.pack(x), []
    for stage in unet.downs:
        y = _down(stage, y, embedding, clear)
        skips.append(y)
    middle = unet.middle
    y = clear(middle.resample(F.silu(y)) + layout.pack_frames(condition))
    y = _blocks(middle.blocks, y, clear)
    for stage in unet.ups:
        y = _up(stage, y, skips.pop(), embedding, freeu, clear)
    return layout.unpack(y)


def faster_form(forms: Mapping[str, Callable[[], object]], device: torch.device, runs: int = 3) -> str:
    """Return the name of the fastest form on ``device``, by the fastest of ``runs`` calls after a warm-up call."""

    def seconds(form: Callable[[], object]) -> float:
        form()
        times = []
        for _ in range(runs):
            _wait(device)
            start = time.perf_counter()
            form()
            _wait(device)
            times.append(time.perf_counter() - start)
        return min(times)

    return min(forms, key=lambda name: seconds(forms[name]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _down(stage: DownStage, x: Tensor, embedding: Tensor, clear: Callable[[Tensor], Tensor]) -> Tensor:
    y = stage.resample(F.silu(x) if stage.activate else x)
    return _blocks(stage.blocks, clear(y + stage.time(embedding)[..., None]), clear)


def _up(
    stage: UpStage, x: Tensor, skip: Tensor, embedding: Tensor, freeu: FreeU, clear: Callable[[Tensor], Tensor]
) -> Tensor:
    y = freeu.backbone * stage.upsample(F.silu(x)) + freeu.skip * skip
    return _blocks(stage.blocks, clear(y + stage.time(embedding)[..., None]), clear)


def _blocks(blocks: Iterable[ResidualBlock], x: Tensor, clear: Callable[[Tensor], Tensor]) -> Tensor:
    for block in blocks:
        x = x + clear(block.conv2(F.silu(clear(block.conv1(F.silu(x))))))
    return x
