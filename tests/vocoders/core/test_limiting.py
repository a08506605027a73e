"""The limiter: bounded, smooth, local, and the same in blocks."""

import pytest
import torch

from vocoders.core.limiting import limit_peaks, limited_blocks

RATE = 24000


def _peaky(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    audio = 0.3 * torch.randn(2, 3 * RATE, generator=generator).clamp(-2, 2)
    audio[0, [0, 10000, 10010, 50000, -1]] = torch.tensor([-1.5, 3.0, 1.2, -2.0, 1.01])
    return audio


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_above_full_scale(seed):
    assert limit_peaks(_peaky(seed), RATE).abs().max() < 1


def test_audio_far_from_peaks_stays_bit_for_bit():
    audio = _peaky()
    limited = limit_peaks(audio, RATE)
    assert torch.equal(limited[:, 20000:40000], audio[:, 20000:40000])
    quiet = 0.5 * audio / audio.abs().max()
    assert limit_peaks(quiet, RATE) is quiet


def test_gain_is_smooth_and_common_to_channels():
    audio = torch.full((2, RATE), 0.5)
    audio[0, 12000] = 2.0
    gain = limit_peaks(audio, RATE)[1] / audio[1]
    assert gain.min() == pytest.approx(0.5, abs=0.01)
    assert torch.diff(gain).abs().max() < 0.03


def test_blocks_give_the_same_samples():
    audio = torch.cat([_peaky(), _peaky(1)], dim=1)
    whole = limit_peaks(audio, RATE)
    blocks = torch.cat(list(limited_blocks(audio.split(1111, dim=1), RATE)), dim=1)
    assert torch.equal(blocks, whole)
