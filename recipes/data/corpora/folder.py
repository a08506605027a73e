"""Own data: any folder of audio files, searched recursively; the first sub-folder is the speaker."""

import hashlib
from collections import Counter
from pathlib import Path

from recipes.data.corpora.layout import audio_files, corpus_root, read_text
from recipes.data.kaldi import Utterance
from vocoders.core.errors import DataError

__all__ = ["find_folder"]


def find_folder(source: str | Path, speaker: str | None = None) -> list[Utterance]:
    """List the audio files below a folder.

    The id is the path below ``source`` with ``-`` for each slash and ``_`` for white space; where two files would
    share one (``a.wav`` and ``a.flac``), a short hash of the path is added. A file ``x.txt`` beside ``x.wav`` is its
    transcript.

    Args:
        source: the folder.
        speaker: speaker of all files; by default the first sub-folder, or ``unknown`` for files right in ``source``.

    Raises:
        DataError: if there is no audio file.
    """
    root = corpus_root(source)
    paths = list(audio_files(root))
    if not paths:
        raise DataError(f"{root}: no audio file (wav, flac, ogg, mp3 ...) in it or below; check the folder")
    names = {path: _identifier(path.relative_to(root).with_suffix("")) for path in paths}
    counts = Counter(names.values())
    utterances = []
    for path in paths:
        relative = path.relative_to(root)
        name = names[path]
        if counts[name] > 1:
            name += "-" + hashlib.sha256(str(relative).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        voice = speaker or (_identifier(Path(relative.parts[0])) if len(relative.parts) > 1 else "unknown")
        utterances.append(Utterance(name, path, voice, text=read_text(path.with_suffix(".txt"))))
    return utterances


def _identifier(path: Path) -> str:
    return "_".join("-".join(path.parts).replace("\\", "-").split())
