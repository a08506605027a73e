"""Output files of `ondes synth`, `ondes effect` and others, chosen and checked before any computation."""

import os
from collections.abc import Sequence
from pathlib import Path

from recipes.cli.inputs import Input
from vocoders.core.errors import ConfigError

__all__ = ["check_folder", "is_done", "plan_outputs"]

# Codecs with few sample rates and a loss at each encoding.
_FIXED_FRAMES = {".mp3", ".opus"}


def plan_outputs(
    inputs: Sequence[Input],
    output: Path,
    force: bool,
    suffix: str | None = ".wav",
    share: tuple[int, int] = (0, 1),
) -> list[Path]:
    """Return the output file of each input.

    Args:
        inputs: the input files.
        output: a file (.wav, .flac, .ogg ...) for a single input, or a folder for a file of each input, in the input's
            sub-folders. Arrays (.npy) take a folder.
        force: replace existing files, but never an input.
        suffix: of the files in a folder; ``None``: that of each input, if that format can be written at any sample
            rate and length.
        share: number, from 0, and count of shares; what other shares have written already may be there.

    Raises:
        ConfigError: if two inputs have the same output, or a file exists already or cannot be written.
    """
    outputs = _name_outputs(inputs, output, suffix)
    _check_collisions(inputs, outputs)
    # Unlike Path.resolve, this takes links in a circle, which are told when their turn comes.
    sources = {os.path.realpath(item.path) for item in inputs}
    if own := [path for path in outputs if os.path.realpath(path) in sources]:
        raise ConfigError(f"{own[0]} is an input and would be overwritten; choose another output")
    if folders := [path for path in outputs if path.is_dir()]:
        raise ConfigError(f"{folders[0]} is a folder; a file of that name is to be written")
    first, count = share
    existing = [path for path in outputs[first::count] if path.exists()]
    if existing and not force:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise ConfigError(f"{existing[0]} exists already{more}; pass --force to replace, or choose another output")
    for folder in {path.parent for path in outputs}:
        check_folder(folder)
    return outputs


def is_done(output: Path, source: Path | None = None) -> bool:
    """Return whether an output is there, whole, and not older than its source."""
    from vocoders.core.audio_reading import is_whole
    from vocoders.core.errors import DataError

    if output.suffix == ".npy":
        from recipes.data import mels

        return mels.is_done(output, source)
    try:
        is_older = source is not None and output.stat().st_mtime < source.stat().st_mtime
        return not is_older and is_whole(output)
    except (OSError, DataError):
        return False


def check_folder(folder: Path) -> None:
    """Find out whether files can be written to a folder, which need not exist yet.

    Raises:
        ConfigError: if not.
    """
    standing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    if not standing.is_dir():
        raise ConfigError(f"{standing} is a file; expected a folder to write to")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise ConfigError(f"no permission to write to {standing}")


def _name_outputs(inputs: Sequence[Input], output: Path, suffix: str | None) -> list[Path]:
    from vocoders.core.audio import AUDIO_SUFFIXES, WRITABLE_SUFFIXES

    own = output.suffix.lower()
    if output.is_dir() or own not in AUDIO_SUFFIXES or suffix == ".npy":
        return [output / f"{item.name}{suffix or _kept_suffix(item.path)}" for item in inputs]
    if own not in WRITABLE_SUFFIXES:
        raise ConfigError(f"{output}: cannot write '{own}'; expected {', '.join(WRITABLE_SUFFIXES)} or a folder")
    if len(inputs) > 1:
        raise ConfigError(f"{output} is one file, but there are {len(inputs)} inputs; give a folder")
    return [output]


def _kept_suffix(path: Path) -> str:
    from vocoders.core.audio import WRITABLE_SUFFIXES

    suffix = path.suffix.lower()
    return suffix if suffix in WRITABLE_SUFFIXES and suffix not in _FIXED_FRAMES else ".wav"


def _check_collisions(inputs: Sequence[Input], outputs: Sequence[Path]) -> None:
    taken: dict[Path, Path] = {}
    for item, path in zip(inputs, outputs, strict=True):
        other = taken.setdefault(path, item.path)
        if other != item.path:
            raise ConfigError(
                f"{other} and {item.path} would both become {path}; "
                "give the folder above them (sub-folders are kept), or one of them at a time"
            )
