"""Every family that can be trained, vocoders and effects, by name."""

from pathlib import Path
from typing import Any

import effects.registry
import vocoders.registry
from vocoders.core.errors import ConfigError
from vocoders.core.model_source import read_model_config, resolve_model

__all__ = ["load", "model_class"]


def model_class(family: str) -> Any:
    """Return the model class of a family.

    Raises:
        ConfigError: for an unknown family.
    """
    families = {**vocoders.registry.FAMILIES, **effects.registry.FAMILIES}
    if family not in families:
        raise ConfigError(f"unknown family '{family}'; known families: {', '.join(families)}")
    return families[family].model_class


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
