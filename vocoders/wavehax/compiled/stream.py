"""The image of a causal Wavehax network in compiled code, frame by frame, with the frames that its blocks still need."""

from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vocoders.core.packed_memory import aligned, filled
from vocoders.wavehax.compiled.image import CompiledImage
from vocoders.wavehax.compiled.kernels import TILE, advance_frames, enter_frames, normalise_frames
from vocoders.wavehax.networks import ImageNetwork

__all__ = ["CompiledImageStream"]

# Frames that a memory holds before the newest ones move to its beginning.
_FRAMES = 32


class CompiledImageStream:
    """Computes the blocks of :class:`~vocoders.wavehax.step.CausalStep` and keeps their memory.

    Every block has a row of frames, and a frame has the same place in all of them.

    Args:
        network: a causal network with norms that are local in time.
        batch: number of streams.
    """

    def __init__(self, network: ImageNetwork, batch: int) -> None:
        self.image = CompiledImage(network)
        blocks = self.image.blocks
        contexts = [block.context for block in self.image.layers]
        # Frames by which the output of each block lags behind the image.
        self.delays = list(accumulate(context.after for context in contexts))
        self.kept = (self.delays[-1] if self.delays else 0) + max((context.width for context in contexts), default=1)
        self.place = self.kept
        self.bins, self.margin = network.stft.n_fft // 2 + 1, max((block.margin for block in blocks), default=0)
        self.rows = filled(self.bins, TILE)
        shape = self.kept + _FRAMES + 1, self.rows + 2 * self.margin, self.image.width
        self.memory = [[_zeros(*shape) for _ in range(len(blocks) + 1)] for _ in range(batch)]
        self.scratch = [aligned(block.scratch(self.bins)) for block in blocks]

    def __call__(self, image: Tensor, frame: int, total: int) -> Tensor:
        """Return the newest image (B, outputs, bins, 1) that is complete.

        Args:
            image: next image (B, inputs, bins, 1).
            frame: its number; images before 0 and from ``total`` on count as zeros.
            total: number of frames of the signal.
        """
        if self.place == self.kept + _FRAMES:
            for memory in (memory for item in self.memory for memory in item):
                memory[: self.kept] = memory[_FRAMES : self.kept + _FRAMES]
            self.place = self.kept
        result = torch.stack([self._advance(*item, frame, total) for item in zip(self.memory, image, strict=True)])
        self.place += 1
        return result

    def _advance(self, memory: list[np.ndarray], image: Tensor, frame: int, total: int) -> Tensor:
        newest, bins, margin = self.place, self.bins, self.margin
        first = memory[0][newest : newest + 1]
        if 0 <= frame < total:
            entry = torch.zeros(1, self.rows, len(image))
            entry[0, :bins] = image[..., 0].t()
            enter_frames(entry.numpy(), self.image.entry, bins, margin, first, 0, 1)
            self._normalise(first, self.image.entry_affine)
        else:
            first[:] = 0
        steps = zip(self.image.blocks, self.scratch, self.delays, memory, memory[1:], strict=False)
        for block, scratch, delay, x, out in steps:
            at = newest - delay
            if 0 <= frame - delay < total:
                arguments = (x, block.kernel, *block.shape, self.image.channels, block.per_frame, *block.pair)
                advance_frames(*arguments, bins, margin, out, scratch, at, at + 1)
            else:
                out[at] = 0
        at = newest - (self.delays[-1] if self.delays else 0)
        last = memory[-1][at : at + 1]
        self._normalise(last, self.image.exit_affine)
        return self.image.leave(last[:, margin : margin + bins])

    def _normalise(self, frame: np.ndarray, affine: np.ndarray) -> None:
        how: Any = (self.image.channels, np.float32(0), np.float32(1), True, affine)
        normalise_frames(frame, self.bins, self.margin, *how, 0, 1)


def _zeros(*shape: int) -> np.ndarray:
    array = aligned(*shape)
    array[:] = 0
    return array
