"""One trainer in a folder: a lock with host and process, and signs of life for those who look from elsewhere."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from vocoders.core.errors import ConfigError

__all__ = ["LOCK_FILE", "run_lock"]

logger = logging.getLogger(__name__)

LOCK_FILE = "running.json"
_SECONDS_BETWEEN_SIGNS = 5.0
# Without a sign of life for this long, a trainer on another machine is gone.
_PATIENCE_SECONDS = 30.0


@contextmanager
def run_lock(folder: Path, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock of a run's folder during the block.

    A lock whose process is gone is taken over. Clocks of machines may differ, so the process on another machine is gone
    if it gives no sign of life while we wait.

    Args:
        folder: folder of the run, which is made.
        patience: longest wait in seconds for a sign of life from another machine.

    Raises:
        ConfigError: if another process trains in the folder, or the folder cannot be written.
    """
    path = folder / LOCK_FILE
    own = _own_record()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while not _create(path, own):
            holder = _read(path)
            if holder is not None:
                _check_gone(folder, path, holder, patience)
                logger.warning("%s: process %s on %s has ended without a word", folder, holder["pid"], holder["host"])
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; choose a folder that can be written") from None
    done = threading.Event()
    signs = threading.Thread(target=_give_signs, args=(path, own, done), daemon=True)
    signs.start()
    try:
        yield
    finally:
        done.set()
        signs.join()
        if (holder := _read(path)) is not None and _is_same(holder, own):
            path.unlink(missing_ok=True)


def _own_record() -> dict[str, Any]:
    process = psutil.Process()
    return {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time(), "sign": 0}


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("host", "pid", "started"))


def _create(path: Path, record: dict[str, Any]) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file)
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """Return the record of a lock; ``None`` if there is none, or nothing in it for a second."""
    for _ in range(10):
        try:
            record = json.loads(path.read_text())
            return record if {"host", "pid", "started", "sign"} <= record.keys() else None
        except FileNotFoundError:
            return None
        except (ValueError, AttributeError):  # being written
            time.sleep(0.1)
    return None


def _check_gone(folder: Path, path: Path, holder: dict[str, Any], patience: float) -> None:
    found = f"{folder}: process {holder['pid']} on {holder['host']} trains in it"
    advice = "wait for its end, end it, or choose another --exp"
    if holder["host"] == socket.gethostname():
        try:
            if abs(psutil.Process(holder["pid"]).create_time() - holder["started"]) < 1.0:
                raise ConfigError(f"{found}; {advice}")
        except psutil.NoSuchProcess:
            pass
        return
    logger.info("%s; waiting %g s for a sign of life", found, patience)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(min(0.5, patience / 10))
        now = _read(path)
        if now is None:
            return
        if now["sign"] != holder["sign"]:
            raise ConfigError(f"{found}, and gives signs of life; {advice}")


def _give_signs(path: Path, own: dict[str, Any], done: threading.Event) -> None:
    while not done.wait(_SECONDS_BETWEEN_SIGNS):
        own["sign"] += 1
        try:
            with path.open("r+") as file:
                file.write(json.dumps(own))
        except OSError as error:
            logger.warning("%s: no sign of life can be given: %s", path, error.strerror)
