"""Synthesis from a feature file of any program."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from demo.library import Library
from demo.limits import MAX_FILE_BYTES, MAX_SECONDS, owned_path
from demo.work.deadline import with_deadline
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.feature_files import FeatureFile, read_feature_file
from vocoders.core.limiting import limit_peaks
from vocoders.frontends.convention_presets import MEL_CONVENTIONS, find_convention
from vocoders.frontends.f0_units import check_plausible_f0
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.plausibility import check_plausible, describe_values, fitting_conventions
from vocoders.interface import Vocoder

__all__ = ["OWN", "Played", "look_at", "play"]

OWN = "that of the vocoder"
"""Choice of the convention of the vocoder itself."""


@dataclass(frozen=True)
class Played:
    """Audio of a feature file.

    Attributes:
        samples: (T,).
        sample_rate: in Hz.
        compute_seconds: time of synthesis.
    """

    samples: np.ndarray
    sample_rate: int
    compute_seconds: float


def look_at(path: str | None) -> tuple[str, list[str], str]:
    """Return what a feature file looks like, the conventions in the order of their fit, and the first of them.

    Raises:
        OndesError: for a file without features.
    """
    found = _read(path)
    values = torch.from_numpy(found.features.astype(np.float32))
    if not bool(torch.isfinite(values).all()):
        raise DataError("the features contain NaN or infinite values")
    fitting = fitting_conventions(values)
    others = [OWN, *(name for name in MEL_CONVENTIONS if name not in fitting)]
    said = f"{values.shape[0]} × {values.shape[1]} values that look like {describe_values(values)}"
    return said, [*fitting, *others], (fitting or [OWN])[0]


def play(library: Library, path: str | None, model: str, convention: str, seed: int) -> Played:
    """Synthesise a feature file; F0 that is missing is estimated from the mel.

    Raises:
        OndesError: for a file without features, or features that cannot be what they are said to be.
    """
    vocoder: Vocoder = library.load(model, "vocoder")
    found = _read(path)
    if vocoder.mel is None:
        raise ConfigError(f"'{model}' takes no mel; choose another vocoder")
    given = MelConvention(mel=vocoder.mel) if convention == OWN else _preset(convention)
    check_plausible(found.features, given, "the file", either_axis=True)
    seconds = given.bands_first(found.features.astype(np.float32)).shape[-1] * given.mel.hop_length
    if seconds > MAX_SECONDS * given.mel.sample_rate:
        raise DataError(f"the features last more than {MAX_SECONDS:g} s; send fewer frames")
    f0 = None
    if vocoder.uses_f0 and found.f0 is not None:
        check_plausible_f0(found.f0, None, "the file")
        f0 = torch.from_numpy(found.f0.astype(np.float32).reshape(-1))
    started = time.perf_counter()
    how = {"mel": given, "seed": seed, "progress": with_deadline(None)}
    audio = vocoder.synthesize(torch.from_numpy(found.features.astype(np.float32)), f0, **how)
    samples = limit_peaks(audio.reshape(-1).float().cpu(), vocoder.sample_rate).numpy()
    return Played(samples, vocoder.sample_rate, time.perf_counter() - started)


def _preset(name: str) -> MelConvention:
    """Return a preset: a visitor's text is no path."""
    if name not in MEL_CONVENTIONS:
        raise ConfigError(f"unknown convention '{name}'; known: {', '.join(MEL_CONVENTIONS)}")
    return find_convention(name)


def _read(path: str | None) -> FeatureFile:
    if not path:
        raise DataError("there is no file yet; upload features (.npy, .npz, .pt, .h5)")
    file: Path = owned_path(path)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"the file is larger than {MAX_FILE_BYTES >> 20} MB; send fewer frames")
    return read_feature_file(file)
