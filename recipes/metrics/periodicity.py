"""Periodicity, voicing and pitch errors, by the protocol of CARGAN (Morrison et al. 2022) that vocoder papers follow.

Both signals are resampled to 16 kHz and a tracker gives pitch and periodicity (how sure it is of a period) every 170
samples. Periodicity is set to 0 where a frame is silent; both curves are stretched to one frame per 256 samples of the
original; voicing is decided on the stretched curves. CREPE (Kim et al. 2018) is the tracker of the published numbers;
on one core it takes about four times as long as the sound lasts. Two others stand in where it is not installed; their
numbers are not those of CREPE, and every title says which it was.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import librosa
import numpy as np
import torch

from recipes.metrics.domain import Condition
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair
from vocoders.core.errors import ConfigError
from vocoders.core.extras import import_extra

__all__ = [
    "PeriodicityRmse",
    "PitchRmse",
    "VoicingCurves",
    "VoicingF1",
    "a_weighted_level",
    "preferred_tracker",
    "voicing_curves",
]

_RATE, _HOP, _WINDOW = 16000, 170, 1024
_PADDING = (_WINDOW - _HOP) // 2
_ORIGINAL_HOP = 256
_RANGE = (50.0, 550.0)
_SILENCE_DB = -60.0
_PYIN_NO_TROUGH = 0.01
# Batch of CREPE: about 10 MB of activations per frame.
_FRAMES_AT_ONCE = 32
_FRAMES_ON_GPU = 2048


@dataclass(frozen=True, eq=False)
class VoicingCurves:
    """Output of a tracker for a signal, one frame per 256 samples.

    Attributes:
        octaves: (F,) log2 of the pitch in Hz, undefined where unvoiced.
        periodicity: (F,) 0 ... 1.
        voiced: (F,) bool.
    """

    octaves: np.ndarray
    periodicity: np.ndarray
    voiced: np.ndarray


class _TrackerMetric(Metric):
    sample_rate = _RATE
    shortest = 0.1
    # Title without the tracker, and a short description of the computation.
    _heading: ClassVar[str]
    _what: ClassVar[str]

    def __init__(self, tracker: str | None = None) -> None:
        """Take ``crepe``, ``swift`` or ``pyin``; by default the first of them that is installed."""
        self.tracker = preferred_tracker() if tracker is None else tracker
        if self.tracker not in _TRACKERS:
            raise ConfigError(
                f"unknown tracker '{self.tracker}' for {self.name}; expected one of {', '.join(_TRACKERS)}"
            )
        chosen = _TRACKERS[self.tracker]
        import_extra(chosen.module, chosen.module, chosen.extra, f"metric '{self.name}'")
        self.title = f"{self._heading} {chosen.title}"
        self.definition = (
            f"{self._what}; tracker {chosen.definition}; CARGAN protocol: 16 kHz, hop {_HOP}, "
            f"{_RANGE[0]:g}-{_RANGE[1]:g} Hz, periodicity 0 where the A-weighted level is below {_SILENCE_DB:g} dB, "
            f"one frame per {_ORIGINAL_HOP} samples of the file"
        )

    def curves(self, pair: SignalPair) -> tuple[VoicingCurves, VoicingCurves]:
        """Return the curves of (reference, generated), which the three metrics share."""
        return voicing_curves(pair.reference, self.tracker), voicing_curves(pair.generated, self.tracker)


class PeriodicityRmse(_TrackerMetric):
    """Root mean square difference of the periodicity over all frames."""

    name = "periodicity"
    decimals = 4
    _heading = "periodicity RMSE"
    _what = "RMS of periodicity(reference) - periodicity(generated) over all frames"

    def measure(self, pair: SignalPair) -> float:
        """Return the error, 0 ... 1."""
        reference, generated = self.curves(pair)
        return float(np.sqrt(np.mean((reference.periodicity - generated.periodicity) ** 2)))


class VoicingF1(_TrackerMetric):
    """F1 of the voiced frames: harmonic mean of precision and recall against the voicing of the reference."""

    name = "vuv_f1"
    direction = Direction.HIGHER
    identity = 1.0
    decimals = 4
    _heading = "V/UV F1"
    _what = "F1 = 2 TP / (2 TP + FP + FN) of the voiced frames; the reference is the truth"

    def __init__(self, tracker: str | None = None) -> None:
        super().__init__(tracker)
        self.domain = (Condition(self._has_voice, "no frame is voiced in either signal"),)

    def _has_voice(self, pair: SignalPair) -> bool:
        return any(curves.voiced.any() for curves in self.curves(pair))

    def measure(self, pair: SignalPair) -> float:
        """Return F1, 0 ... 1."""
        reference, generated = (curves.voiced for curves in self.curves(pair))
        return float(2 * (reference & generated).sum() / (reference.sum() + generated.sum()))


class PitchRmse(_TrackerMetric):
    """Root mean square difference of pitch over the frames that are voiced in both signals, in cents."""

    name = "pitch_cents"
    unit = "cent"
    decimals = 2
    _heading = "pitch RMSE"
    _what = "RMS of 1200 log2(pitch(reference) / pitch(generated)) over frames voiced in both"

    def __init__(self, tracker: str | None = None) -> None:
        super().__init__(tracker)
        self.domain = (Condition(self._meet, "no frame is voiced in both signals"),)

    def measure(self, pair: SignalPair) -> float:
        """Return the error in cents (100 is a semitone)."""
        reference, generated = self.curves(pair)
        both = self._both(pair)
        return float(1200 * np.sqrt(np.mean((reference.octaves[both] - generated.octaves[both]) ** 2)))

    def _meet(self, pair: SignalPair) -> bool:
        return bool(self._both(pair).any())

    def _both(self, pair: SignalPair) -> np.ndarray:
        reference, generated = self.curves(pair)
        return reference.voiced & generated.voiced


def preferred_tracker() -> str:
    """Return the first of ``crepe``, ``swift`` and ``pyin`` whose package is installed; ``pyin`` always is."""
    return next(name for name, tracker in _TRACKERS.items() if importlib.util.find_spec(tracker.module))


def voicing_curves(signal: Signal, tracker: str) -> VoicingCurves:
    """Return pitch, periodicity and voicing of a signal of 27 ms or more; computed once for each signal and tracker."""

    def compute() -> VoicingCurves:
        samples = np.pad(signal.resampled(_RATE), _PADDING, mode="reflect")
        pitch, periodicity = _TRACKERS[tracker].track(samples)
        periodicity = np.where(a_weighted_level(samples) < _SILENCE_DB, 0.0, periodicity)
        num_frames = len(signal.samples) // _ORIGINAL_HOP
        octaves, periodicity = _stretch(np.log2(pitch), num_frames), _stretch(periodicity, num_frames)
        return VoicingCurves(octaves, periodicity, _TRACKERS[tracker].decide(octaves, periodicity))

    return signal.remember(("voicing_curves", tracker), compute)


def a_weighted_level(samples: np.ndarray) -> np.ndarray:
    """Return the A-weighted level of each frame, mean of the bins in dB as torchcrepe computes it.

    Args:
        samples: (T,) at 16 kHz, padded: frames of 1024 samples every 170 start at the first one.

    Returns:
        (F,) in dB; -100 for silence.
    """
    spectrum = librosa.stft(samples, n_fft=_WINDOW, hop_length=_HOP, center=False)
    with np.errstate(divide="ignore"):
        weights = librosa.A_weighting(librosa.fft_frequencies(sr=_RATE, n_fft=_WINDOW)) - 20
    return np.maximum(librosa.amplitude_to_db(np.abs(spectrum)) + weights[:, None], -100.0).mean(axis=0)


def _stretch(curve: np.ndarray, num_frames: int) -> np.ndarray:
    """Interpolate a curve linearly to another number of frames that cover the same time."""
    positions = (np.arange(num_frames) + 0.5) * len(curve) / num_frames - 0.5
    return np.interp(positions, np.arange(len(curve)), curve)


def _track_crepe(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Run torchcrepe's full network in batches of frames, on a GPU if there is one; Viterbi over the whole file."""
    import torchcrepe

    audio = torch.from_numpy(samples)[None]
    device, frames_at_once = ("cuda", _FRAMES_ON_GPU) if torch.cuda.is_available() else ("cpu", _FRAMES_AT_ONCE)
    with torch.no_grad(), _repeated_dither():
        batches = torchcrepe.preprocess(audio, _RATE, _HOP, batch_size=frames_at_once, device=device, pad=False)
        probabilities = torch.cat([torchcrepe.infer(frames, "full", device=device) for frames in batches]).T[None].cpu()
        pitch, periodicity = torchcrepe.postprocess(probabilities, *_RANGE, return_periodicity=True)
    return pitch[0].double().numpy(), periodicity[0].double().numpy()


