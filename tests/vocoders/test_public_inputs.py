"""Every public entry of the vocoders takes what it can and refuses the rest in the same words."""

import numpy as np
import pytest
import torch

from vocoders.core.audio import read_audio, resample, write_audio
from vocoders.core.errors import ConfigError, DataError, OndesError, ShapeError
from vocoders.frontends.constant_q import ConstantQ, ConstantQConfig
from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.stft import STFT
from vocoders.periodwave import PeriodWave, PeriodWaveConfig, PeriodWaveMB, PeriodWaveMBConfig
from vocoders.sashimi.config import SashimiConfig
from vocoders.sashimi.diffwave import DiffwaveSashimi, DiffwaveSashimiConfig
from vocoders.sashimi.model import Sashimi
from vocoders.sashimi.sampler import encode_prompt
from vocoders.wavehax import Wavehax, WavehaxConfig

NOISE = (0.1 * np.random.default_rng(0).standard_normal(9600)).astype(np.float32)
MEL = MelConfig(sample_rate=16000, n_fft=256, hop_length=64, n_mels=20)


def _wavehax() -> Wavehax:
    torch.manual_seed(0)
    mel = {"sample_rate": 16000, "n_fft": 256, "hop_length": 80, "n_mels": 20}
    return Wavehax(WavehaxConfig.from_dict({"mel": mel, "n_fft": 160, "channels": 4, "num_blocks": 1}))


WAVEHAX = _wavehax()
PERIODWAVE = PeriodWave(PeriodWaveConfig(hidden_channels=16))
BANDS = PeriodWaveMB(PeriodWaveMBConfig(hidden_channels=16))
SASHIMI = Sashimi(SashimiConfig(channels=8, num_layers=0))
DIFFWAVE = DiffwaveSashimi(
    DiffwaveSashimiConfig(mel=MEL, mel_upsample=(8, 8), channels=4, num_layers=1, diffusion={"num_steps": 2})
)

AUDIO = {
    "Wavehax.analyze": lambda audio: WAVEHAX.analyze(audio)["features"],
    "Wavehax.synthesize": lambda audio: WAVEHAX.synthesize(audio=audio),
    "PeriodWave.analyze": lambda audio: PERIODWAVE.analyze(audio)["features"],
    "PeriodWaveMB.analyze": lambda audio: BANDS.analyze(audio)["features"],
    "encode_prompt": lambda audio: encode_prompt(SASHIMI, audio),
    "quantiser": SASHIMI.quantiser.encode,
    "LogMel": lambda audio: LogMel(MEL)(audio[None] if hasattr(audio, "ndim") and audio.ndim == 1 else audio),
    "extract_f0": lambda audio: torch.from_numpy(extract_f0(audio, 24000, 240, F0Config(method="dio"))),
    "resample": lambda audio: resample(audio, 24000, 16000),
}
FEATURES = {
    "Wavehax": (20, lambda features: WAVEHAX.synthesize(features, torch.zeros(10))),
    "PeriodWave": (100, PERIODWAVE.synthesize),
    "PeriodWaveMB": (100, BANDS.synthesize),
    "DiffwaveSashimi": (20, DIFFWAVE.synthesize),
}


@pytest.mark.parametrize("name", AUDIO)
def test_tensors_and_arrays_of_any_float_give_the_same(name: str) -> None:
    expected = AUDIO[name](torch.from_numpy(NOISE))
    for audio in (NOISE, NOISE.astype(np.float64), NOISE.astype(">f4"), torch.from_numpy(NOISE).requires_grad_()):
        found = AUDIO[name](audio)
        torch.testing.assert_close(found.to(expected), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", AUDIO)
@pytest.mark.parametrize(
    ("audio", "error", "words"),
    [
        ((NOISE * 32767).astype(np.int16), ShapeError, "int16.*divide by 32768"),
        (torch.zeros(9600, dtype=torch.int32), ShapeError, "int32"),
        (NOISE + 0j, ShapeError, "complex64"),
        (NOISE.tolist(), ShapeError, "list"),
        ("speech.wav", ShapeError, "str"),
        (np.where(np.arange(9600) == 77, np.nan, NOISE), DataError, "NaN or infinite.* sample 77"),
        (np.where(np.arange(9600) == 77, np.inf, NOISE), DataError, "NaN or infinite.* sample 77"),
    ],
)
def test_what_is_no_audio_is_refused_everywhere(name: str, audio: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        AUDIO[name](audio)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in AUDIO if name not in ("resample", "quantiser")])
def test_stereo_with_time_first_is_refused_everywhere(name: str) -> None:
    with pytest.raises(ShapeError, match="transposed|one channel"):
        AUDIO[name](np.stack([NOISE, NOISE], axis=1))


