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

__all__ = ["cache_folder", "cached_graph", "digest_of"]

_logger = logging.getLogger(__name__)

# The last bytes of a file: a hash of what stands before, so that a damaged file is seen before a runtime reads it.
_HASH_BYTES = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Return the folder of compiled graphs: ``ONDES_CACHE``, or the user's cache folder."""
    if given := os.environ.get("ONDES_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ondes"


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
    path = cache_folder() / "graphs" / f"{name}.onnx"
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
        _logger.warning("%s; the graph is not kept, and is made in every process", error)
    return graph
