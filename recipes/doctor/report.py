"""The report of `ondes doctor`: sections of facts, each with advice where something is missing or slow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Fact", "Section", "examine", "in_megabytes"]

Fact = str | int | float | bool | None | list[str]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        title: of the section; its key in JSON.
        facts: by name, in the order in which they are shown.
        advice: one line for each thing that a user may want to change.
        faults: one line for each thing that does not work although it is installed.
    """

    title: str
    facts: Mapping[str, Fact]
    advice: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def examine() -> list[Section]:
    """Return every section. A part of the examination that fails is a fault in its section, never an error."""
    from recipes.doctor.places import caches, folders
    from recipes.doctor.system import compiled_code, devices, versions
    from recipes.doctor.tools import audio, extras, models

    parts = (versions, devices, extras, audio, compiled_code, caches, folders, models)
    return [_tried(part) for part in parts]


def _tried(part: Callable[[], Section]) -> Section:
    try:
        return part()
    except Exception as error:  # a broken package may raise anything
        told = str(error).splitlines()[0] if str(error) else "no message"
        return Section(part.__name__.replace("_", " "), {}, faults=[f"{type(error).__name__}: {told}"])


def in_megabytes(size: int) -> str:
    """Return a size in bytes as text."""
    return f"{size / 1e6:,.1f} MB"
