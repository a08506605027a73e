"""Rendering of recordings of any length through an effect, block by block."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.errors import ConfigError

__all__ = ["Stream", "render_blocks"]

# Samples of silence to process at once after the end of a recording.
_FLUSHED_AT_ONCE = 1 << 15


class Stream(Protocol):
    """A stream through an effect: an :class:`~effects.engine.Engine`, or the stream of a processor."""

    @property
    def latency_samples(self) -> int:
        """Delay of the output in samples."""
        ...

    def process(self, audio: Tensor) -> Tensor:
        """Process the next samples (C, T); return the same number."""
        ...


def render_blocks(stream: Stream, blocks: Iterable[Tensor], mix: float = 1.0) -> Iterator[Tensor]:
    """Process a recording by a stream and remove the stream's latency, in constant memory.

    Args:
        stream: a stream at its start.
        blocks: the recording, in blocks (C, T).
        mix: fraction of the effect in the output; the rest is the input.

    Yields:
        Audio (C, T); together the same number of samples as ``blocks``, aligned with them.

    Raises:
        ConfigError: for an impossible mix.
        DataError, ShapeError: for blocks that cannot be used, see :mod:`vocoders.core.checks`.
    """
    if not 0 <= mix <= 1:
        raise ConfigError(f"mix {mix:g}; expected 0 (the input) .. 1 (the effect)")
    latency = late = stream.latency_samples
    dry: list[Tensor] = []
    last = None
    for block in blocks:
        block = check_audio(block, "CT", least=0, dtype=None)
        wet = stream.process(block)[..., min(late, block.shape[-1]) :]
        late -= min(late, block.shape[-1])
        last = block
        if mix < 1:
            dry.append(block)
        if wet.shape[-1]:
            yield _blend(wet, dry, mix)
    if last is None:
        return
    # The recording is shorter than the latency, so its first samples are still missing.
    for start in range(0, latency, _FLUSHED_AT_ONCE):
        silence = last.new_zeros(*last.shape[:-1], min(_FLUSHED_AT_ONCE, latency - start))
        wet = stream.process(silence)[..., min(late, silence.shape[-1]) :]
        late -= min(late, silence.shape[-1])
        if wet.shape[-1]:
            yield _blend(wet, dry, mix)


def _blend(wet: Tensor, waiting: list[Tensor], mix: float) -> Tensor:
    """Return the mix of ``wet`` with the dry samples of the same time, which are removed from ``waiting``."""
    if mix == 1:
        return wet
    known = torch.cat(waiting, dim=-1)
    dry, rest = known[..., : wet.shape[-1]], known[..., wet.shape[-1] :]
    waiting[:] = [rest]
    return mix * wet + (1 - mix) * dry
