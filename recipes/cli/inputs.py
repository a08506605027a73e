"""Inputs of `ondes synth`: files, folders, patterns, wav.scp lists, and feature files."""

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from vocoders.core.errors import ConfigError, DataError
from vocoders.core.feature_files import FEATURE_SUFFIXES, FeaturePlace, list_utterances

__all__ = ["Input", "find_inputs"]

# An entry of an archive of Kaldi.
_ARCHIVED = re.compile(r"\.ark(:[0-9]+)?$")


@dataclass(frozen=True)
class Input:
    """One input, and the name of its output in the output folder, without suffix.

    Attributes:
        path: a file.
        name: of the output.
        offset: place of the features in an archive, in bytes.
    """

    path: Path
    name: PurePath
    offset: int | None = None

    @property
    def is_features(self) -> bool:
        """Whether this is features, not audio."""
        return self.offset is not None or self.path.suffix.lower() in FEATURE_SUFFIXES

    @property
    def place(self) -> FeaturePlace:
        """Where the features are."""
        return FeaturePlace(self.path, self.offset)


def find_inputs(arguments: Sequence[str]) -> list[Input]:
    """Expand the inputs on the command line, without duplicates.

    The name of a file is its stem; in a folder or pattern, its path below; in a wav.scp, the id.

    Raises:
        ConfigError: if an argument gives no file.
        DataError: for an invalid wav.scp.
    """
    found: dict[tuple[Path, PurePath], Input] = {}
    for argument in arguments:
        for item in _expand(argument):
            found.setdefault((item.path.absolute(), item.name), item)
    return list(found.values())


def _expand(argument: str) -> Iterator[Input]:
    path = Path(argument).expanduser()
    if path.is_dir():
        yield from _search_folder(path)
    elif path.suffix == ".scp" and path.is_file():
        yield from _read_scp(path)
    elif path.suffix == ".ark" and path.is_file():
        yield from _utterances(path)
    elif path.exists():
        yield Input(path, PurePath(path.stem))
    elif glob.has_magic(argument):
        yield from _match_pattern(str(path))
    else:
        raise ConfigError(f"{argument}: no such file or folder")


def _search_folder(folder: Path) -> list[Input]:
    from vocoders.core.audio_formats import find_files, list_audio

    files = list_audio(folder)
    if not files and (found := _search_features(folder, find_files(folder, (*FEATURE_SUFFIXES, ".scp")))):
        return found
    if not files:
        hint = "; give the wav.scp in it" if (folder / "wav.scp").is_file() else ""
        raise ConfigError(f"{folder} contains no audio (wav, flac, ogg, mp3 ...) and no features{hint}")
    return _named_below(folder, files)


def _search_features(folder: Path, files: Iterable[Path]) -> list[Input]:
    """Return the utterances of all ``feats.scp`` and other archives among files, and feature files, by their place."""
    below = list(files)
    tables = sorted(path for path in below if path.name == "feats.scp")
    found = [item for table in tables for item in _utterances(table, table.parent.relative_to(folder))]
    listed = {os.path.realpath(item.path) for item in found}
    single = []
    for path in below:
        if path.suffix.lower() == ".scp":
            continue
        if path.suffix != ".ark":
            single.append(path)
        elif os.path.realpath(path) not in listed:
            found += _utterances(path, path.parent.relative_to(folder))
    return found + _named_below(folder, single)


def _utterances(path: Path, below: Path = Path()) -> Iterator[Input]:
    for utt_id, place in list_utterances(path).items():
        yield Input(place.path, PurePath(below / utt_id), place.offset)


def _named_below(folder: Path, files: Sequence[Path]) -> list[Input]:
    """Name files by their path; an unreadable file takes no name from a readable one."""
    from vocoders.core.audio_formats import reason_to_leave_out

    named = [Input(path, path.relative_to(folder).with_suffix("")) for path in files]
    readable = {item.name for item in named if not reason_to_leave_out(item.path)}
    return [item for item in named if item.name not in readable or not reason_to_leave_out(item.path)]


def _match_pattern(pattern: str) -> list[Input]:
    from vocoders.core.audio_formats import AUDIO_SUFFIXES, warn_of_left_out

    parts = Path(pattern).parts
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:first])
    matches = _match_below(root, parts[first:]) if "**" in parts else [Path(found) for found in glob.glob(pattern)]
    matches.sort()
    files = [p for p in matches if p.is_file() and p.suffix.lower() in AUDIO_SUFFIXES + FEATURE_SUFFIXES]
    if not files:
        raise ConfigError(f"'{pattern}' matches no audio and no features" + (f", only {matches[0]}" if matches else ""))
    warn_of_left_out(files, pattern)
    return _named_below(root, files)


def _match_below(root: Path, pattern: Sequence[str]) -> list[Path]:
    """Return the files that match the parts of a pattern with ``**``, by the search of folders, which has bounds."""
    from vocoders.core.folder_search import search_folder

    return [path for path in search_folder(root) if _fits(path.relative_to(root).parts, pattern)]


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a path match those of a pattern, of which ``**`` stands for any number."""
    if not pattern or not parts:
        return not parts and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _read_scp(path: Path) -> Iterator[Input]:
    from recipes.data.id_lists import read_file_list, read_id_list

    if any(_ARCHIVED.search(place) for place in read_id_list(path, "list of files", value="file").values()):
        yield from _utterances(path)
        return
    files = read_file_list(path, "list of files")
    if not files:
        raise DataError(f"{path} lists nothing; expected lines '<id> <file>'")
    for utt_id, file in files.items():
        if "/" in utt_id or utt_id.startswith("."):
            raise DataError(f"{path}: id '{utt_id}' must not hold a slash or begin with a dot: it names an output")
        yield Input(file, PurePath(utt_id))
