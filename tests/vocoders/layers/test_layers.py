"""Layers: what they depend on, what they leave alone, and the arithmetic they stand for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vocoders.frontends.wavelet import WaveletConfig
from vocoders.frontends.wavelet_packet import WaveletPacket
from vocoders.layers.complex import (
    ComplexBatchNorm,
    ComplexConv1d,
    ComplexConv2d,
    ComplexConvNeXtBlock2d,
    ComplexLayerNorm,
    initialize_semi_unitary,
)
from vocoders.layers.convnext import ConvNeXtBlock2d, DropPath, channels_last, initialize_weights
from vocoders.layers.decomposers import PQMF, HaarDecomposer, MultiStream, make_decomposer
from vocoders.layers.norms import BatchNorm, LayerNorm, make_norm


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def frames_that_depend_on(module: nn.Module, frame: int, channels: int = 3, frames: int = 12) -> list[int]:
    """Return the output frames that the input frame can change (last axis)."""
    x = noise(1, channels, 4, frames).requires_grad_()
    output = module.double()(x)
    weights = noise(*output.shape, seed=1)
    return [
        n
        for n in range(frames)
        if torch.autograd.grad((output * weights)[..., n].sum(), x, retain_graph=True)[0][..., frame].abs().max() > 0
    ]


def test_framewise_norm_is_local_in_time_and_utterance_norm_is_not() -> None:
    assert frames_that_depend_on(LayerNorm(3, framewise=True), 5) == [5]
    assert frames_that_depend_on(LayerNorm(3), 5) == list(range(12))
    assert frames_that_depend_on(BatchNorm(3).eval(), 5) == [5]


@pytest.mark.parametrize("framewise", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 50), (2, 3, 7, 50)])
def test_layer_norm_gives_zero_mean_and_unit_variance_on_its_axes(framewise: bool, shape: tuple[int, ...]) -> None:
    x = 5 * noise(*shape) + 3
    norm = LayerNorm(3, framewise).double()
    axes = tuple(range(1, len(shape) - framewise))
    y = norm(x)
    torch.testing.assert_close(y.mean(axes), torch.zeros_like(y.mean(axes)), rtol=0, atol=1e-9)
    torch.testing.assert_close(y.var(axes, correction=0), torch.ones_like(y.mean(axes)), rtol=0, atol=1e-5)
    with torch.no_grad():
        norm.gamma.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.beta.copy_(torch.tensor([4.0, 5.0, 6.0]))
    per_channel = (1, 3) + (1,) * (len(shape) - 2)
    torch.testing.assert_close(norm(x), y * norm.gamma.view(per_channel) + norm.beta.view(per_channel))


def test_batch_norm_is_torchs_with_other_names() -> None:
    ours, theirs = BatchNorm(3).double(), nn.BatchNorm2d(3, eps=1e-6).double()
    for step in range(3):
        x = 2 * noise(4, 3, 5, 6, seed=step) + 1
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_mean.flatten(), theirs.running_mean)
    torch.testing.assert_close(ours.running_var.flatten(), theirs.running_var)
    assert ours.num_batches_tracked == 3
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("name", ["utterance", "frame", "batch"])
def test_convnext_block_is_the_identity_when_its_gain_is_zero(name: str) -> None:
    x = noise(2, 4, 9, 11)
    assert torch.equal(ConvNeXtBlock2d(4, 2, (7, 7), name, layer_scale=0.0).double()(x), x)
    pair = (x, noise(2, 4, 9, 11, seed=1))
    for result, wanted in zip(ComplexConvNeXtBlock2d(4, 2, (7, 7), name, 0.0).double()(*pair), pair, strict=True):
        assert torch.equal(result, wanted)
    assert not torch.equal(ConvNeXtBlock2d(4, 2, (7, 7), name, layer_scale=0.1).double()(x), x)


def test_framewise_convnext_block_sees_half_its_kernel_to_each_side() -> None:
    block = ConvNeXtBlock2d(3, 2, (3, 5), "frame")
    assert frames_that_depend_on(block, 6) == [4, 5, 6, 7, 8]


def test_memory_layout_does_not_change_the_block() -> None:
    block, x = ConvNeXtBlock2d(4, 2, (3, 3)).double(), noise(1, 4, 8, 10)
    assert channels_last(x).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(block(channels_last(x)), block(x))


def test_initial_weights_are_small_and_biases_zero() -> None:
    module = ConvNeXtBlock2d(32, 4, (7, 7))
    initialize_weights(module)
    assert module.pwconv1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert module.pwconv1.bias.abs().max() == 0


def test_drop_path_is_the_identity_where_nothing_may_be_dropped() -> None:
    x = noise(8, 3, 2)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


@pytest.mark.parametrize("drop_prob", [0.1, 0.5, 0.8])
def test_drop_path_drops_whole_items_and_keeps_the_expectation(drop_prob: float) -> None:
    torch.manual_seed(0)
    items = 20_000
    y = DropPath(drop_prob).train()(torch.ones(items, 3))
    assert torch.equal(y[:, :1].expand(-1, 3), y)
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1 / (1 - drop_prob)]))
    # Five standard deviations of the mean of that many draws.
    tolerance = 5 * (drop_prob / (1 - drop_prob) / items) ** 0.5
    assert y.mean().item() == pytest.approx(1.0, abs=tolerance)


@given(st.integers(1, 4), st.integers(1, 20))
def test_haar_reconstructs_perfectly_and_keeps_the_energy(levels: int, length: int) -> None:
    streams = 2**levels
    haar, x = HaarDecomposer(streams), noise(2, 1, length * streams)
    bands = haar.analysis(x)
    assert bands.shape == (2, streams, length)
    torch.testing.assert_close(haar.synthesis(bands), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(bands.square().sum(), x.square().sum())


def test_haar_is_the_wavelet_packet_in_double_precision() -> None:
    # Built and moved in any precision: no tap is rounded to float32 on the way.
    x, packet = noise(2, 1, 512), WaveletPacket(WaveletConfig(wavelet="haar", levels=3, order="natural"))
    expected = HaarDecomposer(8).analysis(x)
    for bank in (packet, packet.double(), packet.half().double()):
        torch.testing.assert_close(bank(x), expected, rtol=0, atol=1e-14)
        torch.testing.assert_close(bank.inverse(bank(x)), x, rtol=0, atol=1e-14)


def test_haar_repeats_the_last_sample_of_an_odd_length() -> None:
    x = noise(1, 1, 7)
    rebuilt = HaarDecomposer(2).synthesis(HaarDecomposer(2).analysis(x))
    torch.testing.assert_close(rebuilt, torch.cat([x, x[..., -1:]], -1))


@pytest.mark.parametrize("streams", [0, 1, 3, 6])
def test_haar_needs_a_power_of_two(streams: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        HaarDecomposer(streams)


def test_pqmf_reconstructs_nearly_perfectly_away_from_its_borders() -> None:
    pqmf, x = PQMF(4).double(), noise(1, 1, 4000)
    rebuilt = pqmf.synthesis(pqmf.analysis(x))
    inner = slice(100, -100)
    error = (rebuilt - x)[..., inner].square().mean() / x[..., inner].square().mean()
    assert 10 * torch.log10(error).item() < -50


def test_pqmf_bands_are_the_quarters_of_the_spectrum() -> None:
    pqmf, n = PQMF(4).double(), torch.arange(4000, dtype=torch.float64)
    for band in range(4):
        # Centre of the band: (2k + 1) / 16 cycles per sample.
        levels = pqmf.analysis(torch.sin(2 * torch.pi * (2 * band + 1) / 16 * n)[None, None]).square().sum((0, 2))
        assert levels.argmax() == band
        others = levels[[other for other in range(4) if other != band]]
        assert 10 * torch.log10(others.max() / levels[band]).item() < -60


def test_pqmf_prototype_is_a_symmetric_low_pass_of_unit_gain() -> None:
    prototype = PQMF.prototype()
    assert len(prototype) == 63
    np.testing.assert_allclose(prototype, prototype[::-1], atol=1e-15)
    assert prototype.sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", ["multi_stream", "pqmf", "haar"])
def test_decomposers_divide_the_length_by_the_number_of_streams(name: str) -> None:
    decomposer, x = make_decomposer(name, 4), noise(2, 1, 256, dtype=torch.float32)
    streams = decomposer.analysis(x)
    assert streams.shape == (2, 4, 64)
    assert decomposer.synthesis(streams).shape == x.shape


def test_multi_stream_with_unit_taps_interleaves_zeros_at_the_kept_level() -> None:
    streams = MultiStream(2).double()
    with torch.no_grad():
        for convolution in (streams.conv_analysis, streams.conv_synthesis):
            convolution.weight.zero_()
            convolution.weight[0, 0, 31] = 1.0
    x = noise(1, 1, 80)
    kept = torch.zeros_like(x)
    kept[..., ::2] = 2 * x[..., ::2]
    assert torch.equal(streams.synthesis(streams.analysis(x)), kept)


@pytest.mark.parametrize(
    ("layer", "kernel", "shape"), [(ComplexConv1d, 3, (2, 4, 9)), (ComplexConv2d, 3, (2, 4, 6, 9))]
)
@pytest.mark.parametrize("groups", [1, 2])
def test_complex_convolution_is_complex_arithmetic(layer: type, kernel: int, shape: tuple, groups: int) -> None:
    torch.manual_seed(0)
    convolution = layer(4, 6, kernel, groups=groups).double()
    x = torch.complex(noise(*shape), noise(*shape, seed=1))
    weight = torch.complex(convolution.real_conv.weight, convolution.imag_conv.weight)
    function = F.conv1d if layer is ComplexConv1d else F.conv2d
    expected = function(x, weight, groups=groups)
    # The biases of both real convolutions enter both parts.
    r, i = convolution.real_conv.bias, convolution.imag_conv.bias
    expected = expected + torch.complex(r - i, r + i).view(-1, *[1] * (len(shape) - 2))
    torch.testing.assert_close(torch.complex(*convolution(x.real, x.imag)), expected)


def test_complex_convolution_commutes_with_rotation_of_the_phase() -> None:
    convolution = ComplexConv2d(3, 5, 3, padding=1, bias=False).double()
    x = torch.complex(noise(1, 3, 5, 7), noise(1, 3, 5, 7, seed=1))
    turn = torch.polar(torch.ones((), dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64))
    rotated = x * turn
    expected = torch.complex(*convolution(x.real, x.imag)) * turn
    torch.testing.assert_close(torch.complex(*convolution(rotated.real, rotated.imag)), expected)


def correlated_pair(*shape: int) -> tuple[Tensor, Tensor]:
    real = noise(*shape)
    return 3 * real + 2, 0.5 * real + noise(*shape, seed=1) - 1


COMPLEX_NORMS = [lambda: ComplexLayerNorm(3), lambda: ComplexLayerNorm(3, framewise=True), lambda: ComplexBatchNorm(3)]


@pytest.mark.parametrize("make", COMPLEX_NORMS, ids=["utterance", "frame", "batch"])
def test_complex_norms_centre_the_pair_and_forget_its_scale(make) -> None:
    real, imag = correlated_pair(2, 3, 6, 40)
    norm = make().double()
    first, scaled = norm(real, imag), norm(10 * real, 10 * imag)
    for part in first:
        assert abs(part.mean().item()) < 1e-9
    # Of correlated parts only the real one: the published formula whitens the imaginary one with the updated real one.
    torch.testing.assert_close(first[0], scaled[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", COMPLEX_NORMS, ids=["utterance", "frame", "batch"])
def test_complex_norms_whiten_uncorrelated_parts_to_unit_power_together(make) -> None:
    # Each value of the real part meets both signs of the imaginary part.
    a, b = 3 * noise(2, 3, 6, 40), 7 * noise(2, 3, 6, 40, seed=1)
    real, imag = torch.cat([a, a], dim=2), torch.cat([b, -b], dim=2)
    norm = make().double()
    for part, scaled in zip(norm(real, imag), norm(10 * real, 10 * imag), strict=True):
        torch.testing.assert_close(part, scaled, rtol=0, atol=1e-3)
        assert part.square().mean().item() == pytest.approx(0.5, rel=1e-3)


def test_complex_norm_gives_the_real_part_its_share_of_unit_power() -> None:
    # The real part is whitened exactly; its default gain is sqrt(1/2).
    real, _ = ComplexLayerNorm(3).double()(*correlated_pair(1, 3, 20, 400))
    assert real.var().item() == pytest.approx(0.5, rel=1e-2)


def test_complex_batch_norm_uses_its_running_statistics_in_evaluation() -> None:
    norm = ComplexBatchNorm(3, momentum=1.0).double()
    pair = correlated_pair(4, 3, 10, 50)
    trained = norm(*pair)
    assert norm.num_batches_tracked == 1
    for part, wanted in zip(norm.eval()(*pair), trained, strict=True):
        torch.testing.assert_close(part, wanted, rtol=0, atol=5e-3)
    alone = norm(*(part[:1] for part in pair))
    torch.testing.assert_close(alone[0], norm(*pair)[0][:1])


def test_complex_framewise_norm_is_local_in_time() -> None:
    class RealPart(nn.Module):
        def __init__(self, framewise: bool) -> None:
            super().__init__()
            self.norm = ComplexLayerNorm(3, framewise)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x, noise(*x.shape, seed=2))[0]

    assert frames_that_depend_on(RealPart(True), 5) == [5]
    assert frames_that_depend_on(RealPart(False), 5) == list(range(12))


@pytest.mark.parametrize(("out_channels", "in_channels"), [(4, 4), (8, 4), (3, 6)])
def test_semi_unitary_weights_have_equal_singular_values(out_channels: int, in_channels: int) -> None:
    torch.manual_seed(0)
    convolution = ComplexConv1d(in_channels, out_channels, 1)
    initialize_semi_unitary(convolution)
    weight = torch.complex(convolution.real_conv.weight, convolution.imag_conv.weight)
    # As published, the matrix is made (in, out) and reshaped, not transposed, to the layout of the weight.
    singular = torch.linalg.svdvals(weight.reshape(in_channels, out_channels))
    scale = (2 / (out_channels + in_channels)) ** 0.5
    torch.testing.assert_close(singular, torch.full_like(singular, scale), rtol=0, atol=1e-5)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        make_decomposer("wavelet", 4)
    assert isinstance(make_norm("batch", 2), BatchNorm)
    assert make_norm("frame", 2).framewise
    assert not make_norm("utterance", 2).framewise
