"""Logging of the command line, on standard error: standard output contains only results."""

import logging
import os
import sys
from typing import TextIO

from vocoders.core.errors import escaped

__all__ = ["keep_in_log", "show_logs"]

# A file that keeps the lines too, while standard error is a terminal; the recipes set it.
_LOG_VARIABLE = "ONDES_LOG"
_PACKAGES = ("vocoders", "effects", "recipes", "demo")


class _StandardError(logging.StreamHandler):
    """Writes to the current ``sys.stderr``, which a progress bar replaces while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


class _Formatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno == logging.INFO else f"{record.levelname.lower()}: {text}"


def show_logs(verbosity: int = 0) -> None:
    """Show log lines of our packages: warnings (-1), progress (0), or every step with its time (1 and above)."""
    handler = _StandardError()
    pattern = "%(asctime)s %(name)s: %(message)s" if verbosity > 0 else "%(message)s"
    handler.setFormatter(_Formatter(pattern))
    handlers: list[logging.Handler] = [handler]
    if path := os.environ.get(_LOG_VARIABLE):
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
        handlers[-1].setFormatter(_Formatter(f"%(asctime)s {pattern.removeprefix('%(asctime)s ')}"))
    level = logging.DEBUG if verbosity > 0 else logging.INFO if verbosity == 0 else logging.WARNING
    for package in _PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers = handlers
        logger.propagate = False
        logger.setLevel(level)


def keep_in_log(*lines: str) -> None:
    """Write lines, which were shown otherwise, to the file that keeps log lines, if there is one."""
    if path := os.environ.get(_LOG_VARIABLE):
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{escaped(line)}\n" for line in lines)
