"""The wavelet transform agrees with PyWavelets, inverts exactly and is differentiable."""

import copy
import warnings

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.wavelet import DWT, FilterBank, WaveletConfig, _full_precision, _tf32_switches

MODES = {"periodic": "periodization", "symmetric": "symmetric"}
# The taps of the discrete Meyer wavelet are a truncation: PyWavelets does not reconstruct it exactly either.
EXACT = [name for name in pywt.wavelist(kind="discrete") if name != "dmey"]
ORTHOGONAL = [name for name in EXACT if pywt.Wavelet(name).orthogonal]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def dwt(signal, wavelet="haar", levels=1, mode="periodic"):
    return DWT(WaveletConfig(wavelet=wavelet, levels=levels, mode=mode)).to(signal)(signal)


def idwt(coefficients, wavelet="haar", mode="periodic", length=None):
    config = WaveletConfig(wavelet=wavelet, levels=len(coefficients) - 1, mode=mode)
    return DWT(config).to(coefficients[0]).inverse(coefficients, length)


def pywt_transform(signal: torch.Tensor, wavelet: str, levels: int, mode: str) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Level value", UserWarning)
        return pywt.wavedec(signal.numpy(), wavelet, MODES[mode], levels)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [1, 2, 5, 64, 101])
def test_every_wavelet_agrees_with_pywavelets(mode, length):
    signal = noise(2, 1, length)
    for wavelet in pywt.wavelist(kind="discrete"):
        expected = pywt_transform(signal, wavelet, 2, mode)
        found = dwt(signal, wavelet, 2, mode)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-13, rtol=0, err_msg=wavelet)
        restored = pywt.waverec(expected, wavelet, MODES[mode])
        np.testing.assert_allclose(idwt(found, wavelet, mode).numpy(), restored, atol=1e-13, rtol=0, err_msg=wavelet)


@settings(max_examples=80, deadline=None)
@given(
    wavelet=st.sampled_from(EXACT),
    mode=st.sampled_from(list(MODES)),
    length=st.integers(1, 300),
    levels=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_any_length_and_depth_agrees_and_reconstructs(wavelet, mode, length, levels, seed):
    signal = noise(length, seed=seed)
    coefficients = dwt(signal, wavelet, levels, mode)
    for ours, theirs in zip(coefficients, pywt_transform(signal, wavelet, levels, mode), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-12, rtol=0)
    # PyWavelets stores the taps of some wavelets (sym20) with 11 digits only.
    torch.testing.assert_close(idwt(coefficients, wavelet, mode, length), signal, atol=1e-9, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_every_wavelet_reconstructs_to_float_precision(mode):
    signal = noise(2, 1, 1001, dtype=torch.float32)
    for wavelet in EXACT:
        restored = idwt(dwt(signal, wavelet, 3, mode), wavelet, mode, length=1001)
        assert restored.dtype == torch.float32
        assert (restored - signal).abs().max() < 5e-6, wavelet


def test_precise_taps_reconstruct_to_double_precision():
    signal = noise(3, 1001)
    for wavelet in ("haar", "db2", "db10", "bior4.4", "coif1"):
        assert (idwt(dwt(signal, wavelet, 3), wavelet, length=1001) - signal).abs().max() < 1e-11, wavelet


def test_orthogonal_wavelets_keep_the_energy():
    signal = noise(2, 1, 256)
    for wavelet in ORTHOGONAL:
        energy = sum(band.square().sum() for band in dwt(signal, wavelet, 3))
        torch.testing.assert_close(energy, signal.square().sum(), rtol=1e-8, atol=0, msg=wavelet)


@pytest.mark.parametrize("wavelet", ["haar", "db3", "sym8"])
def test_inverse_of_an_orthogonal_wavelet_is_its_transpose(wavelet):
    bank = FilterBank(WaveletConfig(wavelet=wavelet)).double()
    analysis = bank(torch.eye(32, dtype=torch.float64)).flatten(1).T
    synthesis = bank.inverse(torch.eye(32, dtype=torch.float64).reshape(32, 2, 16)).T
    torch.testing.assert_close(synthesis, analysis.T, atol=1e-10, rtol=0)


def test_details_of_a_polynomial_vanish():
    time = torch.linspace(-1, 1, 512, dtype=torch.float64)
    details = dwt(1 + 2 * time - 3 * time**2 + time**3, "db4", 1)[1]
    assert details[8:-8].abs().max() < 1e-9
    assert dwt(time**4, "db4", 1)[1][8:-8].abs().max() > 1e-9


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db3", "bior2.4"])
@pytest.mark.parametrize("length", [11, 12])
def test_gradients(wavelet, mode, length):
    transform = DWT(WaveletConfig(wavelet=wavelet, levels=2, mode=mode)).double()
    signal = noise(2, 1, length).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(transform(x)), signal)
    coefficients = [band.detach().requires_grad_() for band in transform(signal)]
    assert torch.autograd.gradcheck(lambda *bands: transform.inverse(bands, length), coefficients)


@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 3, 40), (2, 1, 3, 40)])
@pytest.mark.parametrize("wavelet", ["haar", "db5"])
def test_leading_axes_are_independent(shape, wavelet):
    signal = noise(*shape)
    low, high = dwt(signal, wavelet)
    assert low.shape == (*shape[:-1], 20)
    rows = torch.stack([torch.stack(dwt(row, wavelet)) for row in signal.reshape(-1, 40)], dim=1)
    torch.testing.assert_close(torch.stack([low, high]).reshape(2, -1, 20), rows, atol=1e-14, rtol=0)
    assert idwt([low, high], wavelet).shape == shape