@pytest.mark.parametrize("name", FEATURES)
def test_features_that_do_not_fit_are_refused_everywhere(name: str) -> None:
    bands, synthesize = FEATURES[name]
    features = torch.full((1, bands, 10), -3.0)
    assert torch.isfinite(synthesize(features[0].numpy().astype(np.float64))).all()
    broken = features.clone()
    broken[0, 3, 5] = np.nan
    for given, error, words in (
        (features.mT, ShapeError, "transposed"),
        (features[:, 1:], ShapeError, f"{bands - 1} bands; expected"),
        (features[..., :0], ShapeError, "expected"),
        (features[0, 0], ShapeError, "expected"),
        (features.int(), ShapeError, "int32"),
        (features.tolist(), ShapeError, "list"),
        (broken, DataError, "first at frame 5 of band 3"),
        (features / 0, DataError, "NaN or infinite"),
    ):
        with pytest.raises(error, match=words):
            synthesize(given)


def test_f0_that_does_not_fit_is_refused() -> None:
    features, f0 = torch.full((1, 20, 10), -3.0), torch.full((10,), 120.0)
    expected = WAVEHAX.synthesize(features, f0)
    for given in (f0.numpy(), f0[None, None], f0.int(), f0.double()):
        assert torch.equal(WAVEHAX.synthesize(features, given), expected)
    for given, error, words in (
        (-f0, DataError, "negative"),
        (f0 / 0, DataError, "NaN or infinite"),
        (f0 * np.nan, DataError, "unvoiced frames are 0"),
        (f0[:, None], ShapeError, "transposed"),
        (f0[:9], ShapeError, "differ"),
        (f0.tolist(), ShapeError, "list"),
    ):
        with pytest.raises(error, match=words):
            WAVEHAX.synthesize(features, given)
    for scale in (0.0, -1.0, np.nan):
        with pytest.raises(ConfigError, match="f0_scale"):
            WAVEHAX.synthesize(features, f0, f0_scale=scale)


def test_front_ends_of_networks_refuse_what_is_no_float_signal() -> None:
    for front_end in (STFT(256, 64), ConstantQ(ConstantQConfig()), LogMel(MEL)):
        for audio in ((NOISE[None] * 32767).astype(np.int16), [NOISE], torch.zeros(1, 9600, dtype=torch.int64)):
            with pytest.raises(ShapeError, match="audio of type"):
                front_end(audio)
        found, expected = (front_end(x) for x in (NOISE[None], torch.from_numpy(NOISE[None])))
        torch.testing.assert_close(found, expected)


def test_training_is_not_looked_at() -> None:
    broken = torch.full((1, 9600), float("nan"), requires_grad=True)
    assert LogMel(MEL)(broken).isnan().any()


def test_an_unconditional_model_draws_at_least_one_sample() -> None:
    model = DiffwaveSashimi(DiffwaveSashimiConfig(channels=4, num_layers=1, diffusion={"num_steps": 2}))
    for length, num in ((0, 1), (-5, 1), (64, 0)):
        with pytest.raises(ShapeError, match="at least 1 "):
            model.generate(length, num)


def test_arrays_are_written_and_what_is_no_audio_leaves_no_file(tmp_path) -> None:
    write_audio(tmp_path / "x.wav", NOISE.astype(np.float64), 24000, "FLOAT")
    assert torch.equal(read_audio(tmp_path / "x.wav")[0][0], torch.from_numpy(NOISE))
    for audio in (
        np.stack([NOISE, NOISE], 1),
        (NOISE * 32767).astype(np.int16),
        NOISE.tolist(),
        NOISE[:0],
        NOISE * np.nan,
    ):
        with pytest.raises(OndesError, match="y.wav: audio"):
            write_audio(tmp_path / "y.wav", audio, 24000)
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]


def test_half_precision_is_resampled_as_what_it_holds() -> None:
    audio = torch.from_numpy(NOISE).half()
    found = resample(audio, 24000, 16000)
    assert found.dtype == torch.float16
    assert torch.equal(found, resample(audio.float(), 24000, 16000).half())
