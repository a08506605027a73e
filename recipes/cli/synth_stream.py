"""`ondes synth` in pipes and streams: one input, whose audio is analysed, synthesised and written as it comes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.long_synthesis import warn_of_peak
from recipes.cli.meter import Meter
from recipes.cli.pipes import PIPE, PipeOptions, deliver, open_source

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.core.options import SynthesisOptions
    from vocoders.interface import Vocoder

__all__ = ["StreamOptions", "StreamSynthesis"]

# Frames of a feature file that are synthesised at once.
_FRAMES = 16


@dataclass(frozen=True)
class StreamOptions:
    """Options of synthesis in streams."""

    stream: Annotated[bool, typer.Option("--stream", help="Synthesise and write audio while it comes.")] = False
    chunk: Annotated[
        int, typer.Option("--chunk", min=1, help="Frames computed at once with --stream, if the model looks ahead.")
    ] = 8


@dataclass(frozen=True)
class StreamSynthesis:
    """Synthesis of one input that may have no end.

    Attributes:
        vocoder: the system.
        options: all options of synthesis.
        seed: seed of the first channel.
        resample: convert audio to the vocoder's rate.
        streaming: how to stream.
        pipes: the formats of pipes.
    """

    vocoder: "Vocoder"
    options: "SynthesisOptions"
    seed: int
    resample: bool
    streaming: StreamOptions
    pipes: PipeOptions

    def from_audio(self, name: str, output: Path, force: bool) -> None:
        """Synthesise a file or standard input.

        Raises:
            DataError: for another sample rate without ``resample``, or audio that cannot be used.
        """
        rate, channels, blocks = open_source(name, self.pipes)
        blocks = self._at_the_rate(blocks, rate)
        made = self._stream(blocks, channels) if self.streaming.stream else self._whole(blocks)
        self._deliver(made, channels, output, force)

    def from_features(self, inputs: "dict[str, Tensor]", output: Path, force: bool) -> None:
        """Synthesise features and F0, as arguments of ``synthesize``."""
        stream = self.vocoder.stream(self.options, seed=self.seed, chunk=self.streaming.chunk)

        def made() -> "Iterator[Tensor]":
            for start in range(0, inputs["features"].shape[-1], _FRAMES):
                yield stream.push(**{key: value[..., start : start + _FRAMES] for key, value in inputs.items()})[0]
            yield stream.finish()[0]

        self._deliver(made(), 1, output, force)

    def _deliver(self, made: "Iterable[Tensor]", channels: int, output: Path, force: bool) -> None:
        """Write audio as it comes. A file gets limited peaks; a pipe gets clipped ones, since a limiter looks ahead."""
        from vocoders.core.limiting import limited_blocks

        rate, meter, made = self.vocoder.sample_rate, Meter(lambda _: None), _filled(made)
        if str(output) != PIPE:
            made = limited_blocks(meter.watch(made), rate)
        deliver(output, made, rate, channels, self.pipes, force)
        warn_of_peak(output, meter.peak)

    def _at_the_rate(self, blocks: "Iterable[Tensor]", rate: int) -> "Iterable[Tensor]":
        from vocoders.core.errors import DataError
        from vocoders.core.resampling import resample_blocks

        expected = self.vocoder.sample_rate
        if rate != expected and not self.resample:
            raise DataError(f"{rate} Hz audio for a {expected} Hz model; pass --resample")
        return resample_blocks(blocks, rate, expected)

    def _whole(self, blocks: "Iterable[Tensor]") -> "Iterator[Tensor]":
        """Synthesise all audio at once, each channel on its own."""
        import torch

        from vocoders.core.errors import DataError

        parts = list(blocks)
        if not sum(part.shape[-1] for part in parts):
            raise DataError("standard input holds no samples")
        yield self.vocoder.copy_channels(torch.cat(parts, dim=-1), options=self.options, seed=self.seed)

    def _stream(self, blocks: "Iterable[Tensor]", channels: int) -> "Iterator[Tensor]":
        """Synthesise while audio comes; channel i has the seed ``seed + i``. The output is as long as the input."""
        stream = self.vocoder.stream(self.options, batch=channels, seed=self.seed, chunk=self.streaming.chunk)
        analysis = self.vocoder.analysis_stream(channels)
        taken = given = 0

        def made() -> "Iterator[Tensor]":
            nonlocal taken
            for block in blocks:
                taken += block.shape[-1]
                if block.shape[-1]:
                    yield from pushed(analysis.push(block[:, None]))
            yield from pushed(analysis.finish(fill=True))
            yield stream.finish()[:, 0]

        def pushed(inputs: "dict[str, Tensor]") -> "Iterator[Tensor]":
            if inputs["features"].shape[-1]:
                yield stream.push(**inputs)[:, 0]

        for part in _filled(made()):
            yield part[:, : max(0, taken - given)] if taken - given < part.shape[-1] else part
            given += part.shape[-1]


def _filled(parts: "Iterable[Tensor]") -> "Iterator[Tensor]":
    """Leave out empty parts."""
    return (part for part in parts if part.shape[-1])
