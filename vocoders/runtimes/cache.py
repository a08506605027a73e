"""Graphs that have been made once, kept for other processes in the user's cache folder."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import DataError
from vocoders.version import __version__

__all__ = ["cache_folder", "cached_graph", "digest_of", "made_folder"]

_logger = logging.getLogger(__name__)

# The last bytes of a file: a hash of what stands before, so that a damaged file is seen before a runtime reads it.
_HASH_BYTES = hashlib.sha256().digest_size
# What has been told in this process.
_told: set[str] = set()


def cache_folder() -> Path | None:
    """Return the folder of compiled graphs: ``ONDES_CACHE``, or the user's cache folder; ``None`` without a home."""
    given, caches = os.environ.get("ONDES_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given).expanduser() if given else Path(caches or "~/.cache").expanduser() / "ondes"
    except RuntimeError:  # no HOME, and no entry of the user
        return None


def made_folder(name: str) -> Path | None:
    """Return a folder in the cache, which exists and can be written; ``None`` if that is impossible, which is said."""
    folder = cache_folder()
    try:
        if folder is not None:
            (folder / name).mkdir(parents=True, exist_ok=True)
            if os.access(folder / name, os.W_OK | os.X_OK):
                return folder / name
    except OSError:
        pass
    _tell_once(f"{folder or 'no home folder'}: nothing can be written there")
    return None


def digest_of(model: Any, *parts: str) -> str:
    """Return a name for a graph of a model: a hash of its configuration and weights, of versions and of ``parts``."""
    digest = hashlib.sha256()
    for part in (__version__, model.family, repr(model.config.to_dict()), *parts):
        digest.update(part.encode() + b"\0")
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + b"\0")
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def cached_graph(name: str, make: Callable[[], bytes]) -> bytes:
    """Return a graph from the cache, or make it and put it there.

    Processes may do so at the same time: files appear whole. A damaged file is made again. A folder that cannot be
    written is by-passed with one line in the log.
    """
    folder = cache_folder()
    if folder is None:
        _tell_once("no home folder; set ONDES_CACHE to a folder for graphs")
        return make()
    path = folder / "graphs" / f"{name}.onnx"
    try:
        content = path.read_bytes()
        graph, stored = content[:-_HASH_BYTES], content[-_HASH_BYTES:]
        if stored == hashlib.sha256(graph).digest():
            return graph
        _logger.warning("%s is damaged and is made again", path)
    except FileNotFoundError:
        pass
    except OSError as error:
        _logger.warning("%s cannot be read (%s); the graph is made again", path, error.strerror or error)
    graph = make()
    try:
        with atomic_file(path) as temporary:
            temporary.write_bytes(graph + hashlib.sha256(graph).digest())
    except DataError as error:
        _tell_once(str(error))
    return graph


def _tell_once(problem: str) -> None:
    if problem not in _told:
        _told.add(problem)
        _logger.warning("%s; the graph is not kept, and is made in every process", problem)
