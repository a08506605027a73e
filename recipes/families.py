"""All families for training, of vocoders and effects, by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import effects.registry
import vocoders.registry
from effects.captures.names import is_capture
from vocoders.core.errors import ConfigError
from vocoders.core.family import Family
from vocoders.core.model_source import read_model_config, resolve_model
from vocoders.core.plugins import unknown_name

if TYPE_CHECKING:
    from vocoders.frontends.front_end import ModelConfig

__all__ = ["Kind", "find_family", "kind_of", "load", "model_class", "read_config"]

#: Kind of a model: features to waveform, unconditional generation, or an effect on audio.
Kind = Literal["vocoder", "generator", "effect"]


def find_family(name: str) -> Family:
    """Return a family.

    Raises:
        ConfigError: if there is no such family; the message names the nearest, or all.
    """
    registries = (vocoders.registry.FAMILIES, effects.registry.FAMILIES)
    for registry in registries:
        if name in registry:
            return registry[name]
    raise ConfigError(unknown_name("family", name, [known for registry in registries for known in registry]))


def kind_of(family: str, model: Mapping[str, Any]) -> Kind:
    """Return the kind of a model with this configuration.

    Raises:
        ConfigError: for an unknown family.
    """
    found = find_family(family)
    return found.kind_of(model) if isinstance(found, vocoders.registry.VocoderFamily) else "effect"


def model_class(family: str) -> Any:
    """Return the model class of a family.

    Raises:
        ConfigError: for an unknown family.
    """
    return find_family(family).model_class


def load(source: str | Path, verify: bool = False) -> Any:
    """Load a vocoder or an effect for inference.

    Args:
        source: a folder, the name of a model that ships with ondes, a hub id ``organisation/name``, or the file of a
            capture.
        verify: replay the reference that is stored with the model.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: for an unknown family.
    """
    if is_capture(source):
        return effects.registry.load(source, verify=verify)
    folder = resolve_model(source)
    return model_class(read_model_config(folder).family).from_pretrained(folder, verify=verify)


def read_config(source: str | Path) -> "ModelConfig":
    """Read only the configuration of a model; errors as for :func:`load`."""
    if is_capture(source):
        return load(source).config
    file = read_model_config(resolve_model(source))
    return model_class(file.family).config_class.from_dict(file.config, str(file.path / "config.json"))
