"""LibriTTS and LibriTTS-R: ``subset/speaker/chapter/utterance.wav`` (or flac) with ``utterance.normalized.txt``."""

from collections.abc import Sequence
from pathlib import Path

from recipes.data.corpora.layout import corpus_root, folder_names, read_transcript
from recipes.data.kaldi import Utterance
from vocoders.core.audio_formats import find_files
from vocoders.core.errors import DataError

__all__ = ["find_libritts"]


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
