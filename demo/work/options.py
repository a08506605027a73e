"""Options from users and programs, in the form of the system."""

from collections.abc import Mapping
from typing import Any

from vocoders.core.errors import ConfigError
from vocoders.core.options import Option, SynthesisOptions
from vocoders.interface import System

__all__ = ["chosen_options"]


def chosen_options(system: System, given: Mapping[str, Any]) -> SynthesisOptions:
    """Return the system's default options with changes.

    Args:
        system: the system that declares the options.
        given: values by name, as numbers or texts; ``None`` and empty texts mean the default.

    Raises:
        ConfigError: for an option that the system does not declare, an invalid value, or a number beyond the
            option's dial, which limits the cost of a request.
    """
    declared = {option.name: option for option in system.options_class.declared()}
    own, changes = system.default_options.to_dict(), {}
    for name, value in given.items():
        if value is None or value == "":
            continue
        changes[name] = value
        if name in declared:
            changes[name] = _typed(declared[name], value)
            _check_dial(declared[name], changes[name], own[name])
    return system.options(**changes)


def _typed(option: Option, value: Any) -> Any:
    if isinstance(value, str):
        return option.parse(value)
    # Sliders and JSON have a single type of number.
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole and option.kind == "integer" else value


def _check_dial(option: Option, value: Any, own: Any) -> None:
    if option.dial is None:
        return
    low, high = min([option.dial[0], *_numbers(own)]), max([option.dial[1], *_numbers(own)])
    for number in _numbers(value):
        if not low <= number <= high:
            raise ConfigError(f"{option.title} is {number:g}; expected a number from {low:g} to {high:g}")


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    return [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
