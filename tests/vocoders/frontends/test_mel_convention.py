"""Each convention against a computation with librosa or torchaudio, and conversions that undo themselves."""

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from torch import Tensor

from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.frontends.convention_presets import (
    CONVENTION_USERS,
    MEL_CONVENTIONS,
    find_convention,
    read_convention,
    with_statistics,
)
from vocoders.frontends.mel import LogMel
from vocoders.frontends.mel_convention import MelConvention

AUDIO = 0.1 * np.random.default_rng(0).standard_normal(6007).astype(np.float32)
# Some frames below every floor.
AUDIO[2500:5000] = 0


def tacotron_stft(rate: int, n_mels: int = 80, fmin: float = 0, fmax: float = 8000, **stft: int) -> np.ndarray:
    """Return the mel of magnitudes with centred frames, as NVIDIA's Tacotron 2 and librosa have it."""
    sizes = {"n_fft": 1024, "hop_length": 256, **stft}
    magnitude = np.abs(librosa.stft(AUDIO, **sizes, pad_mode="reflect"))
    return librosa.filters.mel(sr=rate, n_fft=sizes["n_fft"], n_mels=n_mels, fmin=fmin, fmax=fmax) @ magnitude


def hifigan(rate: int, n_mels: int, fmax: float | None, n_fft: int = 1024, hop: int = 256, epsilon: float = 1e-9):
    """Return the mel with frames in the middle of their hop, as HiFi-GAN and BigVGAN have it."""
    padded = np.pad(AUDIO, (n_fft - hop) // 2, mode="reflect")
    spectrum = librosa.stft(padded, n_fft=n_fft, hop_length=hop, center=False)
    magnitude = np.sqrt(np.abs(spectrum) ** 2 + epsilon)
    return librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=0, fmax=fmax) @ magnitude


def wavehax(rate: int, n_fft: int, hop: int) -> np.ndarray:
    margin = n_fft - hop
    padded = np.pad(AUDIO, (margin // 2, margin - margin // 2))
    magnitude = np.abs(librosa.stft(padded, n_fft=n_fft, hop_length=hop, center=False))
    return librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=100, fmin=0, fmax=rate / 3) @ magnitude


def vocos() -> np.ndarray:
    transform = torchaudio.transforms.MelSpectrogram(24000, n_fft=1024, hop_length=256, n_mels=100, power=1)
    return transform(torch.from_numpy(AUDIO)).numpy()


def speechbrain(rate: int) -> np.ndarray:
    transform = torchaudio.transforms.MelSpectrogram(
        rate, n_fft=1024, hop_length=256, n_mels=80, f_min=0, f_max=8000, power=1, norm="slaney", mel_scale="slaney"
    )
    return transform(torch.from_numpy(AUDIO)).numpy()


def symmetric(decibels: np.ndarray) -> np.ndarray:
    """Return decibels less 20, from -100..0 to -4..4, as Tacotron in TensorFlow, Mozilla and Coqui have it."""
    return np.clip(8 * (decibels - 20 + 100) / 100 - 4, -4, 4)


def ln(mel: np.ndarray, floor: float = 1e-5) -> np.ndarray:
    return np.log(np.maximum(mel, floor))


def log10(mel: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(mel, 1e-10)).T


def decibels(mel: np.ndarray) -> np.ndarray:
    return librosa.amplitude_to_db(mel, ref=1.0, amin=1e-5, top_db=None)


def tacotron_16k() -> np.ndarray:
    emphasized = librosa.effects.preemphasis(AUDIO, coef=0.97, zi=[0])
    magnitude = np.abs(librosa.stft(emphasized, n_fft=800, hop_length=200, pad_mode="reflect"))
    return librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600) @ magnitude


