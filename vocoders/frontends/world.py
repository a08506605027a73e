"""WORLD, of the package pyworld: loaded on first use, because its installation needs a C compiler."""

import importlib.util
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import Any

from vocoders.core.errors import ConfigError, MissingExtraError

__all__ = ["import_world"]


def import_world(purpose: str) -> Any:
    """Return the compiled part of pyworld.

    Args:
        purpose: what needs it, for the message.

    Raises:
        ConfigError: if it does not load.
        MissingExtraError: if it is not installed.
    """
    if importlib.util.find_spec("pyworld") is None:
        raise MissingExtraError("pyworld", "f0", purpose)
    try:
        return _compiled_part()
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{purpose} needs pyworld, which does not load ({reason}); pip install --force-reinstall pyworld"
        ) from None


@lru_cache(maxsize=1)
def _compiled_part() -> Any:
    """Load it without the package around it, which imports ``pkg_resources``: new environments have none."""
    package = importlib.util.find_spec("pyworld")
    found = PathFinder.find_spec("pyworld.pyworld", package and package.submodule_search_locations)
    if found is None or found.loader is None:
        raise ImportError("its compiled part is missing")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
