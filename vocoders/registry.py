"""Families of models by name, and loading a model whatever its family."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.pretrained import read_model_config, resolve_model

__all__ = ["DEFAULT_VOCODER", "FAMILIES", "Family", "load"]

# Synthesises where no model is named.
DEFAULT_VOCODER = "wavehax-24k"


@dataclass(frozen=True)
class Family:
    """One family: where its model class and its converter of reference checkpoints live.

    Both are named here in full, so that nothing read from a file ever decides what is imported.

    Attributes:
        name: as in model folders and on the command line.
        module: package of the family.
        class_name: the model class in it.
        variants_name: the configurations by name in it.
        has_reference: whether reference checkpoints exist, and a module ``official`` that converts them.
        needs_statistics: whether these were trained on normalised features, whose statistics they lack.
    """

    name: str
    module: str
    class_name: str
    variants_name: str = "VARIANTS"
    has_reference: bool = True
    needs_statistics: bool = False

    @property
    def model_class(self) -> type:
        """The family's model class."""
        return getattr(import_module(self.module), self.class_name)

    @property
    def variants(self) -> dict[str, Any]:
        """The family's configurations by name."""
        return getattr(import_module(self.module), self.variants_name)

    @property
    def convert(self) -> Callable[..., Any]:
        """The function that builds a model from a reference checkpoint.

        Raises:
            ConfigError: if no reference checkpoint of the family exists.
        """
        if not self.has_reference:
            raise ConfigError(f"no reference checkpoint of {self.name} exists; train one with 'ondes train'")
        return import_module(f"{self.module}.official").convert


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in [
        Family("wavehax", "vocoders.wavehax", "Wavehax", needs_statistics=True),
        Family("periodwave", "vocoders.periodwave", "PeriodWave"),
        Family("sashimi", "vocoders.sashimi", "Sashimi"),
        Family("diffwave_sashimi", "vocoders.sashimi.diffwave", "DiffwaveSashimi"),
        Family(
            "periodwave_mb", "vocoders.periodwave", "PeriodWaveMB", variants_name="MB_VARIANTS", has_reference=False
        ),
    ]
}


def load(source: str | Path, device: str | torch.device = "cpu", verify: bool = False) -> Any:
    """Load a model for inference.

    Args:
        source: a folder, the name of a model that ships with ondes, or a hub id ``organisation/name``.
        device: where to put it.
        verify: replay the reference that is stored with the model.

    Returns:
        The model, in evaluation mode.

    Raises:
        CheckpointError: if there is no such model, or its family is unknown.
    """
    folder = resolve_model(source)
    family = read_model_config(folder).family
    if family not in FAMILIES:
        raise CheckpointError(f"{folder}: model family '{family}'; this version knows {', '.join(FAMILIES)}")
    return FAMILIES[family].model_class.from_pretrained(folder, verify=verify, device=device)
