"""Every family that can be trained, vocoders and effects, by name."""

from pathlib import Path
from typing import Any

import effects.registry
import vocoders.registry
from vocoders.core.errors import ConfigError
from vocoders.core.family import Family
from vocoders.core.model_source import read_model_config, resolve_model
from vocoders.core.plugins import unknown_name

__all__ = ["find_family", "load", "model_class"]


def find_family(name: str) -> Family:
    """Return the family called ``name``.

    Raises:
        ConfigError: if there is none; the message names the nearest, or all.
    """
    registries = (vocoders.registry.FAMILIES, effects.registry.FAMILIES)
    for families in registries:
        if name in families:
            return families[name]
    raise ConfigError(unknown_name("family", name, [other for families in registries for other in families]))


def model_class(family: str) -> Any:
    """Return the model class of a family.

    Raises:
        ConfigError: for an unknown family.
    """
    return find_family(family).model_class


def load(source: str | Path, verify: bool = False) -> Any:
    """Load a vocoder or an effect for inference.

    Args:
        source: a folder, the name of a model that ships with ondes, or a hub id ``organisation/name``.
        verify: replay the reference that is stored with the model.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: for an unknown family.
    """
    folder = resolve_model(source)
    return model_class(read_model_config(folder).family).from_pretrained(folder, verify=verify)
