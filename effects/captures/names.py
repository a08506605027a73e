"""How files of captures are named. Nothing here imports torch."""

from pathlib import Path

__all__ = ["CAPTURE_SUFFIXES", "is_capture"]

CAPTURE_SUFFIXES = (".nam", ".json", ".aidax")


def is_capture(source: str | Path) -> bool:
    """Return whether a source of a model is the file of a capture, or named like one."""
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if suffix not in CAPTURE_SUFFIXES or path.name == "config.json" or path.is_dir():
        return False
    return path.is_file() or suffix != ".json"
