"""The convention of mels is found from their audio, whatever has been done to their values."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vocoders.core.errors import DataError
from vocoders.core.resampling import resample
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_detection import Detection, detect_convention

RATE = 24000


def sound(seed: int, seconds: float = 1.2) -> Tensor:
    """Make harmonics of a gliding F0, and noise, under levels that change ten times a second; (1, T)."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(2 * np.pi * 0.7 * time + seed)) / RATE
    knots = np.linspace(0, seconds, round(10 * seconds))

    def levels() -> np.ndarray:
        return 10 ** np.interp(time, knots, rng.uniform(-3.0, 0.0, len(knots)))

    audio = sum(levels() * np.sin(number * phase) / number for number in range(1, 40))
    audio = audio + 0.3 * levels() * rng.standard_normal(len(time)) + 1e-5 * rng.standard_normal(len(time))
    return torch.from_numpy(0.1 * audio).float()[None]


def features(convention: MelConvention, audio: Tensor) -> np.ndarray:
    return convention.analyze(resample(audio, RATE, convention.mel.sample_rate))[0].numpy()


def z_scores(values: np.ndarray, frames: int) -> np.ndarray:
    return (values - values.mean(axis=frames, keepdims=True)) / values.std(axis=frames, keepdims=True)


def assert_same_analysis(found: Detection, expected: MelConvention, *, norm: bool = True) -> None:
    ours, theirs = found.convention.mel, expected.mel
    unknown = {"log", "floor", "magnitude_epsilon", "win_length", "fmax"} | (set() if norm else {"norm"})
    assert ours.model_dump(exclude=unknown) == theirs.model_dump(exclude=unknown)
    assert (ours.window_length, ours.top_frequency) == (theirs.window_length, theirs.top_frequency)
    assert found.convention.preemphasis == expected.preemphasis
    assert found.convention.layout == expected.layout


@pytest.mark.parametrize("name", ["hifigan_22k", "espnet_24k", "tacotron_16k"])
def test_presets_are_named(name: str) -> None:
    audio = sound(1)
    values = features(MEL_CONVENTIONS[name], audio)
    for given, error in ((values, 1e-3), (values.astype(np.float16), 0.1)):
        found = detect_convention(given, audio, RATE)
        assert name in found.presets
        assert found.residual_db < error
        assert found.runner_up_db > found.residual_db


@pytest.mark.parametrize("name", ["fairseq_22k", "vocos_24k"])
def test_unknown_statistics_are_found_with_the_analysis(name: str) -> None:
    audio, convention = sound(2), MEL_CONVENTIONS[name]
    values = features(convention, audio)
    bands_first = convention.layout == "bands_first"
    scaled = z_scores(values, int(bands_first)).astype(np.float16)
    found = detect_convention(scaled, audio, RATE)
    assert_same_analysis(found, convention, norm=False)
    assert found.residual_db < 0.1
    unit = (values - values.min()) / (values.max() - values.min())
    found = detect_convention(unit, audio, RATE)
    assert_same_analysis(found, convention)
    # The convention that was found gives these values from the audio.
    assert np.abs(features(found.convention, audio) - unit).max() < 1e-3


def test_a_convention_without_preset_is_found() -> None:
    mel = MelConfig(
        sample_rate=16000, n_fft=512, hop_length=160, win_length=400, n_mels=64, fmin=50.0, fmax=8000.0, power=2,
        padding="center_reflect", scale="htk", norm="none", log="log10", floor=1e-8,
    )  # fmt: skip
    audio, convention = sound(3), MelConvention(mel=mel, multiplier=10.0, layout="frames_first")
    found = detect_convention(features(convention, audio), audio, RATE)
    assert found.presets == ()
    # No value of this sound is at the floor.
    assert [line.split(":")[0] for line in found.convention.differences(convention)] in ([], ["floor"])
    assert found.residual_db < 0.01


def test_a_mel_without_logarithm_is_found() -> None:
    audio, convention = sound(4), MEL_CONVENTIONS["hifigan_22k"].model_copy(update={"linear": True})
    found = detect_convention(features(convention, audio), audio, RATE)
    assert found.convention.linear
    assert_same_analysis(found, convention)


def test_audio_of_another_utterance_is_refused() -> None:
    values = features(MEL_CONVENTIONS["hifigan_22k"], sound(5))
    with pytest.raises(DataError, match="not that of the features") as caught:
        detect_convention(values, sound(6), RATE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (np.full((80, 172), np.nan), 2.0),
        (np.zeros((80, 172)), 2.0),
        (np.zeros(80), 2.0),
        (np.zeros((80, 0)), 2.0),
        (np.zeros((3, 172)), 2.0),
        (np.random.default_rng(0).standard_normal((80, 12)), 0.14),
        (np.random.default_rng(0).standard_normal((80, 172)), 0.001),
    ],
)
def test_what_cannot_be_searched_is_refused(values: np.ndarray, seconds: float) -> None:
    with pytest.raises(DataError) as caught:
        detect_convention(values, sound(7, max(seconds, 0.1))[..., : round(seconds * RATE)], RATE)
    assert "\n" not in str(caught.value)
