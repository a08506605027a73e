"""A look-ahead limiter: peaks above full scale become quieter for some milliseconds, instead of being clipped.

A vocoder makes other phases than those of the recording. Where its harmonics add up, a peak can be twice that of the
recording at the same level, and clipping would add noise at all frequencies.
"""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.core.chunked_stream import ChunkedFunction

__all__ = ["limit_peaks", "limited_blocks"]

# Largest magnitude of the result: what the 16-bit steps leave of full scale.
_CEILING = 1 - 2**-14
# The gain falls within this time before a peak, and rises as fast after it.
_SECONDS = 5e-3
_CHUNK = 1 << 16


def limit_peaks(audio: Tensor, sample_rate: int) -> Tensor:
    """Return audio whose magnitude stays below full scale.

    The gain that each sample needs is held around it and averaged over the same time, so it is smooth and never above
    what a sample needs. It is common to all channels. Where no sample within the time is above full scale, the audio
    stays bit for bit.

    Args:
        audio: (C, T) or (T,), finite.
        sample_rate: in Hz.
    """
    peaks = audio.abs().reshape(-1, audio.shape[-1]).amax(dim=0)
    if float(peaks.max()) <= 1:
        return audio
    reach = _reach(sample_rate)
    needed = torch.where(peaks > 1, _CEILING / peaks.clamp(min=1), 1.0)[None, None].double()
    held = -F.max_pool1d(F.pad(-needed, (2 * reach, 2 * reach), value=-1.0), 2 * reach + 1, stride=1)
    window = torch.hann_window(2 * reach + 3, periodic=False, dtype=torch.float64)[1:-1]
    reduction = F.conv1d(1 - held, (window / window.sum())[None, None])[0, 0]
    return torch.where(reduction > 0, (audio.double() * (1 - reduction)).clamp(-_CEILING, _CEILING).to(audio), audio)


def limited_blocks(blocks: Iterable[Tensor], sample_rate: int) -> Iterator[Tensor]:
    """Yield the result of :func:`limit_peaks` for audio in blocks (C, T), with a bounded part of it in memory."""
    chunks = ChunkedFunction(lambda audio: limit_peaks(audio, sample_rate), (1,), 1, _CHUNK, 2 * _reach(sample_rate))
    for block in blocks:
        yield from chunks.push(block)
    yield from chunks.finish()


def _reach(sample_rate: int) -> int:
    return max(1, round(_SECONDS * sample_rate / 2))
