"""What a caller gives is taken as it is meant, or refused with the cause and the place."""

import numpy as np
import pytest
import torch

from vocoders.core.checks import check_audio, check_f0, check_features, check_finite, check_mono
from vocoders.core.errors import DataError, ShapeError

SAMPLES = (0.1 * np.random.default_rng(0).standard_normal(100)).astype(np.float32)
FEATURES = torch.zeros(2, 5, 7)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", np.longdouble])
@pytest.mark.parametrize("view", [slice(None), slice(None, None, -1), slice(None, None, 3)])
def test_arrays_of_all_floats_give_the_tensor_of_their_values(dtype: object, view: slice) -> None:
    array = SAMPLES.astype(dtype)[view]
    found = check_audio(array, "T")
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.from_numpy(array.astype(np.float32)))
    found.zero_()
    assert array.any()


def test_a_tensor_of_the_right_type_is_itself_and_others_are_converted() -> None:
    audio = torch.from_numpy(SAMPLES)
    assert check_audio(audio, "T") is audio
    assert check_audio(audio.double(), "T").dtype == torch.float32
    assert check_audio(audio.double(), "T", dtype=None).dtype == torch.float64
    assert check_audio(audio.bfloat16(), "T").dtype == torch.float32


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (SAMPLES.tolist(), "list"),
        ("speech.wav", "str"),
        (None, "NoneType"),
        (0.5, "float"),
        (SAMPLES + 0j, "complex64.*real"),
        (torch.from_numpy(SAMPLES) > 0, "bool"),
        (np.array([0.1, None]), "object"),
        (np.array(["a"]), "<U1"),
        ((SAMPLES * 32768).astype(np.int16), "int16.* 32768"),
        (torch.zeros(9, dtype=torch.int32), "int32.*divide by 2147483648"),
        (torch.zeros(9, dtype=torch.int64), "int64.*full scale"),
        (torch.zeros(9, dtype=torch.uint8), "uint8.* 128 .* 128"),
        (torch.zeros(9, dtype=torch.int8), "int8.*divide by 128"),
        (torch.zeros(0), "empty"),
        (torch.zeros(2, 0), "empty"),
        (torch.tensor(0.1), "expected"),
        (torch.zeros(2, 3, 9), r"expected \(T,\) or \(C, T\)"),
        (torch.zeros(24000, 2), "transposed.*24000 channels of 2 samples.*time last"),
        (np.zeros((48000, 1)), "transposed"),
        (np.zeros((1, 48000, 6)), "transposed"),
    ],
)
def test_what_is_no_audio_is_refused_with_its_cause(audio: object, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        check_audio(audio, "T", "CT")
    assert "\n" not in str(caught.value)


def test_short_blocks_of_many_channels_are_no_transposed_audio() -> None:
    for shape in ((2, 1), (8, 2), (24, 1), (2, 0), (100, 64)):
        assert check_audio(torch.zeros(shape), "CT", least=0).shape == shape


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("convert", [torch.from_numpy, np.asarray, lambda x: torch.from_numpy(x).half()])
def test_the_place_of_the_first_value_that_is_not_finite_is_told(bad: float, convert: object) -> None:
    audio = np.stack([SAMPLES, SAMPLES])
    audio[0, 70] = audio[1, 42] = bad
    with pytest.raises(DataError, match="2 samples.* sample 42 of channel 1"):
        check_audio(convert(audio), "CT")
    with pytest.raises(DataError, match=r"sample 142 of channel 1"):
        check_finite(torch.from_numpy(audio), "CT", start=100)
    with pytest.raises(DataError, match=r"the first at 1\.420 s"):
        check_finite(torch.from_numpy(audio), "CT", start=100, sample_rate=100)


def test_finite_values_pass_even_where_their_sum_overflows() -> None:
    check_finite(torch.full((100,), 3e38))
    assert check_audio(torch.full((4000,), 60000.0).half(), "T").max() == 60000
    with pytest.raises(DataError, match="NaN or infinite"):
        check_audio(np.full(5, 1e300), "T")


def test_mono_audio_of_any_layout_is_a_batch_without_gradients() -> None:
    audio = torch.from_numpy(SAMPLES)
    for shape in ((100,), (4, 25), (4, 1, 25)):
        found = check_mono(audio.reshape(shape).requires_grad_())
        assert found.shape == (100 // shape[-1], 1, shape[-1])
        assert not found.requires_grad
    with pytest.raises(ShapeError, match=r"expected \(T,\), \(B, T\) or \(B, 1, T\)"):
        check_mono(torch.zeros(1, 2, 100))
    with pytest.raises(DataError, match="100 samples; at least 101"):
        check_mono(audio, least=101)


def test_features_have_their_bands_before_their_frames() -> None:
    assert check_features(FEATURES[0].numpy().astype(float), 5).shape == (1, 5, 7)
    assert check_features(FEATURES, 5).dtype == torch.float32
    for features, words in (
        (FEATURES.mT, "transposed"),
        (FEATURES[0].mT, "transposed"),
        (FEATURES[:, :4], r"4 bands; expected \(5, F\) or \(B, 5, F\)"),
        (FEATURES[0, 0], "expected"),
        (FEATURES[None], "expected"),
        (FEATURES[..., :0], "expected"),
        (FEATURES.int(), "int32"),
        (FEATURES.tolist(), "list"),
    ):
        with pytest.raises(ShapeError, match=words):
            check_features(features, 5)
    with pytest.raises(ShapeError, match="7 frames; at least 8"):
        check_features(FEATURES, 5, least=8)
    broken = FEATURES.clone()
    broken[1, 3, 6] = np.nan
    with pytest.raises(DataError, match="1 values.* frame 6 of band 3 of item 1"):
        check_features(broken, 5)


def test_f0_belongs_to_its_features_and_is_never_negative() -> None:
    f0 = torch.linspace(0, 200, 14).reshape(2, 7)
    for given in (f0, f0[:, None], f0.numpy().astype(float)):
        assert torch.equal(check_f0(given, FEATURES), f0[:, None])
    assert torch.equal(check_f0(np.arange(7), FEATURES[:1]), torch.arange(7.0)[None, None])
    for given, words in (
        (f0[0], "differ in items or frames"),
        (f0[:, :5], "differ in items or frames"),
        (f0[..., None], "transposed"),
        (f0[:, None].expand(2, 3, 7), r"expected \(F,\), \(B, F\) or \(B, 1, F\)"),
        (f0 + 0j, "complex64"),
        (f0.tolist(), "list"),
    ):
        with pytest.raises(ShapeError, match=words):
            check_f0(given, FEATURES)
    with pytest.raises(DataError, match="2 values.* negative.* frame 0 of item 0"):
        check_f0(f0 - 20, FEATURES)
    with pytest.raises(DataError, match="unvoiced.* 0"):
        check_f0(torch.where(f0 > 0, f0, torch.nan), FEATURES)
