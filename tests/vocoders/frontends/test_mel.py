"""Each mel convention against independent computations, and fingerprints that tell them apart."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig


def noise(length: int, batch: int = 1) -> Tensor:
    return 0.1 * torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(length))


def hz_to_mel(hz: np.ndarray, scale: str) -> np.ndarray:
    """Return O'Shaughnessy's formula (HTK), or Slaney's: linear below 1 kHz, 27 logarithmic steps per factor 6.4."""
    hz = np.asarray(hz, dtype=float)
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    return np.where(hz < 1000, 3 * hz / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def mel_to_hz(mel: np.ndarray, scale: str) -> np.ndarray:
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < 15, 200 * mel / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def triangles(config: MelConfig) -> np.ndarray:
    """Return the mel filters (n_mels, bins) from their definition."""
    bins = np.arange(config.n_fft // 2 + 1) * config.sample_rate / config.n_fft
    low, high = hz_to_mel(np.array([config.fmin, config.top_frequency]), config.scale)
    edges = mel_to_hz(np.linspace(low, high, config.n_mels + 2), config.scale)
    filters = []
    for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
        triangle = np.clip(np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)), 0, None)
        filters.append(triangle * (2 / (right - left) if config.norm == "slaney" else 1))
    return np.array(filters)


def log_mel(audio: np.ndarray, config: MelConfig) -> np.ndarray:
    """Compute the log-mel (n_mels, F) with numpy alone, frame by frame."""
    placement, kind = config.padding.split("_")
    span = config.n_fft if placement == "center" else config.n_fft - config.hop_length
    padded = np.pad(audio, (span // 2, span - span // 2), mode="reflect" if kind == "reflect" else "constant")
    window = np.zeros(config.n_fft)
    start = (config.n_fft - config.window_length) // 2
    phase = 2 * np.pi * np.arange(config.window_length) / config.window_length
    window[start : start + config.window_length] = 0.5 - 0.5 * np.cos(phase)
    starts = range(0, len(audio) // config.hop_length * config.hop_length, config.hop_length)
    spectrum = np.fft.rfft([window * padded[n : n + config.n_fft] for n in starts]).T
    magnitude = np.sqrt(np.abs(spectrum) ** 2 + config.magnitude_epsilon)
    mel = np.maximum(triangles(config) @ magnitude**config.power, config.floor)
    return np.log(mel) if config.log == "ln" else np.log10(mel)


def check_against_numpy(config: MelConfig, length: int) -> None:
    audio = noise(length)
    result = LogMel(config)(audio)[0].numpy()
    assert result.shape == (config.n_mels, length // config.hop_length)
    np.testing.assert_allclose(result, log_mel(audio[0, 0].double().numpy(), config), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", MEL_PRESETS)
def test_preset_equals_its_definition_in_numpy(name: str) -> None:
    check_against_numpy(MEL_PRESETS[name], 6007)


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(
    "change",
    [
        {"power": 2},
        {"scale": "htk"},
        {"norm": "none"},
        {"scale": "htk", "fmin": 50.0},
        {"padding": "center_zero"},
        {"padding": "same_reflect", "hop_length": 241},
        {"magnitude_epsilon": 1.0},
        {"log": "log10"},
        {"floor": 0.1},
        {"win_length": 601, "padding": "center_reflect"},
    ],
    ids=str,
)
def test_every_option_equals_its_definition_in_numpy(change: dict) -> None:
    config = MelConfig.from_dict({"preset": "wavehax_24k", **change})
    check_against_numpy(config, 3000)
    base = LogMel(MEL_PRESETS["wavehax_24k"])(noise(3000))
    assert not torch.allclose(LogMel(config)(noise(3000)), base, atol=1e-2), "the option must have an effect"


def test_vocos_preset_equals_torchaudio() -> None:
    config = MEL_PRESETS["vocos_24k"]
    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=24000, n_fft=1024, hop_length=256, n_mels=100, center=True, power=1
    )
    audio = noise(5000)
    expected = torch.log(torch.clip(transform(audio[:, 0]), min=1e-7))[..., : 5000 // 256]
    torch.testing.assert_close(LogMel(config)(audio), expected, rtol=0, atol=1e-3)


def test_espnet_preset_equals_librosa() -> None:
    audio = noise(6000)
    spectrum = np.abs(
        librosa.stft(audio[0, 0].numpy(), n_fft=2048, hop_length=300, win_length=1200, pad_mode="reflect")
    )
    basis = librosa.filters.mel(sr=24000, n_fft=2048, n_mels=80, fmin=80, fmax=7600)
    expected = np.log10(np.maximum(1e-10, basis @ spectrum))[:, : 6000 // 300]
    np.testing.assert_allclose(LogMel(MEL_PRESETS["espnet_24k"])(audio)[0].numpy(), expected, rtol=0, atol=1e-3)


@given(st.integers(1, 60), st.integers(0, 900), st.sampled_from(["same_zero", "center_zero"]))
def test_frame_count_is_the_number_of_whole_hops(hop: int, surplus: int, padding: str) -> None:
    config = MelConfig(n_fft=64, hop_length=hop, n_mels=4, padding=padding)
    assert LogMel(config)(noise(hop + surplus)).shape[-1] == (hop + surplus) // hop


def test_tone_appears_in_the_band_around_its_frequency() -> None:
    config = MEL_PRESETS["wavehax_24k"]
    tone = torch.sin(2 * torch.pi * 1500 * torch.arange(4800) / 24000)[None, None]
    centres = mel_to_hz(np.linspace(0, hz_to_mel(np.array(8000.0), "slaney"), 102), "slaney")[1:-1]
    loudest = LogMel(config).linear(tone)[0, :, 10].argmax().item()
    assert abs(centres[loudest] - 1500) == np.abs(centres - 1500).min()


def test_silence_is_the_logarithm_of_the_floor_and_gradients_stay_finite() -> None:
    for config in MEL_PRESETS.values():
        audio = torch.zeros(1, 1, 4800, requires_grad=True)
        mel = LogMel(config)(audio)
        lowest = np.log(config.floor) if config.log == "ln" else np.log10(config.floor)
        assert mel.min().item() >= lowest - 1e-4
        if config.magnitude_epsilon == 0:
            torch.testing.assert_close(mel, torch.full_like(mel, lowest))
        mel.sum().backward()
        assert torch.isfinite(audio.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_float32(dtype: torch.dtype) -> None:
    log_mel_of = LogMel(MEL_PRESETS["wavehax_24k"])
    audio = noise(2400).to(dtype)
    assert log_mel_of(audio).dtype == torch.float32
    assert torch.equal(log_mel_of(audio), log_mel_of(audio.float()))


def test_items_of_a_batch_and_both_shapes_agree() -> None:
    log_mel_of = LogMel(MEL_PRESETS["wavehax_24k"])
    audio = noise(2400, batch=3)
    torch.testing.assert_close(log_mel_of(audio)[1:2], log_mel_of(audio[1:2]))
    assert torch.equal(log_mel_of(audio), log_mel_of(audio[:, 0]))


@pytest.mark.parametrize("shape", [(2400,), (1, 2, 2400), (1, 1, 239), (1, 1, 0)])
def test_unusable_audio_is_a_shape_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        LogMel(MEL_PRESETS["wavehax_24k"])(torch.zeros(shape))


def test_audio_too_short_to_reflect_is_a_shape_error() -> None:
    with pytest.raises(ShapeError, match="384 samples.* more than 384"):
        LogMel(MEL_PRESETS["hifigan_22k"])(torch.zeros(1, 1, 384))
    assert LogMel(MEL_PRESETS["hifigan_22k"])(torch.zeros(1, 1, 385)).shape[-1] == 1


OTHER = {
    "sample_rate": 22050, "n_fft": 2048, "hop_length": 256, "win_length": 1000, "n_mels": 80, "fmin": 20.0,
    "fmax": 7999.0, "power": 2, "padding": "same_reflect", "scale": "htk", "norm": "none", "magnitude_epsilon": 1e-9,
    "log": "log10", "floor": 1e-6,
}  # fmt: skip


@pytest.mark.parametrize("field", MelConfig.model_fields)
def test_fingerprint_tells_every_field(field: str) -> None:
    base = MEL_PRESETS["wavehax_24k"]
    changed = MelConfig.from_dict({"preset": "wavehax_24k", field: OTHER[field]})
    assert changed.fingerprint != base.fingerprint
    assert LogMel(changed).fingerprint == changed.fingerprint
    assert "\n" not in changed.fingerprint


@pytest.mark.parametrize("field", ["fmin", "fmax", "magnitude_epsilon", "floor"])
@given(st.data())
def test_fingerprints_agree_exactly_when_the_numbers_do(field: str, data: st.DataObject) -> None:
    # Neighbouring floats too: a fingerprint that rounds would call different front ends the same.
    value = data.draw(st.floats(100.0, 7000.0))
    other = data.draw(st.just(value) | st.just(np.nextafter(value, np.inf).item()) | st.just(value + 1e-4))
    one, two = (MelConfig.from_dict({"fmin": 50.0, "fmax": 7100.0, field: v}) for v in (value, other))
    assert (one.fingerprint == two.fingerprint) == (value == other)


def test_same_numbers_written_differently_share_a_fingerprint() -> None:
    explicit = MelConfig(sample_rate=24000, n_fft=1024, win_length=1024, fmax=12000.0)
    assert explicit.fingerprint == MelConfig(sample_rate=24000, n_fft=1024).fingerprint
    assert MEL_PRESETS["hifigan_22k"].fingerprint == MEL_PRESETS["bigvgan_22k"].fingerprint
    different = {config.fingerprint for name, config in MEL_PRESETS.items() if name != "bigvgan_22k"}
    assert len(different) == len(MEL_PRESETS) - 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"preset": "wavehax"}, "'wavehax'.* wavehax_24k"),
        ({"preset": "wavehax_24k", "fmax": 12001.0}, "above half the sample rate"),
        ({"fmin": 8000.0, "fmax": 8000.0}, "not below fmax"),
        ({"win_length": 2000}, "must not exceed n_fft"),
        ({"hop_length": 2000}, "must not exceed n_fft"),
        ({"n_mel": 80}, "did you mean 'n_mels'"),
        ({"floor": 0.0}, "floor"),
    ],
)
def test_impossible_front_end_is_a_config_error(data: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MelConfig.from_dict(data)
