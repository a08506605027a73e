"""Write a model as the file of another program, read it back, and compare."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from effects.captures.freezing import freeze
from effects.captures.info import write_date, write_metadata
from effects.captures.loudness import measure
from effects.captures.nam_writing import check_nam_family, write_container, write_nam
from effects.captures.reading import open_capture
from effects.captures.recurrent_writing import write_aidax, write_guitarml
from effects.models import EffectModel
from vocoders.core.atomic import atomic_file
from vocoders.core.errors import CheckpointError, ConfigError

__all__ = ["CAPTURE_FORMATS", "CaptureFormat", "Written", "write_capture"]

CaptureFormat = Literal["nam", "aidax", "proteus"]
CAPTURE_FORMATS: tuple[CaptureFormat, ...] = get_args(CaptureFormat)

# Largest difference from the model, relative to the output's peak or 1.
_TOLERANCE = 1e-5
# Silence before the comparison: files start otherwise than models, until they have settled; and what is compared.
_SETTLED_SECONDS, _COMPARED_SECONDS = 0.5, 0.25
_SUFFIXES = {"nam": (".nam",), "aidax": (".json", ".aidax"), "proteus": (".json",)}


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: the file.
        error: largest difference of the file, read back, from the model, relative to the output's peak or 1.
        loudness: level for the standard input in dB; ``None`` for a silent model.
    """

    path: Path
    error: float
    loudness: float | None


def write_capture(
    model: EffectModel,
    path: str | Path,
    format: CaptureFormat,
    settings: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    frozen: bool = False,
    smaller: EffectModel | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a model as the file of another program.

    Args:
        model: the model.
        path: the file: ``.nam`` for ``nam``, ``.json`` or ``.aidax`` for ``aidax``, ``.json`` for ``proteus``.
        format: kind of file.
        settings: settings of knobs that are fixed.
        about: fields of a :class:`~effects.captures.info.CaptureInfo` to store, such as ``name``; a model that was a
            capture keeps its others.
        frozen: fix the knobs; `.nam` files have none, so there they always are.
        smaller: format ``nam``: the same capture in a smaller size, for a file with both.
        overwrite: replace an existing file.

    Raises:
        CheckpointError: if what was read back does not sound like the model; nothing is left behind.
        ConfigError: if the format cannot hold the model; the message says what to train instead.
        DataError: if the file exists, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES[format]:
        raise ConfigError(f"{path}: files of format {format} end in {' or '.join(_SUFFIXES[format])}; rename it")
    if smaller is not None and format != "nam":
        raise ConfigError(f"files of format {format} have one size; two need format nam")
    if settings and not frozen and format != "nam":
        raise ConfigError("knobs stay knobs in this format; add --freeze to fix them at these settings")
    if format == "nam":
        check_nam_family(model)
    fixed = freeze(model, settings) if frozen or format == "nam" else model.cpu().eval()
    told = (model.capture.told() if model.capture else {}) | dict(about or {})
    metadata = {"date": write_date(), **write_metadata(told, format)}
    content = _WRITERS[format](fixed, metadata)
    levels = measure(fixed)
    content["metadata"] |= levels
    if smaller is not None:
        small = freeze(smaller, settings)
        if small.sample_rate != fixed.sample_rate:
            raise ConfigError(f"sizes of {small.sample_rate} and {fixed.sample_rate} Hz; expected equal sample rates")
        content = write_container(write_nam(small, {**metadata, **measure(small)}), content)
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise CheckpointError("the model has NaN or infinite weights and is not written; train it again") from None
    with atomic_file(path, overwrite) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
        error = _compare(open_capture(temporary), fixed)
    return Written(path, error, levels.get("loudness"))


_WRITERS: dict[CaptureFormat, Callable[[EffectModel, dict[str, Any]], dict[str, Any]]] = {
    "nam": write_nam,
    "aidax": write_aidax,
    "proteus": write_guitarml,
}


@torch.no_grad()
def _compare(stored: EffectModel, model: EffectModel) -> float:
    """Return the difference of two models after they have settled in silence.

    Raises:
        CheckpointError: if it is too large.
    """
    settled = max(round(_SETTLED_SECONDS * model.sample_rate), model.receptive_field or 0)
    generator = torch.Generator().manual_seed(0)
    noise = 0.3 * torch.randn(1, 1, round(_COMPARED_SECONDS * model.sample_rate), generator=generator)
    audio = torch.nn.functional.pad(noise.clamp(-1, 1), (settled, 0))
    knobs = [each.knobs.normalize(model.knobs.values())[None].float() for each in (stored, model)]
    outputs = [
        each.stream(audio, own, each.initial_state(1, 1))[0][..., settled:].double()
        for each, own in zip((stored, model), knobs, strict=True)
    ]
    error = float((outputs[0] - outputs[1]).abs().max() / outputs[1].abs().max().clamp(min=1))
    if not error <= _TOLERANCE:
        raise CheckpointError(
            f"read back, the file differs from the model by {error:.1e} of the peak; expected at most "
            f"{_TOLERANCE:.0e}; it is not written"
        )
    return error
