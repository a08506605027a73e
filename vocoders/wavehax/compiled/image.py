"""The ConvNeXt image of a Wavehax network in compiled code."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from vocoders.core.packed_memory import aligned, filled
from vocoders.core.workers import Workers
from vocoders.layers.convnext import ConvNeXtBlock2d
from vocoders.layers.norms import EPSILON, BatchNorm, LayerNorm
from vocoders.wavehax.compiled.kernels import (
    LANES,
    TILE,
    advance_frames,
    convolve_frames,
    enter_frames,
    measure_frames,
    mix_frames,
    normalise_frames,
)

__all__ = ["CompiledImage"]

# Frames of one call at least: a shorter part is not worth another thread.
_LEAST_FRAMES = 16
# Arrays of at most this size stay for the next call.
_KEPT_BYTES = 1 << 26


class CompiledImage:
    """Computes :meth:`ImageNetwork.refine`.

    A frame is one row of memory for each bin, and a norm that is local to frames keeps it in the cache from the
    depthwise convolution to the residual sum. Gains and offsets of norms, and layer scales, are folded into the
    pointwise weights. With norms over the whole utterance, every block needs two passes.

    Args:
        network: an :class:`~vocoders.wavehax.networks.ImageNetwork`; its weights are copied.
        threads: number of threads.
    """

    def __init__(self, network: Any, threads: int = 1) -> None:
        self.channels = network.input_proj.out_channels
        self.width = filled(self.channels, LANES)
        self.entry = _columns(network.input_proj.weight[:, :, 0, 0], self.width)
        self.entry_affine = self._affine(network.input_norm)
        self._outer_per_frame = network.input_norm.framewise
        self.layers = cast(Sequence[ConvNeXtBlock2d], network.blocks)
        self.blocks = [_Block(block, self.width) for block in self.layers]
        exit_, bias = network.output_proj.weight[:, :, 0, 0].detach(), network.output_proj.bias.detach()
        self.exit_affine = self._affine(network.output_norm)
        self._exit = torch.nn.functional.pad(exit_, (0, self.width - self.channels)).t().contiguous()
        self._exit_bias = bias.clone()
        self._is_global = any(not block.is_local for block in self.blocks)
        self._kept: list[np.ndarray] = []
        self._workers = Workers(threads)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the image (B, outputs, bins, N) of an image (B, inputs, bins, N)."""
        return torch.stack([self._refine(item) for item in image])

    def _refine(self, image: Tensor) -> Tensor:
        planes, bins, frames = image.shape
        margin = max((block.margin for block in self.blocks), default=0)
        rows = filled(bins, TILE)
        entry = torch.zeros(frames, rows, planes)
        entry[:, :bins] = image.permute(2, 1, 0)
        shape = frames + 1, rows + 2 * margin, self.width
        x, spare = self._borrow(shape), self._borrow(shape)
        x[-1] = spare[-1] = 0
        self._run(frames, enter_frames, entry.numpy(), self.entry, bins, margin, x)
        self._normalise(x, bins, margin, self.entry_affine)
        middle = self._borrow((frames, rows, self.width)) if self._is_global else None
        for block in self.blocks:
            self._advance(block, x, bins, margin, middle, spare)
            x, spare = spare, x
        self._normalise(x, bins, margin, self.exit_affine)
        result = self.leave(x[:-1, margin : margin + bins])
        self._kept += [array for array in (x, spare, middle) if array is not None and array.nbytes <= _KEPT_BYTES]
        return result

    def leave(self, frames: np.ndarray) -> Tensor:
        """Return the last image (outputs, bins, N) of normalised frames (N, bins, width)."""
        return (torch.from_numpy(frames) @ self._exit + self._exit_bias).permute(2, 1, 0).contiguous()

    def _borrow(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return an array with any content: one of the last call, since the first access to memory costs as much."""
        size = math.prod(shape)
        while self._kept:
            found = self._kept.pop()
            if found.size == size:
                return found.reshape(shape)
        return aligned(*shape)

    def _advance(
        self, block: "_Block", x: np.ndarray, bins: int, margin: int, y: np.ndarray | None, out: np.ndarray
    ) -> None:
        frames = len(x) - 1
        if block.is_local:
            arguments = (x, block.kernel, *block.shape, self.channels, block.per_frame, *block.pair)
            self._run(frames, advance_frames, *arguments, bins, margin, out, scratch=block.scratch(bins))
            return
        moments = np.empty((frames, 2))
        self._run(frames, convolve_frames, x, block.kernel, bins, *block.shape, self.channels, y, moments)
        mean, rate = _join(moments, bins * self.channels)
        pair = block.pair_after(mean, rate)
        self._run(frames, mix_frames, x, y, *pair, bins, margin, out, scratch=block.scratch(bins))

    def _normalise(self, x: np.ndarray, bins: int, margin: int, affine: np.ndarray) -> None:
        mean, rate, frames = np.float32(0), np.float32(1), len(x) - 1
        if not self._outer_per_frame:
            moments = np.empty((frames, 2))
            self._run(frames, measure_frames, x, bins, margin, self.channels, moments)
            mean, rate = _join(moments, bins * self.channels)
        how = (self.channels, mean, rate, self._outer_per_frame, affine)
        self._run(frames, normalise_frames, x, bins, margin, *how)

    def _run(self, frames: int, function: Callable[..., None], *arguments: Any, scratch: int = 0) -> None:
        """Call a kernel for all frames, on all threads."""
        self._workers.run(function, *arguments, work=frames, least=_LEAST_FRAMES, scratch=scratch)

    def _affine(self, norm: Any) -> np.ndarray:
        affine = torch.stack([norm.gamma, norm.beta]).detach()
        return torch.nn.functional.pad(affine, (0, self.width - self.channels)).numpy().copy()


class _Block:
    """The weights of a :class:`~vocoders.layers.convnext.ConvNeXtBlock2d` as the kernels read them."""

    def __init__(self, block: Any, width: int) -> None:
        kernel = block.dwconv.weight.detach()[:, 0].permute(2, 1, 0)
        context, taps = block.context, kernel.shape[1]
        # Bins of the kernel; earlier frames; frames of the kernel; what stands beyond the ends.
        self.shape = taps, context.before, context.width, context.mode == "reflect"
        self.margin = taps // 2
        kernel = torch.nn.functional.pad(kernel, (0, width - kernel.shape[2]))
        kernel = kernel.unflatten(2, (-1, LANES)).permute(2, 0, 1, 3)
        self.kernel = _aligned(kernel)
        norm = block.norm
        self.is_local = isinstance(norm, BatchNorm) or norm.framewise
        self.per_frame = isinstance(norm, LayerNorm)
        gain, offset = (value.detach().double() for value in (norm.gamma, norm.beta))
        if isinstance(norm, BatchNorm):
            gain = gain / torch.sqrt(norm.running_var.view(-1).double() + EPSILON)
            offset = offset - norm.running_mean.view(-1).double() * gain
        expand, contract = (layer.weight.detach()[:, :, 0, 0].double() for layer in (block.pwconv1, block.pwconv2))
        expand_bias, contract_bias = (layer.bias.detach().double() for layer in (block.pwconv1, block.pwconv2))
        scale = torch.ones(len(contract)) if block.gamma is None else block.gamma.detach().view(-1).double()
        self._hidden, self._width = hidden, width = filled(len(expand), LANES), width
        self.pair = (
            _columns(_padded(expand * gain, hidden, width), hidden),
            _aligned(_padded((expand_bias + expand @ offset)[None], 1, hidden)),
            _columns(_padded(contract * scale[:, None], width, hidden), width),
            _aligned(_padded((contract_bias * scale)[None], 1, width)),
        )

    def pair_after(self, mean: np.float32, rate: np.float32) -> tuple[np.ndarray, ...]:
        """Return the pointwise pair with the normalisation by a mean and a reciprocal deviation folded in."""
        first, bias = aligned(len(self.pair[0])), aligned(self._hidden)
        first[:] = rate * self.pair[0]
        sums = self.pair[0].reshape(-1, self._width, LANES).sum(axis=1, dtype=np.float64).reshape(-1)
        bias[:] = self.pair[1] - float(mean) * float(rate) * sums
        return first, bias, *self.pair[2:]

    def scratch(self, bins: int) -> int:
        """Return how many numbers of scratch memory a thread needs: hidden rows of a tile, and a frame."""
        return TILE * self._hidden + filled(bins, TILE) * self._width


def _padded(matrix: Tensor, rows: int, columns: int) -> Tensor:
    padded = torch.zeros(rows, columns)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    return padded


def _columns(weight: Tensor, width: int) -> np.ndarray:
    """Return a matrix (outputs, inputs) as (width / 16, inputs, 16), flat."""
    weight = _padded(weight.detach(), width, weight.shape[1])
    return _aligned(weight.t().unflatten(1, (-1, LANES)).permute(1, 0, 2))


def _aligned(tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor in one row that begins at a cache line."""
    values = aligned(tensor.numel())
    values[:] = tensor.contiguous().numpy().reshape(-1)
    return values


def _join(moments: np.ndarray, count: int) -> tuple[np.float32, np.float32]:
    """Return mean and reciprocal deviation over all frames from those of each frame, by their exact identity."""
    means = moments[:, 0] / count
    mean = means.mean()
    variance = (moments[:, 1] / count + (means - mean) ** 2).mean()
    return np.float32(mean), np.float32(1 / np.sqrt(variance + EPSILON))
