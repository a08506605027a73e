"""Length and peak of audio that passes in blocks."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Meter"]


class Meter:
    """Measures a stream of audio.

    Args:
        report: called with the number of samples that have passed.
        every: samples between calls.
    """

    def __init__(self, report: Callable[[int], None], every: int = 1 << 15) -> None:
        self.peak, self.passed = 0.0, 0
        self._report, self._every = report, every

    def watch(self, blocks: "Iterable[Tensor]") -> "Iterator[Tensor]":
        """Yield ``blocks`` unchanged."""
        told = 0
        for block in blocks:
            yield block
            self.peak = max(self.peak, float(block.abs().max()))
            self.passed += block.shape[-1]
            if self.passed - told >= self._every:
                told = self.passed
                self._report(self.passed)
