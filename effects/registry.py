"""Families of neural effects by name, and loading of an effect of any family. Nothing here imports torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from effects.captures.names import is_capture
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.family import Family, check_family
from vocoders.core.model_source import read_model_config, resolve_model
from vocoders.core.plugins import Registry

if TYPE_CHECKING:
    import torch

    from effects.models import EffectModel

__all__ = ["FAMILIES", "load"]


def _family(name: str, title: str, model: str, converter: str | None = None) -> Family:
    configs = f"{model.partition(':')[0]}:VARIANTS"
    return Family(name, title, model, configs, converter and f"effects.models.official:{converter}")


FAMILIES: Registry[Family] = Registry(
    "family",
    "ondes.effects",
    {
        family.name: family
        for family in [
            _family("signaltrain", "SignalTrain", "effects.models.signaltrain:SignalTrain", "convert_signaltrain"),
            _family("tcn", "TCN", "effects.models.tcn:TCN", "convert_tcn"),
            _family("recurrent", "recurrent", "effects.models.recurrent:Recurrent", "convert_recurrent"),
            _family("s4", "S4", "effects.models.s4:S4Effect"),
            _family("graybox", "gray box", "effects.models.graybox:GrayBox"),
            _family("wavenet", "WaveNet", "effects.models.wavenet:WaveNet"),
            _family("convnet", "ConvNet", "effects.models.convnet:ConvNet"),
            _family("linear", "linear filter", "effects.models.linear:Linear"),
        ]
    },
    Family,
    check=check_family,
)


def load(
    source: str | Path, device: "str | torch.device" = "cpu", verify: bool = False, slim: float | None = None
) -> "EffectModel":
    """Load an effect for inference.

    Args:
        source: a folder, the name of an effect that ships with ondes, a hub id ``organisation/name``, or the file of a
            capture: `.nam`, or JSON of GuitarML or AIDA-X.
        device: device of the model.
        verify: replay the reference that is stored with the model.
        slim: size of a capture that has several, 0 (smallest) to 1.

    Returns:
        The model, in evaluation mode.

    Raises:
        CheckpointError: if there is no such model, or it is not an effect.
        ConfigError: for a size of a model that has only one.
    """
    if is_capture(source):
        from effects.captures.reading import open_capture

        return open_capture(source, slim, verify).to(device)
    if slim is not None:
        raise ConfigError(f"slim {slim:g} is for .nam files of several sizes, not for {source}")
    folder = resolve_model(source)
    family = read_model_config(folder).family
    if family not in FAMILIES:
        raise CheckpointError(
            f"{folder}: model family '{family}'; this version knows the effects {', '.join(FAMILIES)}"
        )
    with FAMILIES.running(family):
        return FAMILIES[family].model_class.from_pretrained(folder, verify=verify, device=device)
