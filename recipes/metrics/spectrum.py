"""Long-term average spectra: colour of the sound per band, level of the high bands, and narrow lines.

Averages over a whole file ignore errors of single frames, and show faults that single frames hide: a tilt, a missing
octave, or the weak whistle of a network with strided layers at a fraction of the sample rate.
"""

from collections.abc import Iterator

import numpy as np

from recipes.metrics.domain import REFERENCE_IS_HEARD, Condition
from recipes.metrics.mel import frame_length
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair, UndefinedMetricError

__all__ = [
    "HighBandDifference",
    "LongTermSpectrumDifference",
    "NarrowLine",
    "band_differences",
    "long_term_power",
    "narrow_line_db",
]

_BAND_HZ = 500
_HIGH_BANDS_HZ = 5000
_NEIGHBOURHOOD_HZ, _LINE_HZ = 300.0, 40.0
_FRAMES_AT_ONCE = 256
# White noise of 16-bit rounding, about -101 dB: it keeps the distance between an empty and an inaudible band finite.
_FLOOR = (2.0**-15) ** 2 / 12
_SPECTRUM = "Hann frames of about 171 ms, hop a quarter, 16-bit noise floor"


_HAS_A_FRAME = Condition(
    lambda pair: len(pair.generated.samples) >= 4 * frame_length(pair.sample_rate), "the audio is shorter than a frame"
)


class _LongTermMetric(Metric):
    unit = "dB"
    # One frame at any rate: four times the power of two that is nearest to 42.7 ms.
    shortest = 0.25
    decimals = 2


