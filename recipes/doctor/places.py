"""Caches and folders that ondes writes to."""

import os
import tempfile
from pathlib import Path

from recipes.doctor.report import Fact, Section, in_megabytes
from vocoders.core.folder_search import stat_files
from vocoders.runtimes.cache import cache_folder

__all__ = ["caches", "folders"]


def caches() -> Section:
    """Return where compiled loops, graphs and downloaded models are kept, and their sizes."""
    from huggingface_hub.constants import HF_HUB_CACHE

    graphs = cache_folder()
    facts: dict[str, Fact] = {
        "graphs (ONDES_CACHE)": _described([graphs]) if graphs else "none: no home folder; set ONDES_CACHE",
        "compiled loops (NUMBA_CACHE_DIR)": _described(_numba_folders(), (".nbi", ".nbc")),
        "downloaded models (HF_HOME)": _described([Path(HF_HUB_CACHE)]),
    }
    return Section("caches", facts)


def _numba_folders() -> list[Path]:
    """Return the folders where numba keeps what it has compiled: those of the sources, or the user's."""
    from numba import config

    if config.CACHE_DIR:  # type: ignore[attr-defined]
        return [Path(config.CACHE_DIR)]  # type: ignore[attr-defined]
    packages = Path(__file__).resolve().parents[2]
    if os.access(packages / "vocoders", os.W_OK):
        return [packages / "vocoders", packages / "effects"]
    return [Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "numba"]


def _described(places: list[Path], suffixes: tuple[str, ...] = ()) -> str:
    files = (found for place in places for found in stat_files(place))
    sizes = [state.st_size for path, state in files if path.suffix in suffixes or not suffixes]
    return f"{in_megabytes(sum(sizes))} in {len(sizes)} files, {', '.join(map(str, places))}"


def folders() -> Section:
    """Return whether the folders that commands write to can be written."""
    facts: dict[str, Fact] = {}
    advice = []
    for name, place, remedy in (
        ("current folder", Path.cwd(), "choose another folder for outputs (-o)"),
        ("temporary files", _temporary_folder(), "set TMPDIR to a folder that can be written"),
        ("graph cache", cache_folder(), "set ONDES_CACHE to a folder that can be written"),
    ):
        if place is None:
            facts[name] = "none: no home folder"
            advice.append(remedy)
            continue
        nearest = next(parent for parent in (place, *place.parents) if parent.exists())
        problem = _problem(nearest)
        facts[name] = f"{place}: {problem or 'can be written'}"
        if problem:
            advice.append(f"{place} cannot be written; {remedy}")
    return Section("folders", facts, advice)


def _temporary_folder() -> Path:
    """Return the folder of temporary files; where none can be written, the one that should be."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path(os.environ.get("TMPDIR") or "/tmp")


def _problem(folder: Path) -> str:
    """Try to write: permissions alone do not tell of a file system that is read-only or full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"ondes")
            file.flush()
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"
    return ""
