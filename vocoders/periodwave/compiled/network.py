"""An estimator whose U-Net and output are computed by compiled code."""

import copy
import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.packed_memory import aligned
from vocoders.core.workers import Workers
from vocoders.periodwave.compiled.kernels import ROWS, Grid, merge_rows, project_rows
from vocoders.periodwave.compiled.layers import Convolution, Rows, ThreeTaps, UpConvolution, flat_aligned
from vocoders.periodwave.unet import FreeU, fold_rows

if TYPE_CHECKING:
    from vocoders.periodwave.estimator import Estimator

__all__ = ["open_compiled"]

# Memory that stays for the next call.
_KEPT_NUMBERS = 1 << 26
# Samples of one thread at least, where little is done for each.
_LEAST_SAMPLES = 4096


def open_compiled(model: Any, part: nn.Module, threads: int) -> Callable[..., Tensor]:
    """Return code that computes the velocity on the CPU.

    Args:
        model: the model.
        part: a :class:`~vocoders.periodwave.estimator.VelocityOfTensors`; its weights are copied.
        threads: number of threads.
    """
    del model
    computing: Any = _sharing(part)
    estimator: Any = _sharing(computing.estimator)
    estimator.merge_periods = CompiledPeriods(computing.estimator, threads)
    computing._modules["estimator"] = estimator
    return computing


def _sharing(module: Any) -> Any:
    """Return another module with the same parts, of which some may be replaced."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


class CompiledPeriods:
    """Computes :meth:`Estimator.merge_periods`, one period after another, so that its memory may stay in the cache.

    Args:
        estimator: the network; its weights are copied.
        threads: number of threads.
    """

    def __init__(self, estimator: "Estimator", threads: int) -> None:
        unet, output = estimator.unet, estimator.output
        self.periods, self.multiple = estimator.periods, unet.length_multiple
        self.workers, self._memory, self._lock = Workers(threads), _Memory(), threading.Lock()
        self.downs, self.ups = [], []
        width = estimator.in_channels
        for stage in unet.downs:
            down = _Stage(stage, Convolution(stage.resample, width), stage.time)
            self.downs.append(down)
            width = down.width
        self.middle = _Stage(unet.middle, Convolution(unet.middle.resample, width))
        width = self.middle.width
        for stage in unet.ups:
            up = _Stage(stage, UpConvolution(stage.resample, width), stage.time)
            self.ups.append(up)
            width = up.width
        self.output = [_Block(block, width) for block in output.blocks]
        taps = output.conv.weight.detach()[0].t()
        self.projection = flat_aligned(torch.nn.functional.pad(taps, (0, width - taps.shape[1])))
        self.projection_taps = len(taps)
        dilations = [block.conv1.dilation[0] for block in [*unet.middle.blocks, *output.blocks]]
        self.margin = max(4, *dilations, *(stage.resample.kernel_size[0] // 2 for stage in unet.downs))

    def __call__(self, x: Tensor, condition: Sequence[Tensor], embedding: Tensor, freeu: FreeU) -> Tensor:
        """Return the velocity (B, 1, T); the arguments are those of :meth:`Estimator.merge_periods`."""
        del freeu  # the compiled network is used without
        offsets = self._offsets(nn.functional.silu(embedding))
        items = enumerate(offsets)
        with self._lock:  # one memory serves all callers
            return torch.cat([self._velocity(x[i : i + 1], [c[i] for c in condition], own) for i, own in items])

    def _offsets(self, embedding: Tensor) -> list[list[list[np.ndarray]]]:
        """Return what stages add for an activated embedding (B, periods, H): by item, period, stage."""
        stages = [stage.time_of(embedding) for stage in (*self.downs, *self.ups)]
        batch, periods = embedding.shape[:2]
        return [[[offset[i, q] for offset in stages] for q in range(periods)] for i in range(batch)]

    def _velocity(self, x: Tensor, condition: Sequence[Tensor], offsets: list[list[np.ndarray]]) -> Tensor:
        length, width = x.shape[-1], self.ups[-1].width
        merged, active, hidden = (self._lay(name, length, 1, width) for name in ("merged", "merged_active", "merged_h"))
        factor = np.float32(1 / math.sqrt(len(self.periods)))
        for index, period in enumerate(self.periods):
            features = self._path(x, period, condition[index], offsets[index])
            first, last = index == 0, index == len(self.periods) - 1
            self.workers.run(
                merge_rows, features.values, features.grid, period, width, factor, first, merged.values, merged.grid,
                active.values, last, work=length, least=_LEAST_SAMPLES,
            )  # fmt: skip
        for block in self.output:
            block(self.workers, merged, active, hidden)
        out = np.empty(length, np.float32)
        self.workers.run(
            project_rows, active.values, active.grid, width, self.projection_taps, self.projection, out,
            work=length, least=_LEAST_SAMPLES,
        )  # fmt: skip
        self._memory.trim()
        return torch.from_numpy(out).view(1, 1, length)

    def _path(self, x: Tensor, period: int, condition: Tensor, offsets: list[np.ndarray]) -> Rows:
        """Return the features of one period; ``offsets`` for the stages down and up."""
        down_offsets, up_offsets = offsets[: len(self.downs)], offsets[len(self.downs) :]
        rows = fold_rows(x, period, self.multiple).transpose(1, 2)
        columns, length, channels = rows.shape
        active = self._lay("input", length, columns, channels)
        grid = active.grid
        inner = active.values.reshape(-1, channels)[grid.first - self.margin :][: columns * grid.pitch]
        inner.reshape(columns, grid.pitch, channels)[:, self.margin :][:, :length] = rows.numpy()
        skips = []
        for level, stage in enumerate(self.downs):
            length //= stage.stride
            kept, out, hidden = self._triple(f"down {level}", length, columns, stage.width)
            stage.resample(self.workers, active, kept, out, offset=down_offsets[level])
            stage.run_blocks(self.workers, kept, out, hidden)
            skips.append((kept, hidden))
            active = out
        length //= self.middle.stride
        kept, out, hidden = self._triple("middle", length, columns, self.middle.width)
        shared = Rows(_rows_of(condition, length, self.middle.width), Grid(0, 0, length, columns), self.middle.width)
        self.middle.resample(self.workers, active, kept, out, added=shared)
        self.middle.run_blocks(self.workers, kept, out, hidden)
        for stage, offset in zip(self.ups, up_offsets, strict=True):
            kept, hidden = skips.pop()
            active = self._lay(f"down {len(skips)} active", kept.grid.length, columns, stage.width)
            stage.resample(self.workers, out, kept, active, offset)
            stage.run_blocks(self.workers, kept, active, hidden)
            out = active
        return kept

    def _triple(self, name: str, length: int, columns: int, width: int) -> tuple[Rows, Rows, Rows]:
        return (
            self._lay(f"{name} kept", length, columns, width),
            self._lay(f"{name} active", length, columns, width),
            self._lay(f"{name} hidden", length, columns, width),
        )

    def _lay(self, name: str, length: int, columns: int, width: int) -> Rows:
        """Return rows with zeros around each column, any values in the columns."""
        margin = self.margin
        grid = Grid(margin, length + margin, length, columns)
        # A tile at the end reads beyond the last column.
        rows = columns * grid.pitch + margin + 4 * ROWS
        values = self._memory.borrow(name, rows * width)
        table = values.reshape(rows, width)
        for column in range(columns + 1):
            table[column * grid.pitch : column * grid.pitch + margin] = 0
        table[columns * grid.pitch :] = 0
        return Rows(values, grid, width)


class _Memory:
    """Arrays by name, which stay for the next call: the first access to memory costs as much as a convolution."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def borrow(self, name: str, size: int) -> np.ndarray:
        """Return an array with any content."""
        found = self._arrays.get(name)
        if found is None or len(found) < size:
            self._arrays[name] = found = aligned(size)
        return found[:size]

    def trim(self) -> None:
        """Give back what is too much to be kept."""
        if sum(map(len, self._arrays.values())) > _KEPT_NUMBERS:
            self._arrays.clear()


