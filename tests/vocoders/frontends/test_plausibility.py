"""Features of another scale are noticed, and those of real sounds pass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import vocoders
from vocoders.core.audio import read_audio
from vocoders.core.errors import DataError
from vocoders.core.resampling import resample
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.f0_units import F0_UNITS, check_plausible_f0, guess_unit, to_hertz
from vocoders.frontends.plausibility import check_plausible, describe_values, fitting_conventions


@pytest.fixture(scope="module")
def speech() -> Tensor:
    audio, rate = read_audio(Path(vocoders.__file__).parent / "examples" / "speech.flac")
    return resample(audio[:1], rate, 24000)


def features(name: str, speech: Tensor) -> Tensor:
    convention = MEL_CONVENTIONS[name]
    return convention.analyze(resample(speech, 24000, convention.mel.sample_rate))[0]


@pytest.mark.parametrize("name", ["bigvgan_24k", "hifigan_22k", "vocos_24k", "espnet_24k", "coqui_22k", "tacotron_16k"])
@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_mels_of_speech_are_plausible_at_any_level(name: str, gain: float, speech: Tensor) -> None:
    found = features(name, gain * speech)
    check_plausible(found, MEL_CONVENTIONS[name], "x.npy")
    assert name in fitting_conventions(found)


SCALES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "decibels": (lambda x: 8.686 * x, "decibels"),
    "log10": (lambda x: x / 2.302585, "decimal"),
    "power": (lambda x: 2 * x, "logarithms"),
    "log2": (lambda x: 1.442695 * x, "log2"),
    "linear": (torch.exp, "without logarithm|0 to 1"),
    "one z-score": (lambda x: (x - x.mean()) / x.std(), "z-scores.*--mel-statistics"),
    "integers": (lambda x: (2000 * (x + 12)).round(), "no preset fits; 'ondes mel detect'"),
    "z-scores": (lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), "z-scores.*--mel-statistics"),
    "unit": (lambda x: ((8.686 * x + 100) / 100).clamp(0, 1), "0 to 1"),
    "symmetric": (lambda x: (8 * (8.686 * x + 80) / 100 - 4).clamp(-4, 4), "no soft parts|louder"),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["bigvgan_24k", "hifigan_22k"])
def test_other_scales_are_named(scale: str, name: str, speech: Tensor) -> None:
    change, words = SCALES[scale]
    with pytest.raises(DataError, match=words) as caught:
        check_plausible(change(features(name, speech)), MEL_CONVENTIONS[name], "x.npy")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.npy: ")


@pytest.mark.parametrize(
    ("scale", "key"),
    [
        ("log2", "log: log2"),
        ("decibels", "multiplier: 20"),
        ("log10", "log: log10"),
        ("power", "multiplier: 2"),
        ("linear", "linear: true"),
    ],
)
def test_the_keys_that_make_them_fit_are_suggested(scale: str, key: str, speech: Tensor) -> None:
    with pytest.raises(DataError, match=key):
        check_plausible(SCALES[scale][0](features("bigvgan_24k", speech)), MEL_CONVENTIONS["bigvgan_24k"], "x.npy")


def test_values_of_0_to_1_fit_no_logarithm(speech: Tensor) -> None:
    found = features("hifigan_22k", speech)
    assert fitting_conventions((found - found.min()) / (found.max() - found.min())) == []


def test_other_bands_axes_and_values_that_are_not_finite_are_named(speech: Tensor) -> None:
    found, convention = features("bigvgan_24k", speech), MEL_CONVENTIONS["bigvgan_24k"]
    with pytest.raises(DataError, match="80.*hifigan_22k"):
        check_plausible(features("hifigan_22k", speech), convention, "x")
    with pytest.raises(DataError, match="transposed"):
        check_plausible(found.T, convention, "x")
    check_plausible(found.T, convention, "x", either_axis=True)
    found[3, 17] = torch.nan
    with pytest.raises(DataError, match="frame 17"):
        check_plausible(found, convention, "x")


def test_presets_with_the_shape_and_scale_are_suggested(speech: Tensor) -> None:
    assert "espnet_22k" in fitting_conventions(features("espnet_22k", speech))
    assert "espnet_22k" not in fitting_conventions(features("hifigan_22k", speech))
    assert "decibels" in describe_values(features("coqui_22k_statistics", speech))


def test_statistics_of_kaldi_are_no_features() -> None:
    convention = MEL_CONVENTIONS["bigvgan_24k"]
    with pytest.raises(DataError, match="--mel-statistics"):
        check_plausible(torch.ones(2, convention.mel.n_mels + 1), convention, "x")


def test_normalised_f0_has_no_unit() -> None:
    with pytest.raises(DataError, match="normalised"):
        check_plausible_f0(np.array([-1.5, -0.3, 0.2, 1.4]), None, "x")
    with pytest.raises(DataError, match="--f0-unit hz"):
        check_plausible_f0(np.array([-1.0, 110.0, 120.0, -1.0]), None, "x")


HERTZ = np.array([0.0, 110.0, 220.0, 150.0, 0.0, 330.0])


def in_unit(unit: str) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return {
            "hz": HERTZ, "khz": HERTZ / 1000, "ln": np.log(HERTZ), "espnet": np.log(HERTZ), "log2": np.log2(HERTZ),
            "log10": np.log10(HERTZ), "semitones": 69 + 12 * np.log2(HERTZ / 440), "cents": 1200 * np.log2(HERTZ / 10),
        }[unit]  # fmt: skip


@pytest.mark.parametrize("unit", [unit for unit in F0_UNITS if unit != "kaldi"])
def test_f0_of_every_unit_is_the_same(unit, recwarn: pytest.WarningsRecorder) -> None:
    np.testing.assert_allclose(to_hertz(in_unit(unit), unit), HERTZ, rtol=1e-6)
    check_plausible_f0(in_unit(unit), unit, "x")
    if unit not in ("hz", "espnet"):
        voiced = np.where(HERTZ > 0, in_unit(unit), 0.0)
        assert guess_unit(voiced) == unit
        with pytest.raises(DataError, match=f"--f0-unit {unit}"):
            check_plausible_f0(voiced, None, "x")
    assert not recwarn.list


def test_unvoiced_frames_are_nan_or_have_a_flag(recwarn: pytest.WarningsRecorder) -> None:
    missing = np.where(HERTZ > 0, HERTZ, np.nan)
    with pytest.raises(DataError, match="frame 0.*--f0-unit hz"):
        check_plausible_f0(missing, None, "x")
    np.testing.assert_allclose(to_hertz(missing, "hz"), HERTZ)
    continuous = np.full(6, 5.0)
    np.testing.assert_allclose(to_hertz(continuous, "ln", HERTZ > 0), np.where(HERTZ > 0, np.exp(5.0), 0))
    with pytest.raises(DataError, match="4 frames"):
        to_hertz(continuous, "ln", np.ones(4))


def test_pitch_of_kaldi_has_two_columns_of_which_one_is_hz() -> None:
    pitch = np.stack([np.linspace(0, 1, 5), np.linspace(100, 200, 5)], axis=1)
    np.testing.assert_allclose(to_hertz(pitch, "kaldi"), pitch[:, 1])
    np.testing.assert_allclose(to_hertz(pitch.T, "kaldi"), pitch[:, 1])
    with pytest.raises(DataError, match="compute-kaldi-pitch-feats"):
        to_hertz(np.stack([np.ones(5), np.linspace(-1, 1, 5)], axis=1), "kaldi")
