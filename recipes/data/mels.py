"""Mels of whole utterances as files, for the training of an acoustic model whose output a vocoder is to take."""

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.data.id_lists import format_file_list
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.parallel import map_files
from recipes.data.samples import UtteranceSamples
from recipes.data.text_files import write_texts
from vocoders.core.atomic import atomic_file
from vocoders.core.chunking import chunk_spans
from vocoders.core.errors import DataError
from vocoders.core.numpy_files import read_npy, write_npy_in_parts
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["analyze_parts", "check_mel_folder", "mel_parts", "write_mels"]

logger = logging.getLogger(__name__)

_FRONT_END = "front_end.txt"
# Frames that are computed at once.
_PART_FRAMES = 1 << 14


def write_mels(
    directory: KaldiDirectory,
    folder: Path,
    mel: MelConfig,
    nj: int = 1,
    resample: bool = False,
    peak: float | None = None,
) -> Path:
    """Write the log-mel of each utterance as the vocoder sees it in training: not normalised, (n_mels, F) float32.

    Args:
        directory: the utterances.
        folder: folder for ``UTTERANCE.npy``; files that are whole and not older than the audio are kept.
        mel: front end; its fingerprint is written to ``front_end.txt``.
        nj: number of processes.
        resample: convert other sample rates and average channels.
        peak: scale each utterance to this peak.

    Returns:
        The list of the files, ``feats.scp`` in ``folder``, which also names the files of earlier calls.

    Raises:
        DataError: if a file cannot be written, or the folder has mels of another front end.
        FilesFailedError: at the end, for files that cannot be read.
    """
    check_mel_folder(folder, mel)
    write_texts(folder, {_FRONT_END: mel.fingerprint + "\n"})
    todo = [utterance for utterance in directory if not is_done(folder / f"{utterance.utt_id}.npy", utterance.path)]
    work = partial(_write, folder=folder, mel=mel, resample=resample, peak=peak)
    for _ in map_files(work, todo, nj, "writing mels", attrgetter("path"), [folder]):
        pass
    files = {path.stem: path.resolve() for path in sorted(folder.glob("*.npy"))}
    with atomic_file(folder / "feats.scp") as temporary:
        temporary.write_text(format_file_list(files), encoding="utf-8")
    logger.info("%s: mels of %d utterances, %d kept", folder, len(todo), len(directory) - len(todo))
    return folder / "feats.scp"


def check_mel_folder(folder: Path, mel: MelConfig) -> None:
    """Raise a :class:`DataError` if a folder has mels of another front end."""
    try:
        found = (folder / _FRONT_END).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return
    if found != mel.fingerprint:
        raise DataError(f"{folder} has mels of [{found}]; expected [{mel.fingerprint}]; give another folder")


def is_done(path: Path, audio: Path | None) -> bool:
    """Return whether features are whole, and not older than their audio."""
    try:
        if audio is not None and path.stat().st_mtime < audio.stat().st_mtime:
            return False
        return read_npy(path, mmap=True).size > 0
    except (OSError, ValueError):
        return False


def _write(utterance: Utterance, folder: Path, mel: MelConfig, resample: bool, peak: float | None) -> None:
    samples = UtteranceSamples(utterance, mel.sample_rate, resample)
    if samples.length < mel.hop_length:
        logger.warning("%s: %d samples are less than one hop; left out", utterance.path, samples.length)
        return
    parts = (part.numpy() for part in mel_parts(samples, mel, samples.gain(peak)))
    with atomic_file(folder / f"{utterance.utt_id}.npy") as temporary:
        write_npy_in_parts(temporary, mel.n_mels, samples.length // mel.hop_length, parts)


def mel_parts(samples: UtteranceSamples, mel: MelConfig, gain: np.float32) -> Iterator[Tensor]:
    """Yield the log-mel (n_mels, F) of the whole frames of an utterance, some minutes at a time.

    Args:
        samples: the utterance.
        mel: front end.
        gain: factor on the samples.
    """
    # pyright does not see that a frozen model of pydantic has a hash.
    log_mel = _log_mel(mel)  # pyright: ignore[reportArgumentType]
    whole = samples.length // mel.hop_length * mel.hop_length
    return analyze_parts(samples, whole, mel, lambda audio: log_mel(float(gain) * audio))


def analyze_parts(
    samples: UtteranceSamples, length: int, mel: MelConfig, analyze: Callable[[Tensor], Tensor]
) -> Iterator[Tensor]:
    """Yield the features (n_mels, F) of samples, some minutes at a time.

    Args:
        samples: an utterance.
        length: how many of its samples.
        mel: lengths of frames and of their context.
        analyze: takes audio (1, T), and returns features (1, n_mels, T // hop_length).
    """
    hop, context = mel.hop_length, -(-mel.n_fft // mel.hop_length)
    for span in chunk_spans(length // hop, _PART_FRAMES, context):
        is_last = span.valid_stop == length // hop
        audio = torch.from_numpy(samples.read(span.start * hop, length if is_last else span.stop * hop))[None]
        with torch.inference_mode():
            yield analyze(audio)[0, :, span.valid_start - span.start : span.valid_stop - span.start]


@lru_cache(maxsize=2)
def _log_mel(config: MelConfig) -> LogMel:
    return LogMel(config)