class LongTermSpectrumDifference(_LongTermMetric):
    """Mean over bands of 500 Hz of the absolute difference between the long-term average spectra, in dB.

    :func:`band_differences` gives the signed value of each band.
    """

    name = "ltas"
    title = "LTAS"
    domain = (_HAS_A_FRAME, REFERENCE_IS_HEARD)
    definition = (
        f"mean over bands of {_BAND_HZ} Hz of |10 log10(generated / reference)| of the long-term power; {_SPECTRUM}"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the mean absolute difference in dB."""
        return float(np.mean(np.abs(band_differences(pair.reference, pair.generated))))


class HighBandDifference(_LongTermMetric):
    """Mean over the bands of 500 Hz above 5 kHz of the long-term level above the reference, in dB, signed."""

    name = "ltas_high"
    title = "LTAS above 5 kHz"
    direction = Direction.ZERO
    domain = (
        _HAS_A_FRAME,
        REFERENCE_IS_HEARD,
        Condition(
            lambda pair: pair.sample_rate >= 2 * (_HIGH_BANDS_HZ + _BAND_HZ),
            f"the metric needs a sample rate of {2 * (_HIGH_BANDS_HZ + _BAND_HZ)} Hz or more",
        ),
    )
    definition = (
        f"mean over bands of {_BAND_HZ} Hz above {_HIGH_BANDS_HZ} Hz of 10 log10(generated / reference) of the "
        f"long-term power, signed; {_SPECTRUM}"
    )

    def measure(self, pair: SignalPair) -> float:
        """Return the mean signed difference in dB."""
        high = band_differences(pair.reference, pair.generated)[_HIGH_BANDS_HZ // _BAND_HZ :]
        return float(high.mean())


class NarrowLine(_LongTermMetric):
    """Level of a narrow line above its surroundings, relative to the reference, in dB.

    Args:
        frequency: of the line in Hz. Aliasing of sub-band and strided networks gathers at simple fractions of the
            sample rate; a quarter of 24 kHz is the default.
    """

    direction = Direction.ZERO
    domain = (_HAS_A_FRAME,)

    def __init__(self, frequency: float = 6000.0) -> None:
        self.frequency = frequency
        self.name = f"line_{frequency / 1000:g}k"
        self.title = f"line at {frequency / 1000:g} kHz"
        self.definition = (
            f"level at {frequency:g} Hz above the median within {_NEIGHBOURHOOD_HZ:g} Hz, without the nearest "
            f"{_LINE_HZ:g} Hz, "
            f"generated minus reference, of the long-term power; {_SPECTRUM}"
        )

    def measure(self, pair: SignalPair) -> float:
        """Return the signed difference in dB."""
        return self._line(pair.generated) - self._line(pair.reference)

    def _line(self, signal: Signal) -> float:
        def measure() -> float:
            return narrow_line_db(signal.samples, signal.sample_rate, self.frequency, _power(signal))

        return signal.remember(("line", self.frequency), measure)


def band_differences(reference: Signal, generated: Signal) -> np.ndarray:
    """Return the long-term level of ``generated`` above ``reference`` in bands of 500 Hz, (bands,) in dB.

    Band k reaches from 500 k Hz up to, and without, 500 (k + 1) Hz; a rest below half the sample rate is ignored.

    Raises:
        UndefinedMetricError: if the audio is shorter than one frame.
    """
    after, before = (10 * np.log10(_band_means(_power(x), x.sample_rate)) for x in (generated, reference))
    return after - before


def long_term_power(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the long-term average power spectrum (Welch 1967), 16-bit noise floor included.

    Args:
        samples: (T,) in [-1, 1].
        sample_rate: in Hz.

    Returns:
        (n_fft // 2 + 1,); white noise of variance v gives v in every bin.

    Raises:
        UndefinedMetricError: if the audio is shorter than one frame.
    """
    total, count = np.zeros(()), 0
    for frames in _windowed_frames(samples, sample_rate):
        total = total + np.sum(np.abs(np.fft.rfft(frames)) ** 2, axis=0)
        count += len(frames)
    return total / count + _FLOOR


def narrow_line_db(audio: np.ndarray, sample_rate: int, frequency: float, power: np.ndarray | None = None) -> float:
    """Measure the level of a spectral line above its surroundings in the long-term average power spectrum.

    The surroundings are the median of the bins within 300 Hz, those within 40 Hz left out. The line is measured at
    ``frequency`` itself and not at the nearest bin, so that every sample rate gives the same answer.

    Args:
        audio: (T,) in [-1, 1].
        sample_rate: in Hz.
        frequency: of the line in Hz.
        power: the result of :func:`long_term_power`, if it is known.

    Returns:
        Level in dB; about 0 where there is no line.

    Raises:
        UndefinedMetricError: if the audio is shorter than one frame, or the surroundings leave the band.
    """
    if not _NEIGHBOURHOOD_HZ <= frequency <= sample_rate / 2 - _NEIGHBOURHOOD_HZ:
        raise UndefinedMetricError(
            f"a line at {frequency:g} Hz in {sample_rate} Hz audio; its surroundings of +-{_NEIGHBOURHOOD_HZ:g} Hz "
            "must lie between 0 Hz and half the sample rate"
        )
    power = long_term_power(audio, sample_rate) if power is None else power
    distance = np.abs(np.linspace(0, sample_rate / 2, len(power)) - frequency)
    surroundings = np.median(power[(distance > _LINE_HZ) & (distance <= _NEIGHBOURHOOD_HZ)])
    phasor = np.exp(-2j * np.pi * frequency / sample_rate * np.arange(2 * (len(power) - 1)))
    line = np.concatenate([np.abs(frames @ phasor) ** 2 for frames in _windowed_frames(audio, sample_rate)]).mean()
    return 10 * float(np.log10((line + _FLOOR) / surroundings))


def _power(signal: Signal) -> np.ndarray:
    return signal.remember("long_term_power", lambda: long_term_power(signal.samples, signal.sample_rate))


def _windowed_frames(samples: np.ndarray, sample_rate: int) -> Iterator[np.ndarray]:
    """Yield (frames, n_fft) blocks under a Hann window of energy 1."""
    n_fft = 4 * frame_length(sample_rate)
    if len(samples) < n_fft:
        raise UndefinedMetricError(
            f"{len(samples)} samples; a long-term spectrum at {sample_rate} Hz needs {n_fft} or more"
        )
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    window /= np.sqrt(np.sum(window**2))
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[:: n_fft // 4]
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        yield frames[first : first + _FRAMES_AT_ONCE] * window


def _band_means(power: np.ndarray, sample_rate: int) -> np.ndarray:
    band = np.arange(len(power)) * sample_rate // (2 * (len(power) - 1) * _BAND_HZ)
    num_bands = sample_rate // 2 // _BAND_HZ
    return np.array([power[band == k].mean() for k in range(num_bands)])
