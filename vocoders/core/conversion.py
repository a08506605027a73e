"""Call the converter of a family for a checkpoint of unknown origin: whatever it holds, an error is one line."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from vocoders.core.building import bounded_building, check_numbers
from vocoders.core.config import read_yaml
from vocoders.core.errors import CheckpointError

__all__ = ["bounded_conversion"]

# Bytes that a tensor takes in any file, with its name.
_LEAST_TENSOR = 64
_FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def bounded_conversion(
    converter: Callable[..., Any],
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> Any:
    """Return the model that a family's converter builds from a reference checkpoint.

    Args:
        converter: takes the other arguments.
        path: the checkpoint.
        variant: name of a published configuration.
        config: a configuration in a file, for a network that is not published.
        stats: statistics of the training features.

    Raises:
        CheckpointError: if checkpoint or configuration are of a form that the converter does not expect, or describe a
            network far larger than the file; and whatever the converter raises for files that do not fit.
    """
    if config is not None:
        check_numbers(read_yaml(config), str(config))
    size = Path(path).stat().st_size if Path(path).is_file() else 0
    # Published networks have the sizes that they have.
    is_published = variant is not None and config is None
    bounds = nullcontext() if is_published else bounded_building(size // _LEAST_TENSOR, size, str(path))
    try:
        with bounds:
            return converter(path, variant=variant, config=config, stats=stats)
    except _FAULTS as error:
        origin = str(path) if config is None else f"{path} with {config}"
        reason = " ".join(str(error).split())[:200]
        text = f"{origin}: not of the form that its reference implementation writes ({type(error).__name__}: {reason})"
        raise CheckpointError(text) from error
