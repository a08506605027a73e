"""What a capture's file tells besides the model: names, gear, levels. Nothing here changes the model's sound."""

import datetime
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vocoders.core.errors import ConfigError

__all__ = ["CaptureInfo", "clean_text", "parse_about", "read_metadata", "write_date", "write_metadata"]

_MAX_TEXT = 200
_TEXTS = ("name", "modeled_by", "gear_make", "gear_model", "gear_type", "tone_type", "license")
_NUMBERS = ("input_level_dbu", "output_level_dbu", "validation_esr")


@dataclass(frozen=True)
class CaptureInfo:
    """Description of a capture; what a file does not tell is ``None``.

    Attributes:
        format: ``nam``, ``guitarml`` or ``aidax``.
        architecture: the network, as its file names it.
        version: version of the file's format.
        name: name of the capture.
        modeled_by: who made it.
        gear_make: maker of the device.
        gear_model: model of the device.
        gear_type: ``amp``, ``pedal``, ``amp_cab`` and others.
        tone_type: ``clean``, ``overdrive``, ``hi_gain`` and others.
        license: licence of the capture.
        date: when it was made.
        loudness: level of the output for a standard input, in dB of full scale (RMS).
        gain: how much the device distorts, 0 .. 1; only shown.
        input_level_dbu: level of a sine of full scale at the model's input, in dBu.
        output_level_dbu: level of a sine of full scale at the model's output, in dBu.
        validation_esr: error-to-signal ratio that its training reached.
        sizes: for `.nam` files with several sizes: the largest ``slim`` of each size.
        slim: the size that was chosen.
    """

    format: str
    architecture: str
    version: str | None = None
    name: str | None = None
    modeled_by: str | None = None
    gear_make: str | None = None
    gear_model: str | None = None
    gear_type: str | None = None
    tone_type: str | None = None
    license: str | None = None
    date: str | None = None
    loudness: float | None = None
    gain: float | None = None
    input_level_dbu: float | None = None
    output_level_dbu: float | None = None
    validation_esr: float | None = None
    sizes: tuple[float, ...] = ()
    slim: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return what is known, by name."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def told(self) -> dict[str, Any]:
        """Return what its maker told: texts, levels in dBu, and the error of training."""
        return {name: value for name, value in self.facts().items() if name in _TEXTS + _NUMBERS}


def write_metadata(told: Mapping[str, Any], format: str) -> dict[str, Any]:
    """Return what is told as the metadata of a format."""
    fields = {name: value for name, value in told.items() if value is not None}
    error = fields.pop("validation_esr", None)
    if error is not None:
        fields |= {"training": {"validation_esr": error}} if format == "nam" else {"esr": error}
    return fields


def read_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a :class:`CaptureInfo` that a `.nam` file's metadata tell; others are left out."""
    found: dict[str, Any] = {name: clean_text(metadata.get(name)) for name in _TEXTS}
    for name in ("loudness", "gain", "input_level_dbu", "output_level_dbu"):
        found[name] = _finite(metadata.get(name))
    training = metadata.get("training")
    found["validation_esr"] = _finite(training.get("validation_esr")) if isinstance(training, dict) else None
    found["date"] = _read_date(metadata.get("date"))
    return {name: value for name, value in found.items() if value is not None}


def clean_text(value: Any) -> str | None:
    """Return a text that can be shown: on one line, without control characters, not too long."""
    if not isinstance(value, str):
        return None
    shown = "".join(character for character in " ".join(value.split()) if character.isprintable())
    return shown[:_MAX_TEXT] or None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e6:
        return None
    return float(value)


def _read_date(value: Any) -> str | None:
    parts = value if isinstance(value, dict) else {}
    try:
        year, month, day, hour, minute, second = (int(parts[name]) for name in _DATE)
        return datetime.datetime(year, month, day, hour, minute, second).isoformat(sep=" ")
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


_DATE = ("year", "month", "day", "hour", "minute", "second")


def write_date() -> dict[str, int]:
    """Return the present time as `.nam` files store it."""
    now = datetime.datetime.now()
    return {name: getattr(now, name) for name in _DATE}


def parse_about(assignments: Mapping[str, str]) -> dict[str, Any]:
    """Return fields of a :class:`CaptureInfo` from texts.

    Raises:
        ConfigError: for an unknown field, or a level that is no number.
    """
    found: dict[str, Any] = {}
    for name, text in assignments.items():
        if name in _TEXTS:
            found[name] = clean_text(text)
        elif name in _NUMBERS:
            found[name] = _parse_number(name, text)
        else:
            raise ConfigError(f"'{name}' does not describe a capture; expected one of {', '.join(_TEXTS + _NUMBERS)}")
    return found


def _parse_number(name: str, text: str) -> float:
    try:
        number = float(text.strip().removesuffix("dBu"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{name} is '{text}'; expected a number")
    return number