def test_non_contiguous_input():
    signal = noise(40, 3).T
    torch.testing.assert_close(idwt(dwt(signal, "db2"), "db2"), signal)


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_precision_follows_the_module_and_the_signal(wavelet):
    signal = noise(2, 1, 64)
    transform = DWT(WaveletConfig(wavelet=wavelet, levels=2))
    for module in (transform, transform.bfloat16().double(), copy.deepcopy(transform)):
        assert (module.inverse(module(signal)) - signal).abs().max() < 1e-11
    assert transform.float()(signal.float())[0].dtype == torch.float32
    assert transform.state_dict() == {}


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_autocast_does_not_spoil_the_reconstruction(wavelet):
    signal = noise(2, 1, 64, dtype=torch.float32)
    transform = DWT(WaveletConfig(wavelet=wavelet, levels=2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        restored = transform.inverse(transform(signal))
    assert (restored - signal).abs().max() < 1e-5


def test_tf32_is_off_inside_alone():
    switches, name, full = _tf32_switches()
    before = [getattr(switch, name) for switch in switches]
    with _full_precision(torch.device("cuda")):
        assert [getattr(switch, name) for switch in switches] == [full, full]
    assert [getattr(switch, name) for switch in switches] == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_export_keeps_the_numbers(wavelet, mode):
    transform = DWT(WaveletConfig(wavelet=wavelet, levels=2, mode=mode))
    signal = noise(1, 1, 64, dtype=torch.float32)
    # Releases before 2.7 are strict by default, and follow no context manager.
    exported = torch.export.export(transform, (signal,), strict=False).module()
    for ours, theirs in zip(exported(signal), transform(signal), strict=True):
        assert torch.equal(ours, theirs)


def test_unknown_wavelet_names_the_nearest():
    with pytest.raises(ConfigError, match=r"'wavelet'.* 'bior4\.4'"):
        WaveletConfig.from_dict({"wavelet": "bior44"})
    with pytest.raises(ConfigError, match="orthogonal"):
        WaveletConfig.from_dict({"wavelet": "mexh"})
    with pytest.raises(ConfigError, match="levels"):
        WaveletConfig.from_dict({"levels": 0})


def test_wrong_shapes_are_refused():
    bank = FilterBank(WaveletConfig(wavelet="db2"))
    with pytest.raises(ShapeError, match="at least one sample"):
        bank(torch.zeros(1, 1, 0))
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 2, K\)"):
        bank.inverse(torch.zeros(1, 3, 8))
    with pytest.raises(ShapeError, match=" 18.* db2.* 9"):
        bank.inverse(torch.zeros(1, 2, 8), length=18)
    with pytest.raises(ShapeError, match="1 levels"):
        DWT(WaveletConfig()).inverse([torch.zeros(4)] * 3)
    with pytest.raises(ShapeError, match="differ in shape"):
        DWT(WaveletConfig()).inverse([torch.zeros(4), torch.zeros(5)])


def test_fingerprint_tells_every_field_apart():
    changes = [{}, {"wavelet": "db2"}, {"levels": 2}, {"mode": "symmetric"}, {"order": "natural"}]
    assert len({WaveletConfig(**change).fingerprint for change in changes}) == len(changes)