@contextmanager
def _repeated_dither() -> Iterator[None]:
    """Give torchcrepe, which dithers its pitch with numpy's global generator, the same dither for every signal."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def _decide_crepe(octaves: np.ndarray, periodicity: np.ndarray) -> np.ndarray:
    import torchcrepe

    with warnings.catch_warnings():
        # No pitch above the lower bound: the mean is undefined.
        warnings.simplefilter("ignore", RuntimeWarning)
        pitch = torchcrepe.threshold.Hysteresis()(
            torch.from_numpy(np.exp2(octaves))[None], torch.from_numpy(periodicity)[None]
        )
    return ~pitch[0].isnan().numpy()


def _track_swift(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Run SwiftF0, whose frames lie 16 ms apart, and interpolate to the centres of the frames here."""
    # The network sees the level; half of full scale makes a quiet copy equal to its original.
    peak = np.abs(samples).max()
    found = _swift_detector().detect((samples * (0.5 / max(peak, 1e-8))).astype(np.float32), _RATE, *_RANGE)
    centres = (np.arange(1 + (len(samples) - _WINDOW) // _HOP) * _HOP + _WINDOW / 2) / _RATE
    octaves = np.interp(centres, found.timestamps, np.log2(found.pitch_hz))
    return np.exp2(octaves), np.interp(centres, found.timestamps, found.confidence)


@lru_cache(maxsize=1)
def _swift_detector() -> Any:
    from swift_f0 import SwiftF0

    # Processors work on different files.
    return SwiftF0(threads=1)


def _track_pyin(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pitch, voiced, probability = librosa.pyin(
        samples,
        fmin=_RANGE[0],
        fmax=_RANGE[1],
        sr=_RATE,
        frame_length=_WINDOW,
        hop_length=_HOP,
        fill_na=None,
        center=False,
        no_trough_prob=_PYIN_NO_TROUGH,
    )
    return pitch, np.where(voiced, probability, 0.0)


@dataclass(frozen=True)
class _Tracker:
    """A tracker: 16 kHz samples to (pitch in Hz, periodicity), and (log2 pitch, periodicity) to voicing."""

    title: str
    module: str
    extra: str
    definition: str
    track: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    decide: Callable[[np.ndarray, np.ndarray], np.ndarray]


# In order of preference.
_TRACKERS = {
    "crepe": _Tracker(
        "CREPE",
        "torchcrepe",
        "metrics",
        "torchcrepe full, Viterbi, voiced by hysteresis 0.19 / 0.31 / width 0.2, the same pitch dither for both "
        "signals (published pitch errors include two dithers, 11.5 cent in quadrature)",
        _track_crepe,
        _decide_crepe,
    ),
    "swift": _Tracker(
        "SwiftF0",
        "swift_f0",
        "f0",
        "SwiftF0, not CREPE: periodicity is its confidence, voiced from 0.5",
        _track_swift,
        lambda octaves, periodicity: periodicity >= 0.5,
    ),
    "pyin": _Tracker(
        "pYIN",
        "librosa",
        "metrics",
        "librosa pyin, not CREPE: periodicity is its voiced probability, 0 where its path is unvoiced, voiced above "
        "0.01",
        _track_pyin,
        # As in vocoders.frontends.f0: without any trough the path may still drift through voiced states.
        lambda octaves, periodicity: periodicity > 1.01 * _PYIN_NO_TROUGH,
    ),
}
