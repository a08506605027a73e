"""Inputs of `ondes synth`: files, folders, patterns, wav.scp lists, and feature files."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from vocoders.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FEATURE_SUFFIXES", "Features", "Input", "find_inputs", "read_features"]

FEATURE_SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True)
class Input:
    """One input, and the name of its output in the output folder, without suffix."""

    path: Path
    name: PurePath

    @property
    def is_features(self) -> bool:
        """Whether this is a feature file, not audio."""
        return self.path.suffix.lower() in FEATURE_SUFFIXES


@dataclass(frozen=True)
class Features:
    """Content of a feature file: ``features`` (bins, F), F0 (F,) in Hz if present, and a fingerprint.

    ``mel_f0`` is the F0 of the audio that the features come from, where the wanted ``f0`` is another.
    """

    features: "Tensor"
    f0: "Tensor | None"
    mel_f0: "Tensor | None"
    fingerprint: str | None


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


def read_features(path: Path) -> Features:
    """Read a feature file.

    ``.npy`` contains features (bins, F). ``.npz`` contains ``features``, ``f0`` (F,) in Hz with 0 for unvoiced frames
    if the model takes F0, ``mel_f0`` if the features come from audio with another F0, and the ``fingerprint`` of the
    front end if known. Arrays may have a leading axis of length
    1.

    Raises:
        DataError: if the file is damaged, lacks features, or contains other shapes, NaN or a negative F0.
    """
    import torch

    from vocoders.core.checks import check_f0, check_finite

    arrays = _load_arrays(path)
    features = arrays.get("features")
    if features is None:
        raise DataError(f"{path} contains {', '.join(arrays) or 'nothing'}; expected an array named 'features'")
    features = features[0] if features.ndim == 3 and len(features) == 1 else features
    if features.ndim != 2 or features.size == 0 or features.dtype.kind not in "fiu":
        raise DataError(f"{path} contains features {features.shape} {features.dtype}; expected numbers (bins, frames)")
    tracks = {name: arrays[name] for name in ("f0", "mel_f0") if name in arrays}
    for name, f0 in tracks.items():
        if f0.size != features.shape[1] or f0.dtype.kind not in "fiu":
            found = f"{path} contains {name} {f0.shape} {f0.dtype} for {features.shape[1]} frames"
            raise DataError(f"{found}; expected one per frame")
    tensor = torch.from_numpy(features.astype("float32"))
    try:
        check_finite(tensor, "MF", "features")
        checked = {name: check_f0(f0.flatten(), tensor[None]).flatten() for name, f0 in tracks.items()}
    except DataError as error:
        raise DataError(f"{path}: {error}; extract the features again") from None
    fingerprint = str(arrays["fingerprint"]) if "fingerprint" in arrays else None
    return Features(tensor, checked.get("f0"), checked.get("mel_f0"), fingerprint)


def _load_arrays(path: Path) -> dict:
    import zipfile

    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"features": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = "it is empty" if path.stat().st_size == 0 else str(error).split("\n")[0]
        raise DataError(f"{path} is not a NumPy file of plain numbers, or damaged: {reason}") from None


def _expand(argument: str) -> Iterator[Input]:
    path = Path(argument).expanduser()
    if path.is_dir():
        yield from _search_folder(path)
    elif path.suffix == ".scp" and path.is_file():
        yield from _read_scp(path)
    elif path.exists():
        yield Input(path, PurePath(path.stem))
    elif glob.has_magic(argument):
        yield from _match_pattern(str(path))
    else:
        raise ConfigError(f"{argument}: no such file or folder")


def _search_folder(folder: Path) -> list[Input]:
    from vocoders.core.audio_formats import find_files, list_audio

    files = list_audio(folder) or list(find_files(folder, FEATURE_SUFFIXES))
    if not files:
        hint = "; give the wav.scp in it" if (folder / "wav.scp").is_file() else ""
        raise ConfigError(f"{folder} contains no audio (wav, flac, ogg, mp3 ...) and no features{hint}")
    return _named_below(folder, files)


def _named_below(folder: Path, files: Sequence[Path]) -> list[Input]:
    """Name files by their path; an unreadable file takes no name from a readable one."""
    from vocoders.core.audio_formats import reason_to_leave_out

    named = [Input(path, path.relative_to(folder).with_suffix("")) for path in files]
    readable = {item.name for item in named if not reason_to_leave_out(item.path)}
    return [item for item in named if item.name not in readable or not reason_to_leave_out(item.path)]


def _match_pattern(pattern: str) -> list[Input]:
    from vocoders.core.audio_formats import AUDIO_SUFFIXES, warn_of_left_out

    fixed = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = Path(*fixed)
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    files = [p for p in matches if p.is_file() and p.suffix.lower() in AUDIO_SUFFIXES + FEATURE_SUFFIXES]
    if not files:
        raise ConfigError(f"'{pattern}' matches no audio and no features" + (f", only {matches[0]}" if matches else ""))
    warn_of_left_out(files, pattern)
    return _named_below(root, files)


def _read_scp(path: Path) -> Iterator[Input]:
    from recipes.data.id_lists import read_file_list

    files = read_file_list(path, "list of files")
    if not files:
        raise DataError(f"{path} lists nothing; expected lines '<id> <file>'")
    for utt_id, file in files.items():
        if "/" in utt_id or utt_id.startswith("."):
            raise DataError(f"{path}: id '{utt_id}' must not hold a slash or begin with a dot: it names an output")
        yield Input(file, PurePath(utt_id))
