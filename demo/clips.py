"""Example clips of the demo: the bundled sentence, and computed music."""

import shutil
from pathlib import Path

from demo.folders import write_wav
from demo.sound import to_integers
from demo.synthesis import band, bass, drums, plucked_strings, voice

__all__ = ["example_clips"]

SPEECH = Path(__file__).resolve().parents[1] / "vocoders" / "examples" / "speech.flac"
_RATE = 44100
_COMPUTED = {"plucked strings": plucked_strings, "drums": drums, "bass": bass, "voice": voice, "band": band}


def example_clips(folder: Path) -> dict[str, Path]:
    """Write the computed clips to ``folder`` and return all clips by name."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = {"speech": Path(shutil.copy(SPEECH, folder))} if SPEECH.is_file() else {}
    for name, compute in _COMPUTED.items():
        clips[name] = folder / f"{name.replace(' ', '_')}.wav"
        write_wav(clips[name], to_integers(compute(_RATE)), _RATE)
    return clips
