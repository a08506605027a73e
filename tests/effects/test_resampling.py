"""Resampled streams: the same in any blocks, in place, and without loss below the top of the band."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effects.resampling import StreamResampler
from vocoders.core.audio import resample
from vocoders.core.errors import ConfigError

RATES = [(48000, 44100), (44100, 48000), (96000, 44100), (44100, 192000), (8000, 44100), (44100, 11025)]


def tones(rate: int, seconds: float, top: float) -> torch.Tensor:
    time = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    # Fades keep the spectrum of the ends inside the band.
    fade = torch.sin(torch.pi * time / seconds).square()
    frequencies = [0.11 * top, 0.47 * top, 0.98 * top]
    return (fade * sum(torch.sin(2 * torch.pi * f * time + f) for f in frequencies) / 3)[None, None]


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_tone_at_one_rate_is_the_tone_at_the_other(old: int, new: int) -> None:
    seconds, top = 0.1, 0.9 * min(old, new) / 2
    audio, expected = tones(old, seconds, top), tones(new, seconds, top)
    resampler = StreamResampler(old, new, 1, 1)
    output = resampler.push(torch.nn.functional.pad(audio, (0, resampler.lookahead + 2)))
    length = min(output.shape[-1], expected.shape[-1])
    assert length >= expected.shape[-1] - 1
    error = output[..., :length] - expected[..., :length]
    assert 20 * math.log10(error.abs().max()) < -95


@pytest.mark.parametrize(("old", "new"), RATES[:3])
def test_soxr_agrees(old: int, new: int) -> None:
    audio = tones(old, 0.1, 0.9 * min(old, new) / 2)
    resampler = StreamResampler(old, new, 1, 1)
    ours = resampler.push(torch.nn.functional.pad(audio, (0, resampler.lookahead + 2)))
    theirs = resample(audio, old, new)
    torch.testing.assert_close(ours[..., : theirs.shape[-1]], theirs, rtol=0, atol=5e-4)


@pytest.mark.parametrize(("old", "new"), [(48000, 44100), (44100, 11025)])
def test_what_the_lower_rate_cannot_hold_is_gone(old: int, new: int) -> None:
    time = torch.arange(old // 4, dtype=torch.float64) / old
    lower = min(old, new)
    audio = torch.sin(2 * torch.pi * 0.505 * lower * time)[None, None] * torch.hann_window(len(time)).double()
    assert StreamResampler(old, new, 1, 1).push(audio).abs().max() < 3e-5


@settings(max_examples=20)
@given(st.lists(st.integers(0, 700), max_size=10), st.sampled_from(RATES))
def test_any_division_gives_the_same_bits(lengths: list[int], rates: tuple[int, int]) -> None:
    audio = torch.randn(2, 2, 2000, generator=torch.Generator().manual_seed(0))
    whole = StreamResampler(*rates, 2, 2).push(audio)
    resampler, parts, start = StreamResampler(*rates, 2, 2), [], 0
    for length in [*lengths, 2000]:
        parts.append(resampler.push(audio[..., start : start + length]))
        start += length
        kept = resampler.state()
        resampler = StreamResampler(*rates, 2, 2)
        resampler.load_state(kept)
    assert torch.equal(torch.cat(parts, dim=-1), whole)
    assert kept["known"].shape[-1] <= 3 * resampler.lookahead + 2


@pytest.mark.parametrize(("old", "new"), [*RATES, (44110, 44100)])
def test_outputs_come_as_soon_as_their_lookahead_is_there(old: int, new: int) -> None:
    resampler, produced = StreamResampler(old, new, 1, 1), 0
    assert resampler.lookahead == StreamResampler.half_length(old, new)
    for received in range(1, 2 * resampler.lookahead):
        produced += resampler.push(torch.zeros(1, 1, 1)).shape[-1]
        last = received - 1 - resampler.lookahead
        assert produced == (math.ceil((last + 1) * new / old) if last >= 0 else 0)


def test_rates_are_positive() -> None:
    with pytest.raises(ConfigError, match="0 Hz"):
        StreamResampler(44100, 0, 1, 1)
