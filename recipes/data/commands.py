"""Commands in lists of files, as Kaldi has them (``utt sox in.sph -t wav - |``): run only where the user allows it."""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from vocoders.core.errors import DataError

__all__ = ["ALLOWED", "is_command", "run_command"]

ALLOWED = "ONDES_ALLOW_PIPES"
"""Variable of the environment that allows commands, for this process and those that it starts."""

_TIMEOUT_SECONDS = 600


def is_command(location: str) -> bool:
    """Return whether an entry of a list is a command instead of a file."""
    return location.startswith("|") or location.endswith("|")


def run_command(command: str, source: str) -> Path:
    """Run the command of an entry by the shell, and return a file with its output, which goes with this process.

    A list may be read several times; each command runs once in a process.

    Raises:
        DataError: where commands are not allowed, and for one that reads, fails, writes nothing or takes too long.
    """
    if os.environ.get(ALLOWED) != "1":
        raise DataError(
            f"{source} is the command '{command}'; commands are not run, write its output to a file and give that "
            "path, or where you trust the list, pass 'ondes --allow-pipes ...'"
        )
    if command.startswith("|"):
        raise DataError(f"{source} is a command that reads: '{command}'; expected one that writes, with '|' at its end")
    if command in _outputs:
        return _outputs[command]
    descriptor, name = tempfile.mkstemp(prefix="entry-", suffix=".wav", dir=_folder())
    try:
        with os.fdopen(descriptor, "wb") as output:
            run = subprocess.run(
                command.rstrip("|"), shell=True, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                timeout=_TIMEOUT_SECONDS,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DataError(f"{source}: '{command}' takes longer than {_TIMEOUT_SECONDS} s") from None
    if run.returncode != 0 or os.stat(name).st_size == 0:
        told = run.stderr.decode("utf-8", "replace").strip().splitlines()
        cause = told[-1] if told else "nothing was written"
        raise DataError(f"{source}: '{command}' ended with code {run.returncode}: {cause}")
    _outputs[command] = Path(name)
    return _outputs[command]


def _folder() -> str:
    if not _folders:
        _folders.append(tempfile.mkdtemp(prefix="ondes-pipes-"))
        atexit.register(shutil.rmtree, _folders[0], ignore_errors=True)
    return _folders[0]


_folders: list[str] = []
# What commands have written, by command.
_outputs: dict[str, Path] = {}
