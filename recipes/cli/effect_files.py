"""Formats of the files that `ondes effect` writes."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocoders.core.audio import AudioInfo

__all__ = ["choose_subtype"]

# Sample formats that store any length exactly; formats with fixed frames would change it.
_KEPT = (
    "PCM_S8",
    "PCM_U8",
    "PCM_16",
    "PCM_24",
    "PCM_32",
    "FLOAT",
    "DOUBLE",
    "ULAW",
    "ALAW",
    "VORBIS",
    "ALAC_16",
    "ALAC_20",
    "ALAC_24",
)
# If the container lacks the input's format: the format that loses least.
_SUBSTITUTES = {
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_32": ("PCM_24",),
    "ALAC_16": ("PCM_16",),
    "ALAC_20": ("PCM_24",),
    "ALAC_24": ("PCM_24",),
    "ALAC_32": ("PCM_32", "PCM_24"),
    "FLOAT": ("PCM_24",),
    "DOUBLE": ("FLOAT", "PCM_24"),
}


def choose_subtype(info: "AudioInfo", output: Path) -> tuple[str, str | None]:
    """Return the sample format of an output file, and a note if it is not the input's.

    Args:
        info: properties of the input file.
        output: the file to write; its suffix determines the container.

    Returns:
        The name of the format in libsndfile, and the note.
    """
    from vocoders.core.audio_formats import has_sample_format, output_format

    container, usual = output_format(output)
    candidates = (info.subtype, *_SUBSTITUTES.get(info.subtype, ()))
    written = next((name for name in candidates if name in _KEPT and has_sample_format(output, name)), usual)
    if written == info.subtype:
        return written, None
    return written, f"{info.format} {info.subtype} is written as {container} {written}"