INDEPENDENT: dict[str, Callable[[], np.ndarray]] = {
    "hifigan_22k": lambda: ln(hifigan(22050, 80, 8000)),
    "bigvgan_22k": lambda: ln(hifigan(22050, 80, 8000)),
    "bigvgan_24k": lambda: ln(hifigan(24000, 100, 12000)),
    "bigvgan_44k": lambda: ln(hifigan(44100, 128, None, 2048, 512)),
    "vocos_24k": lambda: ln(vocos(), 1e-7),
    "vocos_matcha_22k": lambda: ln(hifigan(22050, 80, 8000, epsilon=0), 1e-7),
    "matcha_ljspeech": lambda: (ln(hifigan(22050, 80, 8000)) + 5.536622) / 2.116101,
    "tacotron2_nvidia": lambda: ln(tacotron_stft(22050)),
    "glow_tts": lambda: ln(tacotron_stft(22050)),
    "speechbrain_22k": lambda: ln(speechbrain(22050)),
    "speechbrain_16k": lambda: ln(speechbrain(16000)),
    "espnet_16k": lambda: log10(tacotron_stft(16000, 80, 80, 7600)),
    "espnet_22k": lambda: log10(tacotron_stft(22050, 80, 80, 7600)),
    "espnet_24k": lambda: log10(tacotron_stft(24000, 80, 80, 7600, n_fft=2048, hop_length=300, win_length=1200)),
    "parallel_wavegan_ljspeech": lambda: log10(tacotron_stft(22050, 80, 80, 7600)),
    "parallel_wavegan_libritts": lambda: log10(
        tacotron_stft(24000, 80, 80, 7600, n_fft=2048, hop_length=300, win_length=1200)
    ),
    "coqui_22k": lambda: symmetric(decibels(tacotron_stft(22050, fmax=11025))),
    "coqui_22k_statistics": lambda: decibels(tacotron_stft(22050, fmax=11025)),
    "mozilla_22k": lambda: symmetric(decibels(tacotron_stft(22050))),
    "fairseq_22k": lambda: ln(tacotron_stft(22050, fmin=20)).T,
    "fairseq_ljspeech": lambda: ln(tacotron_stft(22050)).T,
    "tacotron_16k": lambda: symmetric(decibels(tacotron_16k())),
    "wavehax_24k": lambda: ln(wavehax(24000, 1024, 240)),
    "wavehax_48k": lambda: ln(wavehax(48000, 2048, 480)),
}


def features_of(convention: MelConvention) -> Tensor:
    return convention.analyze(torch.from_numpy(AUDIO)[None])[0]


@pytest.mark.parametrize("name", MEL_CONVENTIONS)
def test_preset_equals_an_independent_computation(name: str) -> None:
    convention, expected = MEL_CONVENTIONS[name], INDEPENDENT[name]()
    frames = len(AUDIO) // convention.mel.hop_length
    # Centred frames have one more, at the end of the audio.
    expected = expected[:frames] if convention.layout == "frames_first" else expected[:, :frames]
    found = features_of(convention).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * convention.multiplier)
    assert CONVENTION_USERS[name]


