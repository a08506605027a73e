"""`python -m demo.space FOLDER`: write a folder that a hosted Gradio space runs unchanged."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from vocoders.core.errors import ConfigError, OndesError

__all__ = ["main", "write_space"]

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("vocoders", "effects", "demo")
# A space expects these at its top level, next to the file that it runs.
_TOP = ("README.md", "requirements.txt")
_APP = '''"""Serve the page."""

from demo.__main__ import run

if __name__ == "__main__":
    run()
'''
_UNWANTED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.nbi", "*.nbc")


def write_space(folder: Path) -> Path:
    """Write the space; replace existing packages, and keep all other files.

    Raises:
        ConfigError: if ``folder`` is inside a package of the repository.
    """
    folder = folder.expanduser().resolve()
    if folder == _ROOT or any(folder.is_relative_to(_ROOT / package) for package in _PACKAGES):
        raise ConfigError(f"{folder} is a part of ondes; choose another folder for the space")
    folder.mkdir(parents=True, exist_ok=True)
    for package in _PACKAGES:
        shutil.rmtree(folder / package, ignore_errors=True)
        shutil.copytree(_ROOT / package, folder / package, ignore=_UNWANTED)
    for name in _TOP:
        shutil.copy2(_ROOT / "demo" / name, folder / name)
    (folder / "app.py").write_text(_APP, encoding="utf-8")
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the space to the folder on the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo.space", description="Write a complete Gradio space.")
    parser.add_argument("folder", type=Path, help="folder to write")
    try:
        folder = write_space(parser.parse_args(arguments).folder)
    except (OndesError, OSError) as error:
        print(f"demo.space: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
