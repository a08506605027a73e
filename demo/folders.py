"""Files of visitors, in one temporary folder that is removed when the server stops.

Results lie in a folder for each visitor, which is removed when the visitor leaves.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
import uuid
import wave
from pathlib import Path

import numpy as np

from vocoders.core.atomic import atomic_file, writing

__all__ = [
    "GRACE_SECONDS",
    "examples_folder",
    "forget_visitor",
    "is_kept",
    "read_wav",
    "remember_upload",
    "result_file",
    "result_folder",
    "results_folder",
    "shared_file",
    "temporary_folder",
    "write_wav",
]

# Names of sessions, which programs may choose themselves.
_NAME = re.compile(r"[A-Za-z0-9-]{7,64}")
_SERVER = "server"
GRACE_SECONDS = 60.0
"""Uploads stay so long at least."""
# Uploads by visitor.
_uploads: dict[str, set[Path]] = {}
_lock = threading.Lock()


def temporary_folder() -> Path:
    """Return the folder in which Gradio keeps the files of its users."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")


def results_folder() -> Path:
    """Return the folder of all results."""
    return temporary_folder() / "results"


def examples_folder() -> Path:
    """Return the folder of the example clips."""
    return temporary_folder() / "examples"


def result_folder() -> Path:
    """Make a folder for a result of the present request."""
    folder = results_folder() / _visitor() / uuid.uuid4().hex
    with writing(folder):
        folder.mkdir(parents=True)
    return folder


def result_file(samples: np.ndarray, sample_rate: int, name: str) -> str:
    """Write a result for a player, at a path that no other request uses.

    Gradio names files after their content: of two equal results at the same time, one would truncate the file while
    the other is read.

    Args:
        samples: int16 (T,) or (T, C).
        sample_rate: in Hz.
        name: name of the file, without suffix.

    Returns:
        The path.
    """
    path = result_folder() / f"{name}.wav"
    write_wav(path, samples, sample_rate)
    return str(path)


def shared_file(samples: np.ndarray, sample_rate: int, name: str) -> str:
    """Write a file as :func:`result_file`, once for equal samples of a visitor, so that the browser reads it once."""
    content = hashlib.sha256(samples.tobytes() + f"{samples.shape} {sample_rate}".encode()).hexdigest()[:32]
    path = results_folder() / _visitor() / content / f"{name}.wav"
    if path.is_file():
        os.utime(path)
        return str(path)
    write_wav(path, samples, sample_rate)
    return str(path)


def read_wav(path: Path) -> np.ndarray:
    """Return the int16 samples (T,) of a mono file of :func:`write_wav`."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def is_kept(path: Path) -> bool:
    """Whether a file is the server's own: an example clip or a first result."""
    return path.is_relative_to(examples_folder()) or path.is_relative_to(results_folder() / _SERVER)


def remember_upload(path: Path) -> None:
    """Note that the present visitor uses an uploaded file."""
    with _lock:
        _uploads.setdefault(_visitor(), set()).add(path)


def forget_visitor(visitor: str) -> None:
    """Remove the results of a visitor, and the uploads that no other visitor uses.

    Equal files lie at one path: a fresh one may be that of another visitor whose request has yet to come, so it is
    removed a minute later if nobody uses it then.
    """
    if not _NAME.fullmatch(visitor):
        return
    shutil.rmtree(results_folder() / visitor, ignore_errors=True)
    with _lock:
        own = _uploads.pop(visitor, set())
    _remove_unused(own)


def _remove_unused(uploads: set[Path]) -> None:
    with _lock:
        unused = uploads.difference(*_uploads.values())
    fresh = set()
    for path in unused:
        with contextlib.suppress(FileNotFoundError):
            if is_kept(path):
                continue
            if time.time() - path.stat().st_ctime < GRACE_SECONDS:
                fresh.add(path)
            else:
                shutil.rmtree(path.parent, ignore_errors=True)
    if fresh:
        later = threading.Timer(GRACE_SECONDS, _remove_unused, [fresh])
        later.daemon = True
        later.start()


def write_wav(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write int16 samples (T,) or (T, C); the file appears whole, for another request may read it."""
    with atomic_file(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())


def _visitor() -> str:
    """Return the name of the present request's visitor; work without a request is the server's own."""
    # Not above: the start reads this file too, and tells whether Gradio is installed.
    from gradio.context import LocalContext

    request = LocalContext.request.get(None)
    name = getattr(request, "session_hash", None)
    return name if isinstance(name, str) and _NAME.fullmatch(name) else _SERVER
