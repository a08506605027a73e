"""VCTK: ``wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92) or ``wav48/p225/p225_001.wav`` (0.80) and ``txt``."""

from pathlib import Path
from typing import Literal

from recipes.data.corpora.layout import corpus_root, read_transcript
from recipes.data.kaldi import Utterance
from vocoders.core.audio_formats import find_files
from vocoders.core.errors import DataError

__all__ = ["find_vctk"]

_FOLDERS = ("wav48_silence_trimmed", "wav48")


def find_vctk(source: str | Path, microphone: Literal["mic1", "mic2"] = "mic1") -> list[Utterance]:
    """List the utterances of VCTK.

    Args:
        source: the corpus folder.
        microphone: the recording to use if there are two; files without a microphone in their name are always
            used (version 0.80).

    Raises:
        DataError: if no audio is found.
    """
    root = corpus_root(source)
    folder = next((root / name for name in _FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{root}: expected the folder {' or '.join(_FOLDERS)}, as in VCTK")
    utterances = []
    for path in find_files(folder):
        stem, _, ending = path.stem.rpartition("_")
        if ending.startswith("mic") and ending != microphone:
            continue
        name = stem if ending.startswith("mic") else path.stem
        speaker = path.parent.name
        utterances.append(Utterance(name, path, speaker, text=read_transcript(root / "txt" / speaker / f"{name}.txt")))
    if not utterances:
        raise DataError(f"{folder}: no audio of {microphone}; expected speaker/speaker_001_{microphone}.flac or .wav")
    return utterances
