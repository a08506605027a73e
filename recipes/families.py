"""Every family that can be trained, vocoders and effects, by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import effects.registry
import vocoders.registry
from vocoders.core.errors import ConfigError
from vocoders.core.model_source import read_model_config, resolve_model
from vocoders.core.plugins import unknown_name

if TYPE_CHECKING:
    from vocoders.frontends.front_end import ModelConfig

__all__ = ["Kind", "kind_of", "load", "model_class", "read_config"]

#: What a model does: features to a waveform, a waveform from nothing, or an effect on audio.
Kind = Literal["vocoder", "generator", "effect"]


def kind_of(family: str, model: Mapping[str, Any]) -> Kind:
    """Return what a model of this configuration does; a :class:`ConfigError` for an unknown family."""
    found = _find(family)
    return found.kind_of(model) if isinstance(found, vocoders.registry.VocoderFamily) else "effect"


def model_class(family: str) -> Any:
    """Return the model class of a family; a :class:`ConfigError` for an unknown one."""
    return _find(family).model_class


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


def read_config(source: str | Path) -> "ModelConfig":
    """Read the configuration of a model alone; errors as for :func:`load`."""
    file = read_model_config(resolve_model(source))
    return model_class(file.family).config_class.from_dict(file.config, str(file.path / "config.json"))


def _find(name: str) -> Any:
    registries = (vocoders.registry.FAMILIES, effects.registry.FAMILIES)
    for registry in registries:
        if name in registry:
            return registry[name]
    raise ConfigError(unknown_name("family", name, [known for registry in registries for known in registry]))
