"""In which format `ondes effect` writes what it made of a file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vocoders.core.audio import AudioInfo

__all__ = ["choose_subtype"]

# Sample formats that hold any length exactly; those of fixed frames would change it.
_KEPT = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS")
# Where a container lacks the input's format: the one that loses least.
_SUBSTITUTES = {
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_32": ("PCM_24",),
    "FLOAT": ("PCM_24",),
    "DOUBLE": ("FLOAT", "PCM_24"),
}


def choose_subtype(info: "AudioInfo", output: Path) -> tuple[str, str | None]:
    """Return the sample format of an output file, and a note if it is not the input's.

    Args:
        info: of the input.
        output: the file to write, .wav, .flac or .ogg.

    Returns:
        libsndfile's name, and the note.
    """
    import soundfile

    container = output.suffix.lower().removeprefix(".").upper()
    wanted = (info.subtype, *_SUBSTITUTES.get(info.subtype, ()))
    found = next((name for name in wanted if name in _KEPT and soundfile.check_format(container, name)), None)
    if found == info.subtype:
        return found, None
    written = found or soundfile.default_subtype(container)
    return written, f"{info.format} {info.subtype} is written as {container} {written}"
