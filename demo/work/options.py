"""Options that users and programs give, as the system itself takes them."""

from collections.abc import Mapping
from typing import Any

from vocoders.core.errors import ConfigError
from vocoders.core.options import Option, SynthesisOptions
from vocoders.interface import System

__all__ = ["chosen_options"]


def chosen_options(system: System, given: Mapping[str, Any]) -> SynthesisOptions:
    """Return the system's own options with changes.

    Args:
        system: what they are for.
        given: values by name, as numbers or as texts; ``None`` and empty texts stay what the system says.

    Raises:
        ConfigError: for an option that the system does not declare, an impossible value, or a number beyond the
            option's dial: what a stranger's request costs stays within it.
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
    # Sliders and JSON know one kind of number.
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
