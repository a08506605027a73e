"""LJSpeech: ``metadata.csv`` with ``id|text|normalised text`` and ``wavs/id.wav``; one speaker."""

from pathlib import Path

from recipes.data.corpora.layout import corpus_root
from recipes.data.kaldi import Utterance
from vocoders.core.audio_formats import AUDIO_SUFFIXES
from vocoders.core.errors import DataError
from vocoders.core.text import read_lines

__all__ = ["find_ljspeech"]


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
