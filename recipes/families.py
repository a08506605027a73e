"""Every family that can be trained, vocoders and effects, by name."""

from typing import Any

from effects.registry import FAMILIES as EFFECTS
from vocoders.core.errors import ConfigError
from vocoders.registry import FAMILIES as VOCODERS

__all__ = ["model_class"]


def model_class(family: str) -> Any:
    """Return the model class of a family.

    Raises:
        ConfigError: for an unknown family.
    """
    families = {**VOCODERS, **EFFECTS}
    if family not in families:
        raise ConfigError(f"unknown family '{family}'; known families: {', '.join(families)}")
    return families[family].model_class
