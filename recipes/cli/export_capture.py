"""Formats `nam`, `aidax` and `proteus` of `ondes export`: files that plug-ins for captures play."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from effects.captures.writing import CaptureFormat

__all__ = ["NOTHING_TOLD", "CaptureFileOptions", "export_capture"]


@dataclass(frozen=True)
class CaptureFileOptions:
    """What the file of a capture contains besides the model."""

    about: Annotated[
        list[str] | None,
        typer.Option(
            "--about",
            metavar="NAME=TEXT",
            help="Captures: name, modeled_by, gear_make, gear_type, input_level_dbu ...",
            show_default=False,
        ),
    ] = None
    smaller: Annotated[
        str | None,
        typer.Option(
            "--smaller", metavar="MODEL", help="Format nam: the same capture in a smaller size.", show_default=False
        ),
    ] = None

    def check_unused(self) -> None:
        """Raise a :class:`ConfigError` if an option is given where it has no effect."""
        from vocoders.core.errors import ConfigError

        if self.about or self.smaller:
            raise ConfigError(f"{'--about' if self.about else '--smaller'} belongs to --format nam, aidax or proteus")


NOTHING_TOLD = CaptureFileOptions()


def export_capture(
    name: str,
    format: "CaptureFormat",
    output: Path,
    knobs: Sequence[str],
    freeze: bool,
    options: CaptureFileOptions,
    force: bool,
) -> str:
    """Write the file; return what it contains, in a line."""
    from effects.captures.info import parse_about
    from effects.captures.writing import write_capture
    from effects.registry import load

    about = parse_about(_split(options.about or []))
    effect = load(name)
    smaller = load(options.smaller) if options.smaller else None
    settings = effect.knobs.parse(list(knobs))
    written = write_capture(effect, output, format, settings, about, freeze, smaller, overwrite=force)
    loudness = "silent" if written.loudness is None else f"loudness {written.loudness:.1f} dB"
    return f"{effect.family} as {format}, {loudness}; differs from the model by {written.error:.1e} of the peak"


def _split(assignments: Sequence[str]) -> dict[str, str]:
    from vocoders.core.errors import ConfigError

    found = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--about {text}: expected NAME=TEXT, such as --about gear_type=amp")
        found[name.strip()] = value
    return found
