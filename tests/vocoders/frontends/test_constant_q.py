"""The constant-Q transform finds sines in their bins, octave by octave, and is linear; its filter is scipy's."""

import math

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.constant_q import ConstantQ, ConstantQConfig, OctaveLadder

CONFIG = ConstantQConfig(sample_rate=8000, hop_length=64, fmin=32.7, num_octaves=6, bins_per_octave=12)
LENGTH = 16384


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def sine(frequency: float, phase: float = 0.0, length: int = LENGTH) -> Tensor:
    time = torch.arange(length, dtype=torch.float64) / CONFIG.sample_rate
    return torch.cos(2 * math.pi * frequency * time + phase).float()[None]


@pytest.mark.parametrize("index", [0, 7, 12, 30, 47, 59, 60, 71])
def test_sine_peaks_in_its_bin_with_half_its_amplitude(index: int) -> None:
    real, imag = ConstantQ(CONFIG)(sine(CONFIG.frequencies[index]))
    magnitude = torch.hypot(real, imag)[0, :, LENGTH // CONFIG.hop_length // 2]
    assert magnitude.argmax() == index
    # A kernel of unit L1 norm finds half the amplitude; every bin is scaled by the root of its kernel's length.
    assert magnitude[index] == pytest.approx(0.5 * math.sqrt(CONFIG.lengths[index]), rel=5e-3)


def test_phase_is_that_of_the_sine_at_the_centre_of_the_frame() -> None:
    frequency, phase = CONFIG.frequencies[65], 0.7
    real, imag = ConstantQ(CONFIG)(sine(frequency, phase))
    frames = torch.arange(20, 200, dtype=torch.float64)
    expected = 2 * math.pi * frequency * frames * CONFIG.hop_length / CONFIG.sample_rate + phase
    found = torch.atan2(imag, real)[0, 65, 20:200].double()
    assert (torch.polar(torch.ones_like(found), found - expected) - 1).abs().max() < 2e-2


def test_a_sine_an_octave_lower_moves_down_by_an_octave_of_bins() -> None:
    transform = ConstantQ(CONFIG)
    middle = LENGTH // CONFIG.hop_length // 2
    upper, lower = (torch.hypot(*transform(sine(f)))[0, :, middle] for f in (700.0, 350.0))
    scale = np.sqrt(CONFIG.lengths)
    upper, lower = (magnitude.numpy() / scale for magnitude in (upper, lower))
    np.testing.assert_allclose(lower[12:-12], upper[24:], atol=2e-3)


def test_lower_octaves_are_the_transform_of_the_halved_signal() -> None:
    signal = noise(2, LENGTH)
    half = ConstantQConfig(sample_rate=4000, hop_length=32, fmin=32.7, num_octaves=5, bins_per_octave=12)
    whole, lower = ConstantQ(CONFIG)(signal), ConstantQ(half)(OctaveLadder(2)(signal)[1])
    # The scale counts the kernels' samples at the rate of the whole signal.
    factor = torch.from_numpy(np.sqrt(CONFIG.lengths[:60] / half.lengths)).float()[:, None]
    for upper, halved in zip(whole, lower, strict=True):
        torch.testing.assert_close(upper[:, :60], factor * halved)


def test_transform_is_linear() -> None:
    transform = ConstantQ(CONFIG).double()
    x, y = noise(1, 3000, dtype=torch.float64), noise(2, 3000, dtype=torch.float64)[1:]
    for mixed, first, second in zip(transform(2 * x - 3 * y), transform(x), transform(y), strict=True):
        torch.testing.assert_close(mixed, 2 * first - 3 * second)


def test_frame_is_centred_at_a_multiple_of_the_hop() -> None:
    signal = torch.zeros(1, 4096)
    signal[0, 20 * CONFIG.hop_length] = 1.0
    magnitude = torch.hypot(*ConstantQ(CONFIG)(signal))[0]
    assert (magnitude[-12:].argmax(dim=-1) == 20).all()


@given(st.integers(32, 3000), st.integers(1, 3))
def test_frame_counts_at_any_length(length: int, batch: int) -> None:
    real, imag = ConstantQ(CONFIG)(noise(batch, 1, length))
    assert real.shape == imag.shape == (batch, 72, length // 64 + 1)


def test_filter_is_the_frequency_sampling_design_of_scipy() -> None:
    expected = scipy.signal.firwin2(256, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0])
    np.testing.assert_allclose(OctaveLadder(2).bands[:256, 0].numpy(), expected, atol=1e-8)


@given(st.integers(8, 1500))
def test_ladder_is_a_strided_convolution_at_any_length(length: int) -> None:
    ladder = OctaveLadder(4).double()
    signals = ladder(noise(2, length, dtype=torch.float64))
    assert [signal.shape[-1] for signal in signals] == [length >> octave for octave in range(4)]
    taps = ladder.bands[:256, 0]
    for above, below in zip(signals[:-1], signals[1:], strict=True):
        expected = F.conv1d(F.pad(above[:, None], (127, 127)), taps[None, None], stride=2)[:, 0]
        torch.testing.assert_close(below, expected)


@pytest.mark.parametrize(("frequency", "gain"), [(0.05, 1.0), (0.45, 1.0), (0.55, 0.0), (0.9, 0.0)])
def test_ladder_passes_the_lower_half_of_the_band_alone(frequency: float, gain: float) -> None:
    signal = torch.cos(math.pi * frequency * torch.arange(8192.0))[None]
    half = OctaveLadder(2)(signal)[1][0, 200:-200]
    assert half.square().mean().mul(2).sqrt() == pytest.approx(gain, abs=4e-3)


def test_nothing_is_learned_and_gradients_pass() -> None:
    transform = ConstantQ(CONFIG)
    assert not transform.state_dict()
    audio = noise(2, 1, 2048).requires_grad_()
    real, imag = transform(audio)
    (real[0].square().sum() + imag[0].square().sum()).backward()
    assert audio.grad[0].abs().max() > 0
    assert audio.grad[1].abs().max() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hop_length": 100}, "hop_length 100 .* 256 .* 9 octaves"),
        ({"sample_rate": 32000}, " 16266 Hz.* 32000 Hz.* num_octaves"),
        ({"bins": 3}, "unknown key 'bins'"),
    ],
)
def test_impossible_options_are_config_errors(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ConstantQConfig.from_dict(options)


@pytest.mark.parametrize("shape", [(2, 31), (2, 2, 4000), (4000,)])
def test_bad_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least 32 samples"):
        ConstantQ(CONFIG)(torch.zeros(shape))
