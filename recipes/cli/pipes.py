"""Standard input and output as audio: `-` instead of a file."""

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.core.audio_pipes import PipeFormat

__all__ = ["PIPE", "PipeOptions", "check_pipe_output", "deliver", "only_one", "open_source", "uses_pipes"]

_logger = logging.getLogger(__name__)

PIPE = "-"
# Samples that are read from a file at once.
_BLOCK = 1 << 15


@dataclass(frozen=True)
class PipeOptions:
    """Options of commands that work in pipes."""

    raw: Annotated[
        str | None,
        typer.Option(
            "--raw", metavar="FORMAT,RATE,CHANNELS", help="Samples without header in pipes, such as s16le,48000,2."
        ),
    ] = None

    def __post_init__(self) -> None:
        self.format  # noqa: B018  (reports a bad value at once)

    @property
    def format(self) -> "PipeFormat | None":
        """The raw format; ``None``: WAV."""
        from vocoders.core.audio_pipes import PipeFormat

        return None if self.raw is None else PipeFormat.parse(self.raw)


def uses_pipes(inputs: Sequence[str], output: Path | None) -> bool:
    """Return whether a command reads standard input or writes standard output.

    Raises:
        ConfigError: for standard input beside other inputs.
    """
    from vocoders.core.errors import ConfigError

    if PIPE in inputs and len(inputs) > 1:
        raise ConfigError("standard input (-) is one input; leave out the others")
    if output is not None and str(output) == PIPE and len(inputs) > 1:
        raise ConfigError(f"standard output (-) takes one input, not {len(inputs)}")
    return PIPE in inputs or (output is not None and str(output) == PIPE)


def open_source(name: str, pipes: PipeOptions) -> "tuple[int, int, Iterator[Tensor]]":
    """Return sample rate, channels and blocks (C, T) of a file or of standard input.

    Raises:
        ConfigError: if standard input is a terminal.
        DataError: for audio that cannot be read.
    """
    from vocoders.core.audio import audio_info, read_blocks
    from vocoders.core.audio_pipes import read_pipe
    from vocoders.core.errors import ConfigError

    if name != PIPE:
        info = audio_info(name)
        return info.sample_rate, info.channels, read_blocks(name, _BLOCK)
    if sys.stdin.isatty():
        raise ConfigError("standard input is a terminal; pipe audio into the command")
    format, blocks = read_pipe(sys.stdin.buffer, pipes.format)
    return format.sample_rate, format.channels, blocks


def deliver(
    output: Path, blocks: "Iterable[Tensor]", sample_rate: int, channels: int, pipes: PipeOptions, force: bool
) -> None:
    """Write blocks (C, T) as they come, to standard output or to a file, which appears when it is complete.

    Raises:
        ConfigError: if standard output is a terminal, or the file exists.
        DataError: if the file cannot be written, or there are no samples.
    """
    from vocoders.core.audio import write_blocks
    from vocoders.core.audio_pipes import PipeFormat, PipeWriter
    from vocoders.core.errors import ConfigError

    if str(output) != PIPE:
        write_blocks(output, blocks, sample_rate, channels, 0, overwrite=force)
        return
    if sys.stdout.isatty():
        raise ConfigError("standard output is a terminal; pipe the audio into another program, or give a file")
    format = pipes.format
    encoding = "s16le" if format is None else format.encoding
    writer = PipeWriter(sys.stdout.buffer, PipeFormat(encoding, sample_rate, channels), header=format is None)
    for block in blocks:
        writer.write(block)
    if writer.clips:
        _logger.warning("standard output: peak %.3f is above full scale; clipped to 1", writer.peak)


def check_pipe_output(output: Path, force: bool, json_lines: bool) -> None:
    """Refuse an output that a command with pipes cannot write, before any work.

    Raises:
        ConfigError: for an existing file without ``force``, a folder, or JSON lines among audio.
    """
    from recipes.cli.inputs import Input
    from recipes.cli.outputs import plan_outputs
    from vocoders.core.audio import AUDIO_SUFFIXES
    from vocoders.core.errors import ConfigError

    if str(output) != PIPE:
        if output.suffix.lower() not in AUDIO_SUFFIXES:
            raise ConfigError(f"{output}: standard input becomes one file; give its name, such as out.wav, or -")
        plan_outputs([Input(Path(PIPE), Path(PIPE))], output, force)
    elif json_lines:
        raise ConfigError("--json prints to standard output, which holds the audio; leave it out")


def only_one(inputs: Sequence[object], what: str = "inputs") -> None:
    """Refuse several inputs, or items, where they go into one stream.

    Raises:
        ConfigError: for more than one.
    """
    from vocoders.core.errors import ConfigError

    if len(inputs) > 1:
        raise ConfigError(f"{len(inputs)} {what}; a stream has one")
