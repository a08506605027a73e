"""Find the convention of mel features from the audio that they were made of.

Candidates are ranked by what remains after an affine fit of their log-mels to the features (see
:mod:`vocoders.frontends.mel_fit`): first the presets; a grid of rates, hops, transforms and bands where none of them
agrees; then one idea after the other is changed in the best of them, until nothing improves.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.errors import DataError
from vocoders.core.resampling import resample
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.detected_values import conventions_of
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.mel_candidates import (
    IDEAS,
    at_other_rates,
    bare,
    coarse_candidates,
    essence,
    neighbours,
    padded_otherwise,
    preset_candidates,
    with_slaney_norm,
)
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_fit import NEPER_DB, AffineFit, FeatureValues

__all__ = ["POOR_RESIDUAL_DB", "Detection", "checked_features", "detect_convention"]

POOR_RESIDUAL_DB = 3.0
"""A best residual above this means that the audio is not that of the features."""
# Half of the longest window, in seconds: so near to the ends padding is audible in the features.
_EDGE_SECONDS = 0.05
# The search listens to so much.
_SECONDS = 8.0
_LEAST_FRAMES, _LEAST_VALUES = 24, 200
_BANDS, _FRAME_RATES = (8, 512), (10.0, 1000.0)
# A preset with such a residual (dB) needs no search of the grid.
_GOOD_DB = 0.15
_PASSES, _FINALISTS = 4, 2
_IMPROVEMENT = 0.98
# Less than this between the same analysis at two rates says nothing.
_TWIN_DB = 0.005
# Where so little is between them, the search goes on at both.
_NEAR_DB = 0.5
# A preset agrees that is as near as the best free fit, nearly; others that are as near as it are its equals.
_AGREEING, _AGREEING_DB = 1.3, 0.02
_EQUAL, _EQUAL_DB = 1.05, 0.0005


@dataclass(frozen=True)
class Detection:
    """The convention of features, and how sure that is.

    Attributes:
        convention: what the features are.
        presets: names of the presets that agree as well as any, best first; empty if none does.
        residual_db: root mean square difference of the features from those of the audio in this convention, in dB.
        fit_db: the same after a free affine map, without values at the floor: whether the analysis is right.
        runner_up: the best other analysis.
        runner_up_db: its residual after a free affine map.
        candidates: number of analyses that were tried.
    """

    convention: MelConvention
    presets: tuple[str, ...]
    residual_db: float
    fit_db: float
    runner_up: MelConvention | None
    runner_up_db: float
    candidates: int


def detect_convention(features: Any, audio: Any, sample_rate: int) -> Detection:
    """Find the convention of features by a search for the analysis of their audio.

    Args:
        features: array or tensor, (n_mels, F) or (F, n_mels).
        audio: the same utterance, (1, T), (T,) or with several channels, which are averaged.
        sample_rate: of the audio, in Hz; it need not be that of the features.

    Raises:
        DataError: for features that are not finite or not two-dimensional, less than 24 frames, silence, or audio
            that cannot be that of the features: another length, or a residual above :data:`POOR_RESIDUAL_DB`.
    """
    values = checked_features(features)
    samples = check_audio(torch.as_tensor(audio)).float()
    samples = samples.reshape(-1, samples.shape[-1]).mean(dim=0, keepdim=True)
    seconds = samples.shape[-1] / sample_rate
    searches = [
        _Search(oriented, layout, samples, sample_rate)
        for oriented, layout in ((values, "bands_first"), (values.T, "frames_first"))
        if _BANDS[0] <= len(oriented) <= _BANDS[1] and _FRAME_RATES[0] < oriented.shape[1] / seconds < _FRAME_RATES[1]
    ]
    if not searches:
        raise DataError(
            f"features {values.shape} do not fit {seconds:.3g} s of audio; expected 10 to 1000 frames per second"
        )
    usable = [search for search in searches if search.frames >= _LEAST_FRAMES]
    if not usable:
        raise DataError(f"features {values.shape} have too few frames; expected at least {_LEAST_FRAMES}")
    found = [detection for search in usable if (detection := search.run()) is not None]
    if not found:
        raise DataError(
            f"features {values.shape} have no frame rate that fits {seconds:.3g} s of audio, or vary in too few frames;"
            " expected the whole utterance"
        )
    best = min(found, key=lambda each: each.fit_db)
    if not best.fit_db <= POOR_RESIDUAL_DB:
        raise DataError(
            f"the best of {best.candidates} analyses differs by {best.fit_db:.1f} dB; expected less than "
            f"{POOR_RESIDUAL_DB:g} dB: the audio is not that of the features, or these are no logarithm of a mel"
        )
    return best


def checked_features(features: Any) -> np.ndarray:
    """Return features with two axes as float64.

    Raises:
        DataError: for NaN or infinite values, other axes, or none.
    """
    values = torch.as_tensor(features).detach().cpu().double().numpy()
    if values.ndim != 2 or values.size == 0:
        raise DataError(f"features {values.shape}; expected two axes, bands and frames")
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(f"features are NaN or infinite in {int(bad.sum())} places, first at ({row}, {column})")
    return values


class _Search:
    """The search for one order of the axes."""

    def __init__(self, values: np.ndarray, layout: str, audio: Tensor, sample_rate: int) -> None:
        self.layout = layout
        self.n_mels, self.frames = values.shape
        self.seconds = audio.shape[-1] / sample_rate
        whole = self.frames
        if self.seconds > _SECONDS:
            whole = int(_SECONDS * self.frames / self.seconds)
        self.rate, self.audio = sample_rate, audio[..., : round(min(self.seconds, _SECONDS) * sample_rate)]
        self.values = values[:, :whole]
        self.edge = math.ceil(_EDGE_SECONDS * self.frames / self.seconds) + 1
        self.features = FeatureValues(self.values, self.edge)
        positive = values.min() >= 0
        # A mel without logarithm is a candidate too.
        self.logarithms = FeatureValues(np.log(np.maximum(self.values, 1e-12)), self.edge) if positive else None
        self.fits: dict[MelConvention, tuple[AffineFit, bool]] = {}
        self.resampled: dict[int, Tensor] = {sample_rate: self.audio}
        self.spectrum = lru_cache(maxsize=16)(self._spectrum)

    def run(self) -> Detection | None:
        """Return the best convention; ``None`` if the frames fit no candidate."""
        if self.features.count < _LEAST_VALUES:
            return None
        best = self._best(preset_candidates(self.n_mels, self.frames, self.seconds))
        if best and self.score(best[0]) < _GOOD_DB:
            best = [each for each in best if self.score(each) < self.score(best[0]) + _NEAR_DB]
        finalists = [self._descend(each) for each in best]
        if not finalists or self.score(finalists[0]) > _GOOD_DB:
            best = self._best(coarse_candidates(self.n_mels, self.frames, self.seconds))
            finalists += [self._descend(each) for each in best]
        if not finalists:
            return None
        best = min(finalists, key=self.score)
        limit = self.score(best) + _NEAR_DB if self.score(best) > _GOOD_DB else -math.inf
        near = [each for each in at_other_rates(best) if self.score(each) < limit]
        twin = min((self._descend(each) for each in near), key=self.score, default=best)
        return self._conclude(twin if self.score(twin) < _IMPROVEMENT * self.score(best) - _TWIN_DB else best)

    def _best(self, candidates: Iterable[MelConvention]) -> list[MelConvention]:
        """Return the best candidates, not two with the same transform."""
        ranked = sorted(candidates, key=self.score)
        different: dict[Any, MelConvention] = {}
        for each in ranked:
            different.setdefault((each.mel.sample_rate, each.mel.n_fft), each)
        return list(different.values())[:_FINALISTS]

    def _descend(self, start: MelConvention) -> MelConvention:
        best = start
        for _ in range(_PASSES):
            before = best
            for idea in IDEAS:
                candidate = min(neighbours(best, idea, self.frames, self.seconds), key=self.score, default=best)
                if self.score(candidate) < _IMPROVEMENT * self.score(best):
                    best = candidate
            if best == before:
                break
        return best

    def score(self, candidate: MelConvention) -> float:
        """Return how far a candidate is from the features, in dB; lower is better."""
        return self._fit(candidate)[0].score

    def _fit(self, candidate: MelConvention) -> tuple[AffineFit, bool]:
        """Return the best fit, and whether it is one to a mel without logarithm."""
        heard = self.audio.shape[-1] * candidate.mel.sample_rate / self.rate
        if candidate not in self.fits and candidate.mel.n_fft >= heard:
            self.fits[candidate] = AffineFit.hopeless(self.n_mels), False
        if candidate not in self.fits:
            log_mel, power = self.log_mel(candidate), candidate.mel.power
            fit, linear = self.features.fit(log_mel, power), False
            if self.logarithms is not None:
                other = self.logarithms.fit(log_mel, power)
                if other.score < fit.score and not other.per_band and abs(other.slope[0] - 1) < 0.1:
                    fit, linear = other, True
            self.fits[candidate] = fit, linear
        return self.fits[candidate]

    def log_mel(self, candidate: MelConvention) -> np.ndarray:
        """Return natural log-mels (n_mels, F) of the audio."""
        mel = candidate.mel
        magnitude = self.spectrum(
            mel.sample_rate, mel.n_fft, mel.window_length, mel.hop_length, mel.padding, candidate.preemphasis
        )
        squared = magnitude + mel.magnitude_epsilon
        spectrum = squared if mel.power == 2 else squared.sqrt()
        return torch.matmul(_analysis(mel).basis, spectrum).clamp(min=mel.floor).log().numpy()

    def _spectrum(self, rate: int, n_fft: int, win: int, hop: int, padding: Any, preemphasis: float) -> Tensor:
        """Return the power spectrum (bins, F)."""
        mel = MelConfig(
            sample_rate=rate, n_fft=n_fft, win_length=win, hop_length=hop, padding=padding, power=2, n_mels=8
        )
        if rate not in self.resampled:
            self.resampled[rate] = resample(self.audio, self.rate, rate)
        audio = MelConvention(mel=mel, preemphasis=preemphasis).emphasize(self.resampled[rate])
        return _analysis(mel).spectrum(audio)[0]

    def _conclude(self, best: MelConvention) -> Detection:
        if self._fit(best)[0].per_band:
            # The statistics of each band contain its norm, so that it cannot be told.
            best = with_slaney_norm(best)
        fit, linear = self._fit(best)
        presets = self._agreeing_presets(fit)
        if presets:
            convention = MEL_CONVENTIONS[presets[0]].model_copy(update={"layout": "bands_first"})
            best = bare(convention)
        else:
            best = min(self._twins(best), key=self._plainness)
            fit, linear = self._fit(best)
            options = conventions_of(best, fit, linear, self.features)
            convention = min(options, key=lambda each: round(self._residual(each, fit)[0], 4))
            convention = min(padded_otherwise(convention), key=lambda each: self._residual(each, fit)[1])
        other = self._runner_up(best)
        return Detection(
            convention=convention.model_copy(update={"layout": self.layout}),
            presets=tuple(presets),
            residual_db=self._residual(convention, fit)[0],
            fit_db=fit.residual_db,
            runner_up=other,
            runner_up_db=math.inf if other is None else self._comparable(other, fit),
            candidates=len(self.fits),
        )

    def _twins(self, best: MelConvention) -> list[MelConvention]:
        """Return ``best`` and what is the same at other rates, but for a factor on the magnitudes."""
        twins = [best, *at_other_rates(best)]
        limit = min(self.score(each) for each in twins) / _IMPROVEMENT + _TWIN_DB
        return [each for each in twins if self.score(each) <= limit]

    def _plainness(self, candidate: MelConvention) -> tuple[bool, bool, bool, int]:
        """Return a key that is low for values that need no offset, for presets, and for the rate of the audio."""
        convention = conventions_of(candidate, *self._fit(candidate), self.features)[0]
        rate = candidate.mel.sample_rate
        known = any(
            preset.mel.sample_rate == rate and essence(preset, norm=False) == essence(candidate, norm=False)
            for preset in preset_candidates(self.n_mels, self.frames, self.seconds)
        )
        return convention.normalization is not None or convention.reference != 0, not known, rate != self.rate, rate

    def _agreeing_presets(self, fit: AffineFit) -> list[str]:
        """Return the presets whose own values are those of the features, best first."""
        analyses = preset_candidates(self.n_mels, self.frames, self.seconds)
        distances = {
            name: self._residual(preset.model_copy(update={"layout": "bands_first"}), fit)[0]
            for name, preset in MEL_CONVENTIONS.items()
            if bare(preset) in analyses
        }
        if not distances:
            return []
        best = min(distances.values())
        if best > _AGREEING * fit.residual_db + _AGREEING_DB:
            return []
        near = [name for name, distance in distances.items() if distance <= _EQUAL * best + _EQUAL_DB]
        return sorted(near, key=lambda name: round(distances[name], 4))

    def _residual(self, convention: MelConvention, fit: AffineFit) -> tuple[float, float]:
        """Return how far features are from those of the audio (bands first), in dB: inside, and at the start."""
        mel = convention.mel
        log_mel = torch.from_numpy(self.log_mel(bare(convention))).clamp(min=math.log(mel.floor))
        in_base = log_mel / {"ln": 1.0, "log10": math.log(10), "log2": math.log(2)}[mel.log]
        expected, values, slope = convention.from_log_mel(in_base).double().numpy(), self.values, fit.slope[:, None]
        if convention.linear:
            expected, values = (np.log(np.maximum(each, mel.floor)) for each in (expected, values))
        frames = min(expected.shape[1], values.shape[1])
        difference = (expected[:, :frames] - values[:, :frames]) / slope * NEPER_DB / mel.power
        difference = difference[self.features.counted.any(axis=1)]
        inside, start = difference[:, self.edge : frames - self.edge], difference[:, : self.edge]
        return float(np.sqrt((inside**2).mean())), float(np.sqrt((start**2).mean()))

    def _runner_up(self, best: MelConvention) -> MelConvention | None:
        """Return the best candidate that is another analysis than ``best``."""
        fit = self._fit(best)[0]
        same = essence(best, norm=not fit.per_band)
        others = [each for each in self.fits if essence(each, norm=not fit.per_band) != same]
        return min(others, key=lambda each: self._comparable(each, fit), default=None)

    def _comparable(self, candidate: MelConvention, best: AffineFit) -> float:
        """Return the residual of a candidate with a map of the kind that the best one has."""
        fit = self._fit(candidate)[0]
        return fit.per_band_db if best.per_band else fit.global_db


def _analysis(mel: MelConfig) -> LogMel:
    with warnings.catch_warnings():
        # Candidates may have bands between two bins.
        warnings.simplefilter("ignore")
        return LogMel(mel)
