"""C++ beside an export: a class ``Effect`` with knobs, and an example that plays blocks and turns knobs on the way."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from effects.knobs import Knob
from effects.models import EffectModel

__all__ = ["SHARED_SOURCES", "copy_sources", "write_description", "write_lines"]

#: Files that every export has: those below, and ``effect.hpp``, which is of one kind of export.
SHARED_SOURCES = ("knobs.hpp", "example.cpp")


def copy_sources(folder: Path, sources: Mapping[str, str]) -> None:
    """Copy files of this folder: name in the export, name here."""
    for name, source in sources.items():
        (folder / name).write_bytes((Path(__file__).parent / source).read_bytes())


def write_description(
    folder: Path, model: EffectModel, settings: Mapping[str, float], is_frozen: bool, largest_block: int | None = None
) -> None:
    """Write ``description.hpp``: rate, latency, sizes of blocks, and the knobs.

    Args:
        folder: the export.
        model: the effect.
        settings: values of the knobs at the start, in SI units or decibels.
        is_frozen: whether the export has no knobs.
        largest_block: samples that a call may have; ``None``: any number.
    """
    turned = () if is_frozen else model.knobs.knobs
    low, high = model.knobs.norm
    lines = [
        "// Written by `ondes export`: the sizes and the knobs of this effect.",
        "#pragma once",
        "",
        f"constexpr int sample_rate = {model.sample_rate}, audio_channels = {model.config.audio_channels};",
        f"constexpr int latency_samples = {model.latency};",
        f"constexpr int block_multiple = {model.block_length};  // blocks have a multiple of so many samples",
        f"constexpr int largest_block = {largest_block or 0};  // 0: any",
        f"constexpr double norm_low = {low!r}, norm_high = {high!r};",
        "",
        "struct Knob {",
        "  const char* name;",
        "  double least, most, value;  // in SI units or decibels",
        "  bool is_logarithmic;",
        "  double smoothing_ms;",
        "};",
        f"constexpr int num_knobs = {len(turned)};",
        "constexpr Knob knobs[num_knobs + 1] = {",
        *(f"    {_knob(knob, settings[knob.name])}," for knob in turned),
        "};",
    ]
    write_lines(folder / "description.hpp", lines)


def write_lines(file: Path, lines: Iterable[str]) -> None:
    """Write a text file."""
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _knob(knob: Knob, value: float) -> str:
    smoothing = 0.0 if knob.is_discrete else knob.smoothing_ms
    is_logarithmic = "true" if knob.scale == "log" else "false"
    return f'{{"{knob.name}", {knob.min!r}, {knob.max!r}, {value!r}, {is_logarithmic}, {smoothing!r}}}'
