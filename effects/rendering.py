"""Recordings of any length through an effect, block by block, as a host would play them."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.errors import ConfigError

__all__ = ["Stream", "render_blocks"]

# Samples of silence that are played at once behind the end of a recording.
_FLUSHED_AT_ONCE = 1 << 15


class Stream(Protocol):
    """What audio is played through: an :class:`~effects.engine.Engine`, or a processor."""

    @property
    def latency_samples(self) -> int:
        """Delay of the output in samples."""
        ...

    def process(self, audio: Tensor) -> Tensor:
        """Process the next samples (C, T); return as many."""
        ...


def render_blocks(stream: Stream, blocks: Iterable[Tensor], mix: float = 1.0) -> Iterator[Tensor]:
    """Play a recording through a stream and take the stream's latency away, in memory that does not grow.

    Args:
        stream: at its start.
        blocks: the recording (C, T), cut into what the host plays at once.
        mix: part of the effect in the output, the rest is the input.

    Yields:
        Audio (C, T); together as many samples as ``blocks``, in its time.

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
    # A recording that is shorter than the latency: its first samples are still to come.
    for start in range(0, latency, _FLUSHED_AT_ONCE):
        silence = last.new_zeros(*last.shape[:-1], min(_FLUSHED_AT_ONCE, latency - start))
        wet = stream.process(silence)[..., min(late, silence.shape[-1]) :]
        late -= min(late, silence.shape[-1])
        if wet.shape[-1]:
            yield _blend(wet, dry, mix)


def _blend(wet: Tensor, waiting: list[Tensor], mix: float) -> Tensor:
    """Return the mixture of ``wet`` with the dry samples of its time, which leave ``waiting``."""
    if mix == 1:
        return wet
    known = torch.cat(waiting, dim=-1)
    dry, rest = known[..., : wet.shape[-1]], known[..., wet.shape[-1] :]
    waiting[:] = [rest]
    return mix * wet + (1 - mix) * dry
