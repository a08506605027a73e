"""Copy-synthesis of audio of any length in constant memory: analysis of parts with context, synthesis in a stream."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.chunked_stream import ChunkedFunction
from vocoders.core.options import SynthesisOptions
from vocoders.frontends.f0 import whole_frames
from vocoders.frontends.f0_config import F0Method

if TYPE_CHECKING:
    from vocoders.interface import Vocoder
    from vocoders.stream import Stream

__all__ = ["analyze_blocks", "copy_blocks", "synthesize_parts"]

# Audio that is analysed at once, and its context on each side. A mel is exact with less; trackers of F0 look further.
_PART_SECONDS, _CONTEXT_SECONDS = 56.0, 2.0
# Audio that is synthesised at once.
_CHUNK_SECONDS = 10.0


def analyze_blocks(
    vocoder: "Vocoder", blocks: Iterable[Tensor], f0_method: F0Method | None = None
) -> Iterator[dict[str, Tensor]]:
    """Analyse audio that comes in blocks.

    Features are those of the whole audio; F0 differs a little where a tracker looks further than two seconds.

    Args:
        vocoder: the vocoder whose inputs are wanted.
        blocks: audio (C, T) at its sample rate, any lengths; the last frame is padded with silence.
        f0_method: tracker of F0; ``None``: the vocoder's own choice.

    Yields:
        ``features`` (C, num_features, F), and ``f0`` (C, 1, F) if the vocoder uses F0, of consecutive parts.
    """
    hop, rate = vocoder.hop_length, vocoder.sample_rate
    part, context = (whole_frames(seconds, rate, hop) for seconds in (_PART_SECONDS, _CONTEXT_SECONDS))
    analysis = ChunkedFunction(lambda audio: _joined(vocoder.analyze(audio, f0_method)), (hop,), 1, part, context)
    for block in _filled(blocks, hop):
        yield from (_divided(vocoder, joined) for joined in analysis.push(block[:, None]))
    yield from (_divided(vocoder, joined) for joined in analysis.finish())


def _filled(blocks: Iterable[Tensor], hop: int) -> Iterator[Tensor]:
    """Yield blocks, and the silence that fills the last frame."""
    total, block = 0, None
    for block in blocks:
        total += block.shape[-1]
        yield block
    if block is not None and total % hop:
        yield block.new_zeros(len(block), -total % hop)


def _joined(inputs: dict[str, Tensor]) -> Tensor:
    return torch.cat([inputs["features"], *([inputs["f0"]] if "f0" in inputs else [])], dim=1)


def _divided(vocoder: "Vocoder", joined: Tensor) -> dict[str, Tensor]:
    bins = vocoder.num_features
    return {"features": joined[:, :bins]} | ({"f0": joined[:, bins:]} if vocoder.uses_f0 else {})


def synthesize_parts(
    vocoder: "Vocoder", parts: Iterable[dict[str, Tensor]], options: SynthesisOptions | None = None, seed: int = 0
) -> Iterator[Tensor]:
    """Synthesise features that come in parts; every channel is synthesised on its own, with the same seed.

    Args:
        vocoder: a vocoder with streams.
        parts: from :func:`analyze_blocks`.
        options: options of synthesis.
        seed: seed of all noise and phases.

    Yields:
        Audio (C, T) on the CPU. The samples are those of :meth:`Vocoder.synthesize`, where the norms of the network
        are local in time; else chunks of ten seconds are cross-faded.

    Raises:
        ConfigError: for a vocoder without streams.
    """
    chunk = round(_CHUNK_SECONDS * vocoder.sample_rate / vocoder.hop_length)
    streams: list[Stream] = []
    for part in parts:
        streams = streams or [vocoder.stream(options, seed=seed, chunk=chunk) for _ in part["features"]]
        # Not more at once than is synthesised at once.
        for values in zip(*(value.split(chunk, dim=-1) for value in part.values()), strict=True):
            channels = zip(*(value.split(1) for value in values), strict=True)
            yield from _waveform([stream.push(*channel) for stream, channel in zip(streams, channels, strict=True)])
    yield from _waveform([stream.finish() for stream in streams])


def _waveform(channels: list[Tensor]) -> Iterator[Tensor]:
    """Yield the audio (C, T) of channels (1, 1, T), if there is any."""
    if channels and channels[0].shape[-1]:
        yield torch.cat(channels)[:, 0].float().cpu()


def copy_blocks(
    vocoder: "Vocoder",
    blocks: Iterable[Tensor],
    options: SynthesisOptions | None = None,
    seed: int = 0,
    f0_method: F0Method | None = None,
) -> Iterator[Tensor]:
    """Analyse audio that comes in blocks and synthesise it again, with the same number of samples.

    Args, yields and errors are those of :func:`analyze_blocks` and :func:`synthesize_parts`.
    """
    left, method = 0, f0_method or vocoder.f0_method_for(options)

    def counted() -> Iterator[Tensor]:
        nonlocal left
        for block in blocks:
            left += block.shape[-1]
            yield block

    # Audio comes out after all that it was made from has been counted; only the last frame is longer than the input.
    for made in synthesize_parts(vocoder, analyze_blocks(vocoder, counted(), method), options, seed):
        kept = made[:, :left]
        left -= kept.shape[-1]
        if kept.shape[-1]:
            yield kept
