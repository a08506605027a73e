"""Long sequences in bounded memory: overlapping chunks, and two ways to join their outputs.

If a function depends on at most ``halo`` frames to either side, the result for the whole sequence is exact when each
chunk is computed with that much context and only its centre is kept (:func:`join_exact`). If the context is unbounded,
neighbouring chunks differ slightly, and a cross-fade over their overlap hides the seam (:func:`join_crossfade`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError

__all__ = ["ChunkSpan", "chunk_spans", "crossfade_weights", "join_crossfade", "join_exact"]


@dataclass(frozen=True)
class ChunkSpan:
    """One chunk, in frames: feed ``start:stop``, keep ``valid_start:valid_stop``."""

    start: int
    stop: int
    valid_start: int
    valid_stop: int


def chunk_spans(num_frames: int, chunk_frames: int, halo_frames: int) -> list[ChunkSpan]:
    """Divide a sequence into chunks with context.

    The valid parts tile the sequence, in order and without gaps; their lengths differ by one frame at most, so that the
    last chunk is not a short rest. At both ends of the sequence the context is cut off: there a chunk has the true
    edge, which the function pads in its own way.

    Args:
        num_frames: length of the sequence; 0 gives no chunk.
        chunk_frames: greatest length of a valid part.
        halo_frames: frames of context on either side.

    Raises:
        ConfigError: for a negative length or halo, or a chunk of less than one frame.
    """
    if num_frames < 0 or chunk_frames < 1 or halo_frames < 0:
        raise ConfigError(
            f"cannot divide {num_frames} frames into chunks of {chunk_frames} with a halo of {halo_frames}; "
            "expected lengths from 0, chunks from 1 and halos from 0"
        )
    num_chunks = -(-num_frames // chunk_frames)
    edges = [index * num_frames // num_chunks for index in range(num_chunks + 1)] if num_chunks else []
    return [
        ChunkSpan(max(0, first - halo_frames), min(num_frames, last + halo_frames), first, last)
        for first, last in zip(edges, edges[1:], strict=False)
    ]


def join_exact(outputs: Iterable[Tensor], spans: list[ChunkSpan], hop_length: int = 1) -> Tensor:
    """Keep the valid part of each chunk's output and put the parts together.

    Args:
        outputs: the function's output for each span, in order: (..., (stop - start) * hop_length). A generator is
            consumed one chunk at a time, so only one chunk is in memory besides the result.
        spans: from :func:`chunk_spans`.
        hop_length: output samples per frame.

    Returns:
        (..., num_frames * hop_length).

    Raises:
        ShapeError: if there are more or fewer outputs than spans, or one has another length.
    """
    return _join(outputs, spans, hop_length, [0] * len(spans))


def join_crossfade(outputs: Iterable[Tensor], spans: list[ChunkSpan], hop_length: int = 1) -> Tensor:
    """Cross-fade the outputs of neighbouring chunks over their overlap.

    The fade is a raised cosine, centred where the valid parts meet, and extends at most half a valid part to either
    side. The two weights sum to one, so equal outputs pass unchanged. With a halo of 0 it is a plain cut.

    Args, returns and errors are those of :func:`join_exact`.
    """
    lengths = [span.valid_stop - span.valid_start for span in spans]
    reach = [0] * len(spans)
    for index in range(1, len(spans)):
        halo = min(spans[index].valid_start - spans[index].start, spans[index - 1].stop - spans[index - 1].valid_stop)
        reach[index] = min(halo, min(lengths[index - 1 : index + 1]) // 2)
    return _join(outputs, spans, hop_length, reach)


def _join(outputs: Iterable[Tensor], spans: list[ChunkSpan], hop_length: int, reach: list[int]) -> Tensor:
    """Join with fades that reach ``reach[i]`` frames to either side of the start of the valid part of chunk i."""
    if not spans:
        raise ShapeError("there is nothing to join: the sequence has no frames")
    joined: Tensor | None = None
    count = 0
    for index, output in enumerate(outputs):
        count += 1
        if index >= len(spans):
            break
        span = spans[index]
        if output.shape[-1] != (span.stop - span.start) * hop_length:
            raise ShapeError(
                f"chunk {index} has {output.shape[-1]} samples; "
                f"expected {span.stop - span.start} frames of {hop_length}"
            )
        if joined is None:
            joined = output.new_empty(*output.shape[:-1], spans[-1].valid_stop * hop_length)
        _paste(joined, output, span, hop_length, reach[index], reach[index + 1] if index + 1 < len(spans) else 0)
    if joined is None or count != len(spans):
        raise ShapeError(f"expected one output for each of the {len(spans)} chunks, found {count}")
    return joined


def _paste(joined: Tensor, output: Tensor, span: ChunkSpan, hop_length: int, before: int, after: int) -> None:
    first, middle, last = (span.valid_start - before), (span.valid_start + before), (span.valid_stop + after)
    fade = 2 * before * hop_length
    part = output[..., (first - span.start) * hop_length : (last - span.start) * hop_length]
    joined[..., middle * hop_length : last * hop_length] = part[..., fade:]
    if fade:
        weight = crossfade_weights(fade, output)
        zone = joined[..., first * hop_length : middle * hop_length]
        zone += weight * (part[..., :fade] - zone)


def crossfade_weights(length: int, like: Tensor) -> Tensor:
    """Return the rising half of a raised cosine, (length,), in the type and on the device of ``like``."""
    phase = (torch.arange(length, device=like.device, dtype=torch.float64) + 0.5) / length
    return (0.5 - 0.5 * torch.cos(torch.pi * phase)).to(like.real.dtype)
