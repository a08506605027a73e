"""Open a capture of any kind as an effect."""

from pathlib import Path

from effects.captures.fields import read_json
from effects.captures.info import CaptureInfo
from effects.captures.nam import read_nam
from effects.captures.recurrent_json import read_aidax, read_guitarml
from effects.models import EffectModel
from vocoders.core.errors import ConfigError

__all__ = ["describe_capture", "open_capture"]


def open_capture(path: str | Path, slim: float | None = None, verify: bool = False) -> EffectModel:
    """Open a capture.

    Args:
        path: a `.nam` file, or a JSON file of GuitarML or AIDA-X.
        slim: size in [0, 1] for `.nam` files with several sizes; ``None``: the largest.
        verify: compare with the test vector that an AIDA-X file contains.

    Returns:
        The model in evaluation mode; its attribute ``capture`` is what the file tells besides.

    Raises:
        CheckpointError: if there is no such file, or it cannot be played; nothing is allocated for what it asks for
            before it is checked.
        ConfigError: for ``slim`` beyond its range, or for a file of one size.
    """
    if slim is not None and not 0 <= slim <= 1:
        raise ConfigError(f"slim {slim:g}; expected 0 (smallest) .. 1 (largest)")
    model, info = describe_capture(path, slim, verify)
    if slim is not None and not info.sizes:
        raise ConfigError(f"{path} has one size only; leave out slim")
    model.capture = info
    return model


def describe_capture(path: str | Path, slim: float | None, verify: bool) -> tuple[EffectModel, CaptureInfo]:
    """Return model and description; errors as for :func:`open_capture`."""
    file = read_json(Path(path).expanduser())
    if file.has("model_data") and file.has("state_dict"):
        return read_guitarml(file)
    if file.has("in_shape") or (file.has("layers") and not file.has("architecture")):
        return read_aidax(file, verify)
    if file.has("architecture"):
        return read_nam(file, 1.0 if slim is None else slim)
    if file.has("variables") or file.has("residual_channels"):
        file.fail("a SmartAmp or SmartPedal model, an older format that is not played here")
    file.fail("no capture: expected a .nam file, or JSON of GuitarML (model_data) or AIDA-X (in_shape, layers)")
