"""The mel conventions of well-known programs, by name, and files that define others.

Each entry is what the program's own code computes with its published settings. Programs whose features are normalised
by the statistics of a corpus need that file too: ``normalization: {statistics: stats.h5}`` in a YAML file, or
:func:`with_statistics`.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vocoders.core.config import read_yaml
from vocoders.core.errors import CheckpointError, ConfigError, OndesError
from vocoders.core.statistics_file import read_statistics
from vocoders.frontends.mel_convention import MelConvention

__all__ = ["CONVENTION_USERS", "MEL_CONVENTIONS", "find_convention", "read_convention", "with_statistics"]

_TACOTRON: dict[str, Any] = {"preset": "hifigan_22k", "padding": "center_reflect", "magnitude_epsilon": 0.0}
_ESPNET: dict[str, Any] = {**_TACOTRON, "fmin": 80.0, "fmax": 7600.0, "log": "log10", "floor": 1e-10}
_DECIBELS: dict[str, Any] = {"multiplier": 20.0, "reference": 20.0}
_COQUI: dict[str, Any] = {**_TACOTRON, "log": "log10", "fmax": 11025.0}
_SYMMETRIC: dict[str, Any] = {"kind": "min_max", "minimum": -100.0, "maximum": 0.0, "low": -4.0, "high": 4.0}

# Name: (who uses it, convention).
_TABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "hifigan_22k": ("HiFi-GAN and its universal model; Matcha-TTS, Grad-TTS, VITS, FastSpeech 2", {}),
    "bigvgan_22k": ("BigVGAN with 80 bands", {}),
    "bigvgan_24k": ("BigVGAN with 100 bands; PeriodWave", {}),
    "bigvgan_44k": ("BigVGAN v2 with 128 bands", {}),
    "vocos_24k": ("Vocos; F5-TTS, E2-TTS", {}),
    # config.yaml of BSC-LT/vocos-mel-22khz, with the floor of Vocos.
    "vocos_matcha_22k": (
        "Vocos in the variant for Matcha-TTS",
        {"mel": {**_TACOTRON, "padding": "same_reflect", "floor": 1e-7}},
    ),
    "matcha_ljspeech": (
        "Matcha-TTS before its denormalisation, LJSpeech",
        {
            "mel": {"preset": "hifigan_22k"},
            "normalization": {"kind": "mean_variance", "mean": -5.536622, "std": 2.116101},
        },
    ),
    "tacotron2_nvidia": ("Tacotron 2 and WaveGlow of NVIDIA; FastPitch", {"mel": _TACOTRON}),
    "glow_tts": ("Glow-TTS", {"mel": _TACOTRON}),
    # hparams/train.yaml of the recipe LJSpeech/TTS/vocoder/hifigan; tts-hifigan-libritts-16kHz changes the rate alone.
    "speechbrain_22k": ("SpeechBrain's Tacotron 2, FastSpeech 2 and HiFi-GAN, LJSpeech", {"mel": _TACOTRON}),
    "speechbrain_16k": ("SpeechBrain's HiFi-GAN, LibriTTS", {"mel": {**_TACOTRON, "sample_rate": 16000}}),
    "espnet_16k": ("ESPnet at 16 kHz", {"mel": {**_ESPNET, "sample_rate": 16000}, "layout": "frames_first"}),
    "espnet_22k": ("ESPnet at 22.05 kHz", {"mel": _ESPNET, "layout": "frames_first"}),
    "espnet_24k": ("ESPnet at 24 kHz", {"layout": "frames_first"}),
    "parallel_wavegan_ljspeech": ("ParallelWaveGAN, LJSpeech", {"mel": _ESPNET, "layout": "frames_first"}),
    "parallel_wavegan_libritts": (
        "ParallelWaveGAN, LibriTTS and VCTK",
        {"mel": {"preset": "espnet_24k"}, "layout": "frames_first"},
    ),
    "coqui_22k": ("Coqui TTS by default", {"mel": _COQUI, **_DECIBELS, "normalization": _SYMMETRIC}),
    "coqui_22k_statistics": (
        "Coqui TTS with a scale_stats.npy (give it as statistics)",
        {"mel": _COQUI, "multiplier": 20.0},
    ),
    "mozilla_22k": (
        "Mozilla TTS by default",
        {"mel": {**_COQUI, "fmax": 8000.0}, **_DECIBELS, "normalization": _SYMMETRIC},
    ),
    # Defaults of get_feature_manifest.py; then config.yaml of fastspeech2-en-ljspeech and tts_transformer-en-ljspeech.
    "fairseq_22k": (
        "fairseq S2 speech synthesis by default",
        {"mel": {**_TACOTRON, "fmin": 20.0}, "layout": "frames_first"},
    ),
    "fairseq_ljspeech": ("fairseq S2, published models of LJSpeech", {"mel": _TACOTRON, "layout": "frames_first"}),
    # synthesizer/hparams.py of Real-Time-Voice-Cloning; librosa before 0.10 pads by reflection, later with zeros.
    "tacotron_16k": (
        "Tacotron in TensorFlow and Real-Time Voice Cloning, 16 kHz",
        {
            "mel": {
                **_TACOTRON, "sample_rate": 16000, "n_fft": 800, "hop_length": 200, "fmin": 55.0, "fmax": 7600.0,
                "log": "log10",
            },
            **_DECIBELS,
            "preemphasis": 0.97,
            "normalization": _SYMMETRIC,
        },
    ),
    "wavehax_24k": ("Wavehax", {}),
    "wavehax_48k": ("Wavehax at 48 kHz", {}),
}  # fmt: skip


def _make(name: str) -> MelConvention:
    values = {"mel": name, **_TABLE[name][1]}
    return MelConvention.from_dict(values, f"preset {name}")


MEL_CONVENTIONS: dict[str, MelConvention] = {name: _make(name) for name in _TABLE}
"""Conventions by name."""
CONVENTION_USERS: dict[str, str] = {name: text for name, (text, _) in _TABLE.items()}
"""The programs that use each of them, in a few words."""


def find_convention(name: str | Path) -> MelConvention:
    """Return the convention of a preset, or of a YAML file.

    Raises:
        ConfigError: if there is neither (the message has the nearest names), or the file is wrong.
    """
    if str(name) in MEL_CONVENTIONS:
        return MEL_CONVENTIONS[str(name)]
    path = Path(name).expanduser()
    if path.suffix.lower() in (".yaml", ".yml") or path.is_file():
        return read_convention(path)
    near = difflib.get_close_matches(str(name).lower(), MEL_CONVENTIONS, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(MEL_CONVENTIONS)}"
    raise ConfigError(f"unknown mel convention '{name}'; {hint}; or give a YAML file")


def read_convention(path: str | Path) -> MelConvention:
    """Read a convention from YAML, with the keys of :class:`MelConvention`.

    ``preset`` may name the convention that the other keys change, and ``normalization: {statistics: FILE}`` reads mean
    and deviation from a file (its path is relative to the YAML file).

    Raises:
        ConfigError: for anything unexpected, with the key.
    """
    path = Path(path)
    data = read_yaml(path)
    if "preset" in data:
        base = find_convention(str(data.pop("preset"))).to_dict()
        data = {**base, **data, "mel": _merge(base["mel"], data.get("mel", {}))}
    normalization = data.get("normalization")
    if isinstance(normalization, Mapping) and "statistics" in normalization:
        data["normalization"] = _read_statistics(path, normalization)
    return MelConvention.from_dict(data, str(path))


def _merge(base: dict[str, Any], change: Any) -> Any:
    """Return the analysis ``base`` with some keys changed, or another preset."""
    return {**base, **change} if isinstance(change, Mapping) and "preset" not in change else change


def _read_statistics(path: Path, normalization: Mapping[str, Any]) -> dict[str, Any]:
    others = sorted(set(normalization) - {"statistics", "kind"})
    if others or normalization.get("kind", "mean_variance") != "mean_variance":
        raise ConfigError(f"{path}: 'normalization.statistics' gives mean and deviation; remove {', '.join(others)}")
    try:
        return mean_variance_of(path.parent / str(normalization["statistics"]))
    except OndesError as error:
        raise ConfigError(f"{path}: {error}") from None


def mean_variance_of(statistics: str | Path) -> dict[str, Any]:
    """Return the normalisation by a file of statistics, as plain types for :class:`MelConvention`.

    Bands that never vary have the deviation 1.

    Raises:
        CheckpointError: if the file cannot be read, or holds no mean and deviation; see :func:`read_statistics`.
    """
    found = read_statistics(statistics, ("mean", "std"), feature="mel")
    numbers = {name: np.asarray(found[name], dtype=np.float64).reshape(-1) for name in ("mean", "std")}
    if not all(np.isfinite(values).all() for values in numbers.values()):
        raise CheckpointError(f"{statistics}: mean or deviation is NaN or infinite; measure the statistics again")
    if not numbers["std"].any():
        raise CheckpointError(f"{statistics}: every deviation is 0; measure the statistics again")
    numbers["std"] = np.where(numbers["std"] == 0, 1.0, numbers["std"])
    plain = {name: values.tolist() if len(values) > 1 else float(values[0]) for name, values in numbers.items()}
    return {"kind": "mean_variance", **plain}


def with_statistics(convention: MelConvention, statistics: str | Path) -> MelConvention:
    """Return a convention whose values are normalised by the mean and deviation in a file.

    Raises:
        ConfigError: for statistics of another number of bands.
        CheckpointError: as :func:`mean_variance_of`.
    """
    data = {**convention.to_dict(), "normalization": mean_variance_of(statistics)}
    return MelConvention.from_dict(data, str(statistics))
