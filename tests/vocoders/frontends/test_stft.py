"""The STFT is exact: lengths, frame centres, inverse, and two ways of computing it that agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vocoders.core.errors import ShapeError
from vocoders.frontends.stft import STFT, from_log_magnitude_phase, log_magnitude_phase


@st.composite
def sizes(draw) -> tuple[int, int]:
    """Transform lengths, odd ones too, with any hop that leaves no sample of the inverse without a window."""
    n_fft = draw(st.integers(4, 70))
    return n_fft, draw(st.integers(1, n_fft // 2))


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("real_valued", [False, True])
@pytest.mark.parametrize("norm", ["backward", "ortho"])
@pytest.mark.parametrize("padding", ["same", "center"])
@given(sizes(), st.integers(1, 12))
def test_perfect_reconstruction_at_any_hop(
    padding: str, norm: str, real_valued: bool, size: tuple[int, int], num_hops: int
) -> None:
    n_fft, hop = size
    stft = STFT(n_fft, hop, padding, norm, real_valued)
    num_hops = max(num_hops, n_fft // 2 // hop + 1)
    signal = noise(2, 1, num_hops * hop)
    rebuilt = stft.inverse(*stft(signal))
    if padding == "center" and n_fft % 2:
        # As in librosa, an odd transform sees one sample less of the border; the inverse still has whole hops.
        assert rebuilt.shape[-1] == (num_hops * hop - 1) // hop * hop
    else:
        assert rebuilt.shape == signal.shape
    torch.testing.assert_close(rebuilt, signal[..., : rebuilt.shape[-1]], rtol=0, atol=2e-5)


@given(sizes(), st.integers(0, 200))
def test_frame_counts(size: tuple[int, int], surplus: int) -> None:
    n_fft, hop = size
    length = max(hop, n_fft // 2 + 1) + surplus
    assert STFT(n_fft, hop)(noise(1, length))[0].shape == (1, n_fft // 2 + 1, length // hop)
    centred = (length - n_fft % 2) // hop + 1
    assert STFT(n_fft, hop, "center")(noise(1, length))[0].shape == (1, n_fft // 2 + 1, centred)


@pytest.mark.parametrize(("padding", "offset"), [("same", 0.5), ("center", 0.0)])
def test_frame_is_centred_where_the_documentation_says(padding: str, offset: float) -> None:
    n_fft, hop, frame = 64, 16, 5
    signal = torch.zeros(1, 20 * hop)
    signal[0, int((frame + offset) * hop)] = 1.0
    real, imag = STFT(n_fft, hop, padding)(signal)
    magnitude = torch.hypot(real, imag)[0]
    # The spectrum of an impulse is flat at the value of the window there, which is 1 in the centre alone.
    torch.testing.assert_close(magnitude[:, frame], torch.ones(n_fft // 2 + 1))
    assert magnitude[:, :frame].max() < 0.9
    assert magnitude[:, frame + 1 :].max() < 0.9
    torch.testing.assert_close(magnitude[:, frame - 1], magnitude[:, frame + 1])


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("norm", ["backward", "ortho"])
@given(sizes(), st.integers(0, 50))
def test_convolution_computes_what_the_fft_computes(
    padding: str, norm: str, size: tuple[int, int], surplus: int
) -> None:
    n_fft, hop = size
    signal = noise(2, n_fft + surplus)
    fast, plain = (STFT(n_fft, hop, padding, norm, real_valued) for real_valued in (False, True))
    expected = fast(signal)
    for result, wanted in zip(plain(signal), expected, strict=True):
        torch.testing.assert_close(result, wanted, rtol=0, atol=1e-4)
    # An arbitrary pair, not the transform of a signal: the inverse must agree there too.
    pair = [noise(*part.shape) + part for part in expected]
    torch.testing.assert_close(plain.inverse(*pair), fast.inverse(*pair), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("n_fft", "hop"), [(480, 240), (1024, 256), (63, 20)])
def test_parity_with_torch_stft(n_fft: int, hop: int) -> None:
    signal = noise(2, 4000)
    expected = torch.stft(signal, n_fft, hop, window=torch.hann_window(n_fft), return_complex=True)
    real, imag = STFT(n_fft, hop, "center")(signal)
    torch.testing.assert_close(torch.complex(real, imag), expected, rtol=1e-5, atol=1e-4)


def test_same_padding_is_a_numpy_fft_of_zero_padded_frames() -> None:
    n_fft, hop = 48, 15
    signal = noise(1, 10 * hop, dtype=torch.float64)
    real, imag = STFT(n_fft, hop).double()(signal)
    left = (n_fft - hop) // 2
    padded = np.pad(signal[0].numpy(), (left, n_fft - hop - left))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    expected = np.stack([np.fft.rfft(window * padded[n * hop : n * hop + n_fft]) for n in range(10)], axis=1)
    # The window is a float32 constant also where the arithmetic is float64.
    np.testing.assert_allclose(torch.complex(real, imag)[0].numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("real_valued", [False, True])
def test_float64_stays_float64_and_half_is_computed_in_float32(real_valued: bool) -> None:
    stft = STFT(64, 16, real_valued=real_valued)
    signal = noise(1, 320)
    for dtype in (torch.float16, torch.bfloat16):
        part, _ = stft(signal.to(dtype))
        assert part.dtype == torch.float32
        torch.testing.assert_close(part, stft(signal.to(dtype).float())[0])
        assert stft.inverse(*(x.to(dtype) for x in stft(signal))).dtype == torch.float32
    stft.double()
    signal = noise(1, 320, dtype=torch.float64)
    rebuilt = stft.inverse(*stft(signal))
    assert rebuilt.dtype == torch.float64
    # The window is a float32 constant, so this is the limit; the arithmetic itself is exact.
    torch.testing.assert_close(rebuilt[0], signal, rtol=0, atol=1e-6)


@pytest.mark.parametrize("real_valued", [False, True])
@pytest.mark.parametrize("padding", ["same", "center"])
def test_gradients_are_those_of_finite_differences(padding: str, real_valued: bool) -> None:
    stft = STFT(8, 3, padding, real_valued=real_valued).double()
    signal = noise(1, 12, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(stft, (signal,))
    pair = tuple(noise(1, 5, 4, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(stft.inverse, pair)


def test_too_short_or_misshapen_input_is_a_shape_error() -> None:
    with pytest.raises(ShapeError, match="15 samples.* 16"):
        STFT(64, 16)(torch.zeros(1, 15))
    with pytest.raises(ShapeError, match="32 samples.* n_fft / 2 = 32"):
        STFT(64, 16, "center")(torch.zeros(1, 32))
    STFT(64, 16, "center")(torch.zeros(1, 33))
    for shape in [(64,), (1, 2, 64), (1, 1, 1, 64)]:
        with pytest.raises(ShapeError, match="expected"):
            STFT(64, 16)(torch.zeros(shape))


@pytest.mark.parametrize("hop", [0, -1, 63, 64, 65])
def test_hop_without_an_inverse_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match="hop_length"):
        STFT(64, hop)


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("n_fft", [5, 8])
def test_largest_hop_still_has_an_inverse(padding: str, n_fft: int) -> None:
    hop = n_fft - 2
    stft = STFT(n_fft, hop, padding).double()
    signal = noise(1, 10 * hop, dtype=torch.float64)
    rebuilt = stft.inverse(*stft(signal))[0]
    torch.testing.assert_close(rebuilt, signal[:, : rebuilt.shape[-1]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("option", [{"padding": "valid"}, {"norm": "forward"}])
def test_unknown_convention_is_refused(option: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        STFT(64, 16, **option)


def test_log_magnitude_and_phase_invert_each_other_within_their_limits() -> None:
    real, imag = noise(1, 9, 20), noise(1, 9, 21)[..., :20]
    torch.testing.assert_close(from_log_magnitude_phase(*log_magnitude_phase(real, imag)), (real, imag))
    log_magnitude, _ = log_magnitude_phase(torch.zeros(1), torch.zeros(1))
    torch.testing.assert_close(log_magnitude, torch.tensor([1e-5]).log())
    limited = from_log_magnitude_phase(torch.tensor([50.0]), torch.tensor([0.0]))
    torch.testing.assert_close(limited, (torch.tensor([100.0]), torch.tensor([0.0])))


class _RoundTrip(nn.Module):
    def __init__(self, stft: STFT) -> None:
        super().__init__()
        self.stft = stft

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        real, imag = self.stft(signal)
        return real, imag, self.stft.inverse(real, imag)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("padding", ["same", "center"])
def test_real_valued_transform_runs_in_onnxruntime(tmp_path, padding: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (extra 'export')")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra 'export')")
    module = _RoundTrip(STFT(32, 8, padding, real_valued=True)).eval()
    path = str(tmp_path / "stft.onnx")
    axes = {"signal": {2: "samples"}}
    torch.onnx.export(
        module, (noise(1, 1, 160),), path, opset_version=18, dynamo=False, input_names=["signal"], dynamic_axes=axes
    )
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for length in (160, 400):
        signal = noise(1, 1, length)
        results = session.run(None, {"signal": signal.numpy()})
        for result, expected in zip(results, module(signal), strict=True):
            np.testing.assert_allclose(result, expected.numpy(), rtol=0, atol=1e-5)
