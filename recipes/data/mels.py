"""Mels of whole utterances as files, for the training of an acoustic model whose output a vocoder is to take."""

import logging
from collections.abc import Iterator
from functools import lru_cache, partial
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
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["mel_parts", "write_mels"]

logger = logging.getLogger(__name__)

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
        folder: folder for ``UTTERANCE.npy``; files that exist are kept.
        mel: front end; its fingerprint is written to ``front_end.txt``.
        nj: number of processes.
        resample: convert other sample rates and average channels.
        peak: scale each utterance to this peak.

    Returns:
        The list of the files, ``feats.scp`` in ``folder``, which also names the files of earlier calls.

    Raises:
        DataError: if a file cannot be written.
        FilesFailedError: at the end, for files that cannot be read.
    """
    write_texts(folder, {"front_end.txt": mel.fingerprint + "\n"})
    todo = [utterance for utterance in directory if not (folder / f"{utterance.utt_id}.npy").exists()]
    work = partial(_write, folder=folder, mel=mel, resample=resample, peak=peak)
    for _ in map_files(work, todo, nj, "writing mels"):
        pass
    files = {path.stem: path.resolve() for path in sorted(folder.glob("*.npy"))}
    with atomic_file(folder / "feats.scp") as temporary:
        temporary.write_text(format_file_list(files), encoding="utf-8")
    logger.info("%s: mels of %d utterances, %d kept", folder, len(todo), len(directory) - len(todo))
    return folder / "feats.scp"


def _write(utterance: Utterance, folder: Path, mel: MelConfig, resample: bool, peak: float | None) -> None:
    samples = UtteranceSamples(utterance, mel.sample_rate, resample)
    if samples.length < mel.hop_length:
        logger.warning("%s: %d samples are less than one hop; left out", utterance.path, samples.length)
        return
    features = torch.cat(list(mel_parts(samples, mel, samples.gain(peak))), dim=-1)
    with atomic_file(folder / f"{utterance.utt_id}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, features.numpy())


def mel_parts(samples: UtteranceSamples, mel: MelConfig, gain: np.float32) -> Iterator[Tensor]:
    """Yield the log-mel (n_mels, F) of an utterance with all its whole frames, some minutes at a time.

    Args:
        samples: the utterance.
        mel: front end.
        gain: factor on the samples.
    """
    # pyright does not see that a frozen model of pydantic has a hash.
    log_mel = _log_mel(mel)  # pyright: ignore[reportArgumentType]
    hop, context = mel.hop_length, -(-mel.n_fft // mel.hop_length)
    for span in chunk_spans(samples.length // hop, _PART_FRAMES, context):
        audio = torch.from_numpy(gain * samples.read(span.start * hop, span.stop * hop))[None]
        with torch.inference_mode():
            yield log_mel(audio)[0, :, span.valid_start - span.start : span.valid_stop - span.start]


@lru_cache(maxsize=2)
def _log_mel(config: MelConfig) -> LogMel:
    return LogMel(config)
