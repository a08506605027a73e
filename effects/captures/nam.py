"""The `.nam` file: its envelope, its containers, and what is common to its architectures."""

import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from effects.captures.fields import Fields
from effects.captures.info import CaptureInfo, clean_text, read_metadata
from effects.models import EffectModel
from vocoders.core.plugins import import_place

__all__ = ["ARCHITECTURES", "DEFAULT_RATE", "read_nam"]

_logger = logging.getLogger(__name__)

# What files without a sample rate are played at.
DEFAULT_RATE = 48000
_LEAST_RATE, _MOST_RATE = 1000, 1_000_000
_OLDEST, _NEWEST = (0, 5, 0), (0, 7, 0)
_MAX_SUBMODELS = 32
_MAX_CONTAINERS = 4


class Part(NamedTuple):
    """What an architecture's reader is given.

    Attributes:
        config: the object ``config``.
        weights: all weights, float32.
        sample_rate: in Hz.
        slim: size in [0, 1].
    """

    config: Fields
    weights: np.ndarray
    sample_rate: int
    slim: float


#: Readers of architectures: each returns the model, and the largest ``slim`` of every size (empty: one size).
Reader = Callable[[Part], tuple[EffectModel, tuple[float, ...]]]


def read_nam(file: Fields, slim: float = 1.0, depth: int = 0) -> tuple[EffectModel, CaptureInfo]:
    """Return the model of a `.nam` file and its description.

    Args:
        file: content of the file.
        slim: size in [0, 1] for files with several sizes; 1 is the largest.
        depth: number of containers around it.

    Raises:
        CheckpointError: if the file is damaged, or needs what this version cannot play.
    """
    version = _check_version(file)
    architecture = file.text("architecture")
    info = CaptureInfo("nam", clean_text(architecture) or "", version)
    metadata = file.content.get("metadata")
    info = replace(info, **read_metadata(metadata if isinstance(metadata, dict) else {}))
    config = file.inner("config")
    if architecture == "SlimmableContainer":
        return _read_container(file, config, info, slim, depth)
    if architecture not in ARCHITECTURES:
        known = ", ".join([*ARCHITECTURES, "SlimmableContainer"])
        file.fail(f"architecture '{info.architecture}' is not played here; expected one of {known}")
    part = Part(config, read_weights(file), read_rate(file), slim)
    read: Reader = import_place(ARCHITECTURES[architecture], f"the reader of {architecture}")
    model, sizes = read(part)
    return model, replace(info, sizes=sizes, slim=slim if sizes else None)


ARCHITECTURES = {
    "WaveNet": "effects.captures.nam_wavenet:read_wavenet",
    "LSTM": "effects.captures.nam_others:read_lstm",
    "ConvNet": "effects.captures.nam_others:read_convnet",
    "Linear": "effects.captures.nam_others:read_linear",
}


def read_weights(file: Fields) -> np.ndarray:
    """Return the flat list of weights."""
    found = file.content.get("weights")
    if not isinstance(found, list) or not found:
        file.fail("'weights' is no list of numbers; the file is incomplete")
    return file.floats("weights", found)


def read_rate(file: Fields) -> int:
    """Return the sample rate in Hz, or what players assume."""
    return round(file.number("sample_rate", _LEAST_RATE, _MOST_RATE, default=DEFAULT_RATE))


def check_count(config: Fields, expected: int, found: int) -> None:
    """Refuse another number of weights than a configuration needs."""
    if expected != found:
        what = "truncated" if found < expected else "of another configuration"
        config.fail(f"the file has {found} weights, its configuration needs {expected}; the file is {what}")


def _check_version(file: Fields) -> str:
    text = file.text("version")
    match = re.fullmatch(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", text)
    if match is None:
        file.fail(f"version is '{clean_text(text)}'; expected three numbers such as 0.5.4")
    version = tuple(int(part) for part in match.groups())
    if version < _OLDEST:
        file.fail(f"version {text} keeps its weights elsewhere; export it again with a newer trainer")
    if version[:2] > _NEWEST[:2]:
        file.fail(f"version {text} is newer than {'.'.join(map(str, _NEWEST))}, the newest known here; update ondes")
    if version > _NEWEST:
        _logger.warning("%s: version %s is newer than this reader; it may sound wrong", file.place, text)
    return text


def _read_container(
    file: Fields, config: Fields, info: CaptureInfo, slim: float, depth: int
) -> tuple[EffectModel, CaptureInfo]:
    """Return the first submodel whose limit is above ``slim``, else the last."""
    if depth >= _MAX_CONTAINERS:
        file.fail(f"containers nested deeper than {_MAX_CONTAINERS}")
    entries = list(config.objects("submodels", _MAX_SUBMODELS))
    limits = tuple(entry.number("max_value", -math.inf, math.inf) for entry in entries)
    if list(limits) != sorted(limits) or limits[-1] < 1:
        config.fail(f"max_value of the submodels are {list(limits)}; expected rising numbers up to 1")
    chosen = next((index for index, limit in enumerate(limits) if slim < limit), len(limits) - 1)
    model_file = entries[chosen].inner("model")
    rates = {entry.inner("model").content.get("sample_rate") for entry in entries if _is_rated(entry)}
    if len(rates | ({file.content["sample_rate"]} if file.has("sample_rate") else set())) > 1:
        file.fail("the submodels have different sample rates; expected equal ones")
    if not model_file.has("sample_rate") and file.has("sample_rate"):
        model_file = Fields({**model_file.content, "sample_rate": file.content["sample_rate"]}, model_file.place)
    model, inner = read_nam(model_file, slim, depth + 1)
    told: dict[str, Any] = {name: value for name, value in inner.facts().items() if getattr(info, name) is None}
    return model, replace(info, **(told | {"sizes": limits, "slim": slim}))


def _is_rated(entry: Fields) -> bool:
    found = entry.inner("model").content.get("sample_rate")
    return isinstance(found, (int, float)) and not isinstance(found, bool)
