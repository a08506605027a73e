"""Families of neural effects by name, and loading an effect whatever its family."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocoders.core.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    from effects.models import EffectModel

__all__ = ["FAMILIES", "Family", "load"]


@dataclass(frozen=True)
class Family:
    """One family of effects.

    Module and class are named here in full, so that nothing read from a file ever decides what is imported.
    """

    name: str
    title: str
    module: str
    class_name: str

    @property
    def model_class(self) -> type["EffectModel"]:
        """The family's model class."""
        return getattr(import_module(self.module), self.class_name)

    @property
    def variants(self) -> dict[str, Any]:
        """The family's published configurations by name."""
        return import_module(self.module).VARIANTS

    @property
    def convert(self) -> Callable[..., "EffectModel"]:
        """The function that builds a model from a reference checkpoint.

        Raises:
            CheckpointError: if there are no reference checkpoints of this family.
        """
        converters = import_module("effects.models.official").CONVERTERS
        if self.name not in converters:
            raise CheckpointError(
                f"there are no reference checkpoints of '{self.name}', only of {', '.join(converters)}"
            )
        return converters[self.name]


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in [
        Family("signaltrain", "SignalTrain", "effects.models.signaltrain", "SignalTrain"),
        Family("tcn", "TCN", "effects.models.tcn", "TCN"),
        Family("recurrent", "recurrent", "effects.models.recurrent", "Recurrent"),
        Family("s4", "S4", "effects.models.s4", "S4Effect"),
        Family("graybox", "gray box", "effects.models.graybox", "GrayBox"),
    ]
}


def load(source: str | Path, device: "str | torch.device" = "cpu", verify: bool = False) -> "EffectModel":
    """Load an effect for inference.

    Args:
        source: a folder, the name of an effect that ships with ondes, or a hub id ``organisation/name``.
        device: where to put it.
        verify: replay the reference that is stored with the model.

    Returns:
        The model, in evaluation mode.

    Raises:
        CheckpointError: if there is no such model, or it is no effect.
    """
    from vocoders.core.pretrained import read_model_config, resolve_model

    folder = resolve_model(source)
    family = read_model_config(folder).family
    if family not in FAMILIES:
        raise CheckpointError(
            f"{folder}: model family '{family}'; this version knows the effects {', '.join(FAMILIES)}"
        )
    return FAMILIES[family].model_class.from_pretrained(folder, verify=verify, device=device)
