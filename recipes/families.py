"""All families for training, of vocoders, effects and estimators of F0, by name."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
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

__all__ = ["Kind", "find_family", "kind_of", "load", "make_model", "model_class", "read_config", "running"]

#: Kind of a model: features to waveform, unconditional generation, an effect on audio, or F0 from a mel.
Kind = Literal["vocoder", "generator", "effect", "pitch"]

_ESTIMATORS = {"mel_pitch": Family("mel_pitch", "F0 from a mel", "vocoders.frontends.mel_pitch:MelPitch")}


def find_family(name: str) -> Family:
    """Return a family.

    Raises:
        ConfigError: if there is no such family; the message names the nearest, or all.
    """
    registries = (vocoders.registry.FAMILIES, effects.registry.FAMILIES, _ESTIMATORS)
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
    if isinstance(found, vocoders.registry.VocoderFamily):
        return found.kind_of(model)
    return "pitch" if family in _ESTIMATORS else "effect"


def model_class(family: str) -> Any:
    """Return the model class of a family.

    Raises:
        ConfigError: for an unknown family.
    """
    return find_family(family).model_class


def running(family: str) -> AbstractContextManager[None]:
    """Return a block that names a family of an installed package in errors of its code."""
    registries = (vocoders.registry.FAMILIES, effects.registry.FAMILIES)
    return next((registry.running(family) for registry in registries if family in registry), nullcontext())


def make_model(family: str, config: "ModelConfig") -> Any:
    """Return a new model of a family.

    Raises:
        ConfigError: for an unknown family, or one of an installed package whose code fails.
    """
    with running(family):
        return model_class(family)(config)


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
    family = read_model_config(folder).family
    with running(family):
        return model_class(family).from_pretrained(folder, verify=verify)


def read_config(source: str | Path) -> "ModelConfig":
    """Read only the configuration of a model; errors as for :func:`load`."""
    if is_capture(source):
        return load(source).config
    file = read_model_config(resolve_model(source))
    return model_class(file.family).config_class.from_dict(file.config, str(file.path / "config.json"))