class _Stage:
    """A stage of the U-Net: what changes the rate, the time, residual blocks."""

    def __init__(self, stage: Any, resample: Any, time: Any = None) -> None:
        self.resample, self.width = resample, resample.width
        self.stride = stage.resample.stride[0]
        self.blocks = [_Block(block, self.width) for block in stage.blocks]
        self.time = time

    def time_of(self, embedding: Tensor) -> np.ndarray:
        """Return the offset (..., width) that an activated embedding (..., H) makes."""
        offset = self.time(embedding)
        return torch.nn.functional.pad(offset, (0, self.width - offset.shape[-1])).numpy()

    def run_blocks(self, workers: Workers, kept: Rows, active: Rows, hidden: Rows) -> None:
        """Run all blocks in place; ``active`` is the SiLU of ``kept``, before and after."""
        for block in self.blocks:
            block(workers, kept, active, hidden)


class _Block:
    """A :class:`~vocoders.periodwave.unet.ResidualBlock`."""

    def __init__(self, block: Any, width: int) -> None:
        self.first, self.second = ThreeTaps(block.conv1, width), ThreeTaps(block.conv2, width)

    def __call__(self, workers: Workers, kept: Rows, active: Rows, hidden: Rows) -> None:
        """Run the block in place; ``active`` is the SiLU of ``kept``, before and after."""
        self.first(workers, active, None, hidden)
        self.second(workers, hidden, kept, active, adds=True)


def _rows_of(condition: Tensor, length: int, width: int) -> np.ndarray:
    """Return a condition (H, N or more) as flat rows."""
    rows = aligned(length, width)
    rows[:, : len(condition)] = condition[:, :length].t().numpy()
    rows[:, len(condition) :] = 0
    return rows.reshape(-1)
