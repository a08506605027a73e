"""WORLD as a package: imported on first use, because its installation needs a C compiler."""

from typing import Any

from vocoders.core.errors import MissingExtraError

__all__ = ["import_world"]


def import_world(purpose: str) -> Any:
    """Return the compiled part of the package ``pyworld``.

    Args:
        purpose: what needs it, for the message.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import pyworld.pyworld as world  # pyright knows no names of the package itself
    except ImportError:
        raise MissingExtraError("pyworld", "f0", purpose) from None
    return world
