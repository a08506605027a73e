"""Any folder of audio files, searched recursively; the first sub-folder is the speaker."""

import hashlib
import re
from collections import Counter
from pathlib import Path

from recipes.data.corpora.layout import corpus_root, read_transcript
from recipes.data.kaldi import Utterance
from vocoders.core.audio_formats import list_audio, reason_to_leave_out
from vocoders.core.errors import ConfigError, DataError

__all__ = ["find_folder"]


def find_folder(
    source: str | Path,
    speaker: str | None = None,
    speaker_pattern: str | None = None,
    text_pattern: str | None = None,
) -> list[Utterance]:
    """List the audio files below a folder.

    The id is the path below ``source`` with ``-`` for each slash and ``_`` for white space; if two files would
    share one (``a.wav`` and ``a.flac``), a short hash of the path is added. A file ``x.txt`` next to ``x.wav`` is its
    transcript.

    Args:
        source: the folder.
        speaker: speaker of all files; by default the first sub-folder, or ``unknown`` for files right in ``source``.
        speaker_pattern: regular expression whose first group is the speaker, searched in each path below ``source``,
            as in ``([a-z]+)_[0-9]+[.]`` for ``seven/lucas_12.wav``.
        text_pattern: the same for the transcript, instead of the file ``x.txt``: ``^([^/]+)/`` finds ``seven``.

    Raises:
        DataError: if there is no audio file, or a path that an expression does not match.
        ConfigError: if an expression is invalid or has no group.
    """
    root = corpus_root(source)
    speakers, texts = _expression("speaker", speaker_pattern), _expression("text", text_pattern)
    paths = list_audio(root)
    if not paths:
        raise DataError(f"{root}: no audio file (wav, flac, ogg, mp3 ...) in it or below; check the folder")
    names = {path: _identifier(path.relative_to(root).with_suffix("")) for path in paths}
    # An unreadable file takes no name from a readable one.
    counts = Counter(names[path] for path in paths if not reason_to_leave_out(path))
    utterances = []
    for path in paths:
        relative = path.relative_to(root)
        name = names[path]
        if counts[name] > (not reason_to_leave_out(path)):
            name += "-" + hashlib.sha256(str(relative).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        voice = (
            speaker
            or _identifier(Path(_find("speaker", speakers, relative) or ""))
            or (_identifier(Path(relative.parts[0])) if len(relative.parts) > 1 else "unknown")
        )
        text = _find("text", texts, relative) or read_transcript(path.with_suffix(".txt"))
        utterances.append(Utterance(name, path, voice, text=text))
    return utterances


def _expression(kind: str, pattern: str | None) -> re.Pattern[str] | None:
    try:
        compiled = None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{kind} pattern '{pattern}' is not a regular expression: {error}") from None
    if compiled is not None and compiled.groups < 1:
        raise ConfigError(f"{kind} pattern '{pattern}' has no group; put the part that is the {kind} in parentheses")
    return compiled


def _find(kind: str, pattern: re.Pattern[str] | None, path: Path) -> str | None:
    if pattern is None:
        return None
    match = pattern.search(path.as_posix())
    if match is None or not match[1]:
        raise DataError(f"{path}: the {kind} pattern '{pattern.pattern}' finds no {kind} in it; correct the pattern")
    return match[1]


def _identifier(path: Path) -> str:
    return "_".join("-".join(path.parts).replace("\\", "-").split())
