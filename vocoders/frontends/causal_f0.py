"""F0 while the audio comes: YIN (de Cheveigné & Kawahara 2002) with a path that looks at the past alone.

The offline trackers in :mod:`vocoders.frontends.f0` weigh the whole utterance. Here each frame is decided at once: its
period is the lag at which the signal differs least from itself, and a jump from the previous F0 has a cost.
"""

import math

import numpy as np

from vocoders.core.errors import ConfigError

__all__ = ["CausalF0"]

# Least rate at which lags are compared, in Hz, and the edge of the low-pass filter before. Periods are interpolated.
_RATE, _CUT = 8000, 600.0
# Samples are compared over so many seconds.
_WINDOW = 0.02
# Normalised difference (0: periodic, 1: not) up to which a frame is voiced, after an unvoiced and a voiced frame.
_ONSET, _OFFSET = 0.4, 0.7
# Normalised difference that a jump by an octave costs, and a period that is an octave longer.
_JUMP, _LONGER = 0.05, 0.05
# Frames so far below the loudest one are unvoiced; the loudest one fades by so much per second, in dB.
_RANGE, _FADE = 45.0, 6.0


class CausalF0:
    """Track the F0 of a signal frame by frame.

    Args:
        sample_rate: in Hz.
        hop_length: samples between frames.
        f0_min: lowest F0 in Hz.
        f0_max: highest F0 in Hz.
    """

    def __init__(self, sample_rate: int, hop_length: int, f0_min: float, f0_max: float) -> None:
        if not 0 < f0_min < f0_max < sample_rate / 4:
            raise ConfigError(
                f"F0 from {f0_min:g} to {f0_max:g} Hz at {sample_rate} Hz; expected at most a quarter of it"
            )
        self.stride = max(1, sample_rate // max(_RATE, round(4 * f0_max)))
        self.rate = sample_rate / self.stride
        self.fade = _FADE * hop_length / sample_rate
        self.shortest, self.longest = math.floor(self.rate / f0_max), math.ceil(self.rate / f0_min)
        window, lags = round(_WINDOW * self.rate), np.arange(self.longest + 2)[:, None]
        width = window + self.longest + 1
        # Both windows of a lag lie around the centre of the frame.
        self.first = (width - window - lags) // 2 + np.arange(window)
        self.second = self.first + lags
        self.width = width * self.stride
        self.previous, self.loudest = 0.0, -math.inf

    def track(self, frames: np.ndarray) -> np.ndarray:
        """Return the F0 (n,) in Hz, 0 where unvoiced, at the centres of the next frames (n, width)."""
        frames = self._low_pass(frames.astype(np.float64))
        levels = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
        f0 = [self._decide(self._difference(x), level) for x, level in zip(frames, levels, strict=True)]
        return np.array(f0, dtype=np.float32)

    def _low_pass(self, frames: np.ndarray) -> np.ndarray:
        size = 1 << frames.shape[1].bit_length()
        frequency = np.fft.rfftfreq(size, 1 / (self.rate * self.stride))
        spectrum = np.fft.rfft(frames, size) / (1 + (frequency / _CUT) ** 4)
        return np.fft.irfft(spectrum, size)[:, : frames.shape[1] : self.stride]

    def _difference(self, x: np.ndarray) -> np.ndarray:
        """Return the difference at each lag, (longest + 2,), as a fraction of its mean over the shorter lags."""
        difference = np.square(x[self.first] - x[self.second]).sum(axis=1)
        mean = np.cumsum(difference)[1:] / np.arange(1, len(difference))
        normalised = np.ones_like(difference)
        np.divide(difference[1:], mean, out=normalised[1:], where=mean > 1e-12)
        return normalised

    def _decide(self, difference: np.ndarray, level: float) -> float:
        self.loudest = max(self.loudest - self.fade, level)
        at = difference[self.shortest : self.longest + 1]
        before, after = difference[self.shortest - 1 : self.longest], difference[self.shortest + 1 : self.longest + 2]
        lags = np.flatnonzero((at <= before) & (at < after)) + self.shortest
        f0 = 0.0
        if lags.size and level > self.loudest - _RANGE:
            cost = difference[lags] + _LONGER * np.log2(lags / self.shortest)
            if self.previous:
                cost += _JUMP * np.minimum(np.abs(np.log2(self.rate / lags / self.previous)), 1)
            lag = int(lags[cost.argmin()])
            if difference[lag] < (_OFFSET if self.previous else _ONSET):
                f0 = self.rate / _vertex(difference, lag)
        self.previous = f0
        return f0


def _vertex(difference: np.ndarray, lag: int) -> float:
    """Return the position of the minimum of a parabola through a trough and its neighbours."""
    before, at, after = difference[lag - 1 : lag + 2]
    curvature = before - 2 * at + after
    return lag + (0.5 * (before - after) / curvature if curvature > 0 else 0.0)