CHANGES = [
    {},
    {"linear": True},
    {"mel": {"preset": "wavehax_24k", "log": "log2"}},
    {"mel": {"preset": "wavehax_24k", "log": "log10", "power": 2, "floor": 1e-10}, "multiplier": 10.0},
    {"multiplier": 20.0, "reference": 16.0, "layout": "frames_first"},
    {"normalization": {"kind": "mean_variance", "mean": [0.1 * n for n in range(100)], "std": 2.0}},
    {"normalization": {"kind": "min_max", "minimum": -12.0, "maximum": 3.0}},
    {"normalization": {"kind": "min_max", "minimum": -5.0, "maximum": [3.0] * 100, "low": -4.0, "clip": False}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_conversion_to_log_mels_undoes_the_convention(change: dict) -> None:
    convention = MelConvention.from_dict({"mel": "wavehax_24k", **change})
    log_mel = LogMel(convention.mel)(torch.from_numpy(AUDIO)[None])
    features = convention.from_log_mel(log_mel)
    torch.testing.assert_close(convention.to_log_mel(features), log_mel, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features_of(convention), features[0])


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_file_gives_back_the_convention(change: dict, tmp_path: Path) -> None:
    convention = MelConvention.from_dict({"mel": "wavehax_24k", **change})
    (tmp_path / "mine.yaml").write_text(convention.to_yaml())
    again = find_convention(tmp_path / "mine.yaml")
    assert again == convention
    assert again.differences(convention) == []
    assert again.fingerprint == convention.fingerprint
    assert "\n" not in again.fingerprint


def test_fingerprints_and_differences_tell_conventions_apart() -> None:
    different = [MelConvention.from_dict({"mel": "wavehax_24k", **change}) for change in CHANGES]
    assert len({one.fingerprint for one in different}) == len(different)
    for one in different:
        assert [bool(one.differences(other)) for other in different] == [one is not other for other in different]


def test_pure_analysis_has_the_fingerprint_of_its_mel() -> None:
    convention = MEL_CONVENTIONS["hifigan_22k"]
    assert convention.fingerprint == convention.mel.fingerprint


def test_same_numbers_written_differently_do_not_differ() -> None:
    written = MelConvention.from_dict({"mel": {"preset": "wavehax_24k", "win_length": 1024, "fmax": 8000.0}})
    assert written.differences(MEL_CONVENTIONS["wavehax_24k"]) == []


def test_file_changes_a_preset_and_reads_statistics_beside_it(tmp_path: Path) -> None:
    mean, std = np.linspace(-2, 1, 80), np.linspace(0.5, 1, 80)
    np.savez(tmp_path / "stats.npz", mean=mean, std=std)
    text = "preset: parallel_wavegan_ljspeech\nmel: {hop_length: 300}\nnormalization: {statistics: stats.npz}\n"
    (tmp_path / "mine.yaml").write_text(text)
    base, found = MEL_CONVENTIONS["parallel_wavegan_ljspeech"], read_convention(tmp_path / "mine.yaml")
    shorter = MelConvention(mel=base.mel.model_copy(update={"hop_length": 300}), layout=base.layout)
    assert found == with_statistics(shorter, tmp_path / "stats.npz")
    features = features_of(found)
    raw = features_of(found.model_copy(update={"normalization": None}))
    torch.testing.assert_close(features, (raw - torch.from_numpy(mean).float()) / torch.from_numpy(std).float())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("preset: hifigan_22kk\n", "hifigan_22k"),
        ("mel: hifigan_22k\nlogarithm: ln\n", "unknown key"),
        ("mel: hifigan_22k\nlinear: true\nmultiplier: 20.0\n", "linear"),
        ("mel: hifigan_22k\nnormalization: {kind: mean_variance, mean: [0.0, 1.0], std: 1.0}\n", "2 bands"),
        ("mel: hifigan_22k\nnormalization: {kind: mean_variance, mean: 0.0, std: 0.0}\n", "above 0"),
        ("mel: hifigan_22k\nnormalization: {kind: min_max, minimum: 1.0, maximum: 0.0}\n", "below"),
        ("mel: hifigan_22k\nnormalization: {statistics: none.npz}\n", "none.npz"),
        ("mel: hifigan_22k\nnormalization: {statistics: stats.npz, clip: true}\n", "clip"),
        ("multiplier: 20.0\n", "mel"),
    ],
)
def test_impossible_file_is_a_config_error(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=error):
        read_convention(tmp_path / "mine.yaml")


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(ConfigError, match="hifigan_22k"):
        find_convention("hifigan22")


def test_features_of_another_shape_or_with_nan_are_refused() -> None:
    convention = MEL_CONVENTIONS["espnet_22k"]
    assert convention.to_log_mel(torch.zeros(7, 80)).shape == (1, 80, 7)
    with pytest.raises(ShapeError):
        convention.to_log_mel(torch.zeros(7, 79))
    with pytest.raises(DataError):
        convention.to_log_mel(torch.full((7, 80), torch.nan))


@pytest.mark.parametrize("name", ["espnet_22k", "hifigan_22k"])
def test_axes_are_found_by_the_number_of_bands_and_else_by_the_layout(name: str) -> None:
    convention = MEL_CONVENTIONS[name]
    values = torch.arange(80.0 * 80).reshape(80, 80) / 6400 - 1
    for features in (values[:, :7], values[:, :7].T, values[None, :, :7]):
        assert torch.equal(convention.bands_first(features).squeeze(0), values[:, :7])
    square = values.T if convention.layout == "frames_first" else values
    assert torch.equal(convention.bands_first(square), values)
