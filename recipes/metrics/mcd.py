"""Mel-cepstral distortion on WORLD spectral envelopes.

The mel-cepstrum is that of SPTK's ``sp2mc`` (spectrum to minimum-phase cepstrum, then frequency warping by a
first-order all-pass), computed with numpy; the envelope is WORLD's CheapTrick, which follows F0, so that pitch
does not leak into the distance.
"""

from functools import lru_cache

import numpy as np

from recipes.metrics.domain import REFERENCE_IS_HEARD
from recipes.metrics.dtw import warping_path
from recipes.metrics.f0 import f0_track
from recipes.metrics.metric import Metric, Signal, SignalPair
from vocoders.frontends.world import import_world

__all__ = ["MelCepstralDistortion", "mel_cepstrum", "mel_warping"]

_ORDER = 39
_FRAME_SECONDS = 0.005
_WARPING_BAND_SECONDS = 1.0
# White noise of 16-bit rounding, which keeps digital silence finite. Its envelope is about its variance.
_FLOOR = (2.0**-15) ** 2 / 12


class MelCepstralDistortion(Metric):
    """Mean over frames of (10 / ln 10) sqrt(2 sum_m (c_m - c'_m)^2), in dB (Kubichek 1993).

    Args:
        energy: sum from m = 0 (with the level) instead of m = 1.
        warping: align the frames by dynamic time warping first, on the same coefficients.
    """

    unit = "dB"
    shortest = 0.1
    domain = (REFERENCE_IS_HEARD,)

    def __init__(self, energy: bool = False, warping: bool = False) -> None:
        self.energy, self.warping = energy, warping
        self.name = "mcd" + ("_c0" if energy else "") + ("_dtw" if warping else "")
        self.title = "MCD" + (" with c0" if energy else "") + (" DTW" if warping else "")
        path = f"DTW within {_WARPING_BAND_SECONDS:g} s" if warping else "no DTW"
        self.definition = (
            f"(10/ln10) sqrt(2 sum d^2) over c{0 if energy else 1}..c{_ORDER}, mean over all frames, {path}; WORLD "
            "CheapTrick (Harvest 71-800 Hz) every 5 ms, SPTK-style mel-cepstrum, all-pass nearest to the mel scale "
            "(0.466 at 24 kHz), 16-bit noise floor"
        )
        import_world(f"metric '{self.name}'")

    def measure(self, pair: SignalPair) -> float:
        """Return the distortion in dB."""
        reference, generated = (_cepstra(signal)[:, not self.energy :] for signal in (pair.reference, pair.generated))
        if self.warping:
            first, second = warping_path(reference, generated, round(_WARPING_BAND_SECONDS / _FRAME_SECONDS))
            reference, generated = reference[first], generated[second]
        distance = np.sqrt(2 * np.sum((reference - generated) ** 2, axis=1))
        return 10 / np.log(10) * float(distance.mean())


def mel_cepstrum(power: np.ndarray, order: int, alpha: float) -> np.ndarray:
    """Convert power spectra to mel-cepstra: ln sqrt(P(w)) = sum_m c_m cos(m w'), w' the all-pass warped frequency.

    Args:
        power: (F, n_fft // 2 + 1), positive.
        order: highest coefficient.
        alpha: all-pass constant, positive for a mel-like scale.

    Returns:
        (F, order + 1), c_0 first.
    """
    cepstrum = np.fft.irfft(np.log(power), axis=-1)
    num_coefficients = power.shape[-1]
    # ln P = 2 ln |H|, and each coefficient except the first and the last occurs twice in the symmetric cepstrum.
    cepstrum = cepstrum[..., :num_coefficients]
    cepstrum[..., 0] /= 2
    cepstrum[..., -1] /= 2
    return cepstrum @ _warping_matrix(num_coefficients, order, alpha).T


@lru_cache(maxsize=8)
def _warping_matrix(num_coefficients: int, order: int, alpha: float) -> np.ndarray:
    """Return A (order + 1, num_coefficients) with mel-cepstrum = A cepstrum (Oppenheim and Johnson 1972; SPTK freqt).

    Column k is the cepstrum of the k-th power of the all-pass z' -> z, that is of
    ((z'^-1 + alpha) / (1 + alpha z'^-1))^k; each column follows from the previous one.
    """
    matrix = np.zeros((order + 1, num_coefficients))
    matrix[0, 0] = 1.0
    for k in range(1, num_coefficients):
        # p_k (1 + alpha z^-1) = p_(k-1) (z^-1 + alpha), solved coefficient by coefficient.
        matrix[0, k] = alpha * matrix[0, k - 1]
        for m in range(1, order + 1):
            matrix[m, k] = alpha * (matrix[m, k - 1] - matrix[m - 1, k]) + matrix[m - 1, k - 1]
    return matrix


@lru_cache(maxsize=8)
def mel_warping(sample_rate: int) -> float:
    """Return the all-pass constant whose phase is nearest, by least squares, to Fant's mel scale (corner 1 kHz)."""
    frequency = np.linspace(0, np.pi, 1000)
    mel = np.log1p(frequency / np.pi * sample_rate / 2 / 1000)
    mel /= mel[-1]
    candidates = np.arange(0, 1, 0.001)[:, None]
    warped = frequency + 2 * np.arctan2(candidates * np.sin(frequency), 1 - candidates * np.cos(frequency))
    return float(candidates[np.argmin(np.sum((warped / np.pi - mel) ** 2, axis=1)), 0])


def _cepstra(signal: Signal) -> np.ndarray:
    """Return the mel-cepstra of CheapTrick's envelopes every 5 ms, (F, order + 1)."""

    def compute() -> np.ndarray:
        world = import_world("metric 'mcd'")
        f0 = f0_track(signal, "harvest").astype(np.float64)
        times = np.arange(len(f0)) * round(_FRAME_SECONDS * signal.sample_rate) / signal.sample_rate
        samples = signal.samples.astype(np.float64)
        envelope = world.cheaptrick(samples, f0, times, signal.sample_rate)
        return mel_cepstrum(envelope + _FLOOR, _ORDER, mel_warping(signal.sample_rate))

    return signal.remember("mel_cepstrum", compute)
