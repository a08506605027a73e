"""Published corpora of speech.

- LibriTTS and LibriTTS-R: ``subset/speaker/chapter/utterance.wav`` (or flac) with ``utterance.normalized.txt``.
- LJSpeech: ``metadata.csv`` with ``id|text|normalised text`` and ``wavs/id.wav``; one speaker.
- VCTK: ``wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92) or ``wav48/p225/p225_001.wav`` (0.80), and ``txt``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from recipes.data.corpora.layout import corpus_root, folder_names, read_transcript
from recipes.data.kaldi import Utterance
from vocoders.core.audio_formats import AUDIO_SUFFIXES, find_files
from vocoders.core.errors import DataError
from vocoders.core.text import read_lines

__all__ = ["find_libritts", "find_ljspeech", "find_vctk"]

_VCTK_FOLDERS = ("wav48_silence_trimmed", "wav48")


def find_libritts(source: str | Path, subsets: Sequence[str] = ()) -> list[Utterance]:
    """List the utterances of a corpus in LibriTTS layout.

    Args:
        source: the folder with the subsets (``train-clean-100``, ``dev-clean`` ...).
        subsets: the subsets to list; all if empty.

    Raises:
        DataError: if a subset is missing or contains no audio; the message lists existing ones.
    """
    root = corpus_root(source)
    present = folder_names(root)
    for subset in subsets:
        if subset not in present:
            raise DataError(f"{root}: no subset '{subset}'; found {', '.join(present) or 'no folder at all'}")
    utterances = []
    for subset in subsets or present:
        for path in find_files(root / subset):
            folders = path.relative_to(root / subset).parts[:-1]
            if len(folders) != 2:
                continue
            text = read_transcript(path.with_name(f"{path.stem}.normalized.txt"))
            utterances.append(Utterance(path.stem, path, speaker=folders[0], text=text))
    if not utterances:
        raise DataError(
            f"{root}: no audio in {', '.join(subsets or present)}; expected subset/speaker/chapter/*.wav|flac"
        )
    return utterances


def find_ljspeech(source: str | Path, speaker: str = "LJ") -> list[Utterance]:
    """List the utterances of a corpus in LJSpeech layout (wav or flac in ``wavs``).

    Raises:
        DataError: if ``metadata.csv`` or ``wavs`` is missing or the table is malformed.
    """
    root = corpus_root(source)
    metadata, folder = root / "metadata.csv", root / "wavs"
    if not metadata.is_file() or not folder.is_dir():
        raise DataError(f"{root}: expected metadata.csv and the folder wavs, as in LJSpeech-1.1")
    utterances = []
    for number, line in read_lines(metadata):
        name, *texts = (field.strip() for field in line.split("|"))
        if not name or not texts:
            raise DataError(f"{metadata} line {number}: '{line[:40]}'; expected id|text|normalised text")
        named = (folder / f"{name}{suffix}" for suffix in (".flac", *AUDIO_SUFFIXES))
        path = next((path for path in named if path.is_file()), folder / f"{name}.wav")
        utterances.append(Utterance(name, path, speaker, text=texts[-1] or texts[0] or None))
    if not utterances:
        raise DataError(f"{metadata}: contains no line; expected id|text|normalised text")
    return utterances


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
    folder = next((root / name for name in _VCTK_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{root}: expected the folder {' or '.join(_VCTK_FOLDERS)}, as in VCTK")
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
