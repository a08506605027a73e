"""Resampling: soxr at its very high quality."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.errors import DataError

__all__ = ["resample", "resample_blocks", "resampled_length"]


def resample(audio: Tensor, orig_rate: int, new_rate: int) -> Tensor:
    """Resample with soxr at very high quality (pass band to 0.99 of the lower Nyquist frequency, linear phase).

    Args:
        audio: (..., T), floating point; gradients do not flow through.
        orig_rate: rate of ``audio`` in Hz.
        new_rate: target rate in Hz.

    Returns:
        (..., T * new_rate / orig_rate rounded half up, at least 1), on the device and in the type of ``audio``.

    Raises:
        ShapeError: if ``audio`` contains no samples or is not floating point.
        DataError: if a rate is not a positive number, or samples are NaN or infinite.
    """
    if orig_rate <= 0 or new_rate <= 0:
        raise DataError(f"sample rates must be positive, found {orig_rate} Hz and {new_rate} Hz")
    audio = check_audio(audio, dtype=None)
    if orig_rate == new_rate:
        return audio
    length = resampled_length(audio.shape[-1], orig_rate, new_rate)
    # soxr has no half precision.
    wide = audio.detach().cpu() if audio.dtype == torch.float64 else audio.detach().cpu().float()
    channels = wide.reshape(-1, audio.shape[-1]).numpy()
    resampled = np.zeros((len(channels), length), dtype=channels.dtype)
    for row, channel in zip(resampled, channels, strict=True):
        converted = soxr.resample(channel, orig_rate, new_rate, quality="VHQ")[:length]
        row[: len(converted)] = converted
    return torch.from_numpy(resampled).reshape(*audio.shape[:-1], length).to(audio)


def resampled_length(length: int, orig_rate: int, new_rate: int) -> int:
    """Return the number of samples that :func:`resample` makes of ``length`` samples: rounded half up, at least 1."""
    return max(1, (2 * length * new_rate + orig_rate) // (2 * orig_rate))


def resample_blocks(blocks: Iterable[Tensor], orig_rate: int, new_rate: int) -> Iterator[Tensor]:
    """Resample audio that comes in blocks (C, T), float32; together the samples of :func:`resample`, bit for bit."""
    if orig_rate == new_rate:
        yield from blocks
        return
    stream, channels, taken, given = None, 0, 0, 0
    for block in blocks:
        channels = len(block)
        stream = stream or soxr.ResampleStream(orig_rate, new_rate, channels, dtype="float32", quality="VHQ")
        made = stream.resample_chunk(np.ascontiguousarray(block.T.numpy())).reshape(-1, channels)
        taken, given = taken + block.shape[-1], given + len(made)
        if len(made):
            yield torch.from_numpy(np.ascontiguousarray(made.T))
    if stream is not None:
        made = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels)
        rest = resampled_length(taken, orig_rate, new_rate) - given
        filled = np.zeros((rest, channels), np.float32)
        filled[: len(made)] = made[:rest]
        yield torch.from_numpy(np.ascontiguousarray(filled.T))
