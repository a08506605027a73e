"""A capture as lists of models show it: what its file says, without building the model or importing torch."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from effects.captures.fields import Fields, read_json
from effects.captures.info import CaptureInfo, clean_text, read_metadata
from effects.captures.names import is_capture
from vocoders.core.errors import CheckpointError
from vocoders.core.folder_search import search_folder
from vocoders.core.model_source import ShippedModel

__all__ = ["Outline", "describe_capture", "find_captures", "read_outline"]

_logger = logging.getLogger(__name__)

_FAMILIES = {"WaveNet": "wavenet", "LSTM": "recurrent", "ConvNet": "convnet", "Linear": "linear"}
_DEFAULT_RATES = {"nam": 48000, "guitarml": 44100, "aidax": 48000}


class Outline(NamedTuple):
    """What a file says about its model.

    Attributes:
        family: the family that plays it.
        sample_rate: in Hz.
        num_parameters: number of weights.
        num_knobs: number of knobs.
        info: the description.
    """

    family: str
    sample_rate: int
    num_parameters: int
    num_knobs: int
    info: CaptureInfo


def find_captures(folder: Path) -> list[Path]:
    """Return the files below a folder that are captures by name and content, in order."""
    found = sorted(path for path in search_folder(folder) if is_capture(path) and path.is_file())
    return [path for path in found if path.suffix.lower() != ".json" or _is_capture_text(path)]


def read_outline(path: Path) -> Outline:
    """Read what a capture's file says about its model.

    Raises:
        CheckpointError: if it is no capture.
    """
    file = read_json(path)
    if file.has("model_data"):
        data = file.inner("model_data")
        return _outline_recurrent(
            data, "guitarml", _count(file.content.get("state_dict")), data.content.get("input_size")
        )
    if file.has("in_shape"):
        metadata = file.optional("metadata") or Fields({}, file.place)
        shape = file.content.get("in_shape")
        inputs = shape[-1] if isinstance(shape, list) and shape else 1
        outline = _outline_recurrent(metadata, "aidax", _count(file.content.get("layers")), inputs)
        told = read_metadata(metadata.content)
        return outline._replace(info=replace(outline.info, **told))
    return _outline_nam(file)


def describe_capture(path: Path) -> ShippedModel:
    """Describe a capture as a model.

    Raises:
        CheckpointError: if it is no capture.
    """
    outline = read_outline(path)
    info = outline.info
    gear = " ".join(part for part in (info.gear_make, info.gear_model) if part)
    parts = [info.name, gear, info.tone_type, info.modeled_by and f"by {info.modeled_by}"]
    return ShippedModel(
        name=path.name,
        family=outline.family,
        path=path,
        sample_rate=outline.sample_rate,
        num_parameters=outline.num_parameters,
        size_bytes=path.stat().st_size,
        license=info.license or "unknown",
        description=", ".join(part for part in parts if part) or f"{info.format} capture, {info.architecture}",
    )


def _outline_nam(file: Fields, depth: int = 0) -> Outline:
    architecture = file.text("architecture")
    metadata = file.content.get("metadata")
    told = read_metadata(metadata if isinstance(metadata, dict) else {})
    version = clean_text(file.content.get("version"))
    info = CaptureInfo("nam", clean_text(architecture) or "", version, **told)
    rate = round(file.number("sample_rate", 1000, 1_000_000, default=_DEFAULT_RATES["nam"]))
    if architecture == "SlimmableContainer" and depth < 4:
        models = [entry.inner("model") for entry in file.inner("config").objects("submodels", 32)]
        inner = [_outline_nam(model, depth + 1) for model in models]
        return Outline(inner[-1].family, rate, sum(outline.num_parameters for outline in inner), 0, info)
    if architecture not in _FAMILIES:
        file.fail(f"architecture '{info.architecture}' is not played here")
    return Outline(_FAMILIES[architecture], rate, _count(file.content.get("weights")), 0, info)


def _outline_recurrent(fields: Fields, format: str, count: int, inputs: object) -> Outline:
    told = fields.content.get("samplerate", fields.content.get("sample_rate"))
    rate = int(told) if isinstance(told, (int, float, str)) and str(told).isdigit() else _DEFAULT_RATES[format]
    knobs = inputs - 1 if isinstance(inputs, int) and 1 <= inputs <= 17 else 0
    return Outline("recurrent", rate, count, knobs, CaptureInfo(format, "recurrent"))


def _count(content: object) -> int:
    """Return the number of numbers in nested lists and objects."""
    return sum(1 for _ in _numbers(content))


def _numbers(content: object) -> Iterator[float]:
    if isinstance(content, dict):
        for name, value in content.items():
            if name not in ("shape", "kernel_size", "dilation"):
                yield from _numbers(value)
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value)
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield content


def _is_capture_text(path: Path) -> bool:
    try:
        file = read_json(path)
    except CheckpointError as error:
        _logger.debug("left out: %s", error)
        return False
    return file.has("model_data") or file.has("in_shape") or (file.has("architecture") and file.has("weights"))
