"""Wavelet packets keep shape, energy and order, agree with PyWavelets and invert exactly."""

import math
import warnings

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocoders.core.errors import ShapeError
from vocoders.frontends.wavelet import WaveletConfig
from vocoders.frontends.wavelet_packet import WaveletPacket

MODES = {"periodic": "periodization", "symmetric": "symmetric"}
ORDERS = {"natural": "natural", "frequency": "freq"}
WAVELETS = ["haar", "db2", "db8", "sym5", "coif2", "bior1.3", "bior4.4", "rbio2.2"]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    wavelet=st.sampled_from(WAVELETS),
    mode=st.sampled_from(list(MODES)),
    order=st.sampled_from(list(ORDERS)),
    length=st.integers(1, 200),
    levels=st.integers(1, 4),
)
def test_agrees_with_pywavelets_and_reconstructs(wavelet, mode, order, length, levels):
    signal = noise(length)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Level value", UserWarning)
        tree = pywt.WaveletPacket(signal.numpy(), wavelet, MODES[mode], maxlevel=levels)
        expected = np.stack([node.data for node in tree.get_level(levels, ORDERS[order])])
    packets = WaveletPacket(WaveletConfig(wavelet=wavelet, levels=levels, mode=mode, order=order))
    bands = packets(signal)
    np.testing.assert_allclose(bands.numpy(), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(packets.inverse(bands, length), signal[None], atol=1e-9, rtol=0)


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("wavelet", ["haar", "db6"])
def test_audio_becomes_bands_of_equal_length(wavelet, levels):
    packets = WaveletPacket(WaveletConfig(wavelet=wavelet, levels=levels))
    audio = noise(2, 1, 480).float()
    bands = packets(audio)
    assert bands.shape == (2, 2**levels, 480 // 2**levels)
    assert packets.band_length(480) == bands.shape[-1]
    torch.testing.assert_close(packets.inverse(bands), audio, atol=5e-6, rtol=0)
    torch.testing.assert_close(bands.square().sum(), audio.square().sum())


def test_channels_stay_side_by_side():
    packets = WaveletPacket(WaveletConfig(wavelet="db3", levels=2)).double()
    audio = noise(2, 3, 64)
    bands = packets(audio)
    assert bands.shape == (2, 12, 16)
    for channel in range(3):
        alone = packets(audio[:, channel : channel + 1])
        torch.testing.assert_close(bands[:, 4 * channel : 4 * channel + 4], alone, atol=1e-14, rtol=0)
    torch.testing.assert_close(packets.inverse(bands), audio)
    assert packets(audio[0]).shape == (12, 16)


@pytest.mark.parametrize("levels", [2, 3])
def test_frequency_order_puts_a_tone_into_its_band(levels):
    num_bands = 2**levels
    packets = WaveletPacket(WaveletConfig(wavelet="db20", levels=levels, order="frequency"))
    time = torch.arange(4096, dtype=torch.float64)
    for band in range(num_bands):
        tone = torch.cos(math.pi * (band + 0.5) / num_bands * time)
        energy = packets(tone).square().sum(-1)
        assert energy.argmax() == band
        assert energy[band] > 0.85 * energy.sum()


def test_natural_order_is_the_gray_code_of_frequency_order():
    signal = noise(64)
    natural, frequency = (
        WaveletPacket(WaveletConfig(wavelet="db2", levels=2, order=order))(signal) for order in ("natural", "frequency")
    )
    assert torch.equal(frequency, natural[[0, 1, 3, 2]])


@pytest.mark.parametrize("wavelet", ["haar", "db3"])
def test_gradients(wavelet):
    packets = WaveletPacket(WaveletConfig(wavelet=wavelet, levels=2)).double()
    assert torch.autograd.gradcheck(packets, noise(2, 1, 16).requires_grad_())
    assert torch.autograd.gradcheck(packets.inverse, noise(2, 4, 4).requires_grad_())


def test_wrong_shapes_are_refused():
    packets = WaveletPacket(WaveletConfig(wavelet="db2", levels=2))
    with pytest.raises(ShapeError, match="channels \\* 4"):
        packets.inverse(torch.zeros(1, 3, 8))
    with pytest.raises(ShapeError, match=" 8 samples.* 40.* 10"):
        packets.inverse(torch.zeros(1, 4, 8), length=40)
    with pytest.raises(ShapeError, match="at least one sample"):
        packets(torch.zeros(1, 1, 0))
