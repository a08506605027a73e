"""The delay of a recording, by the blips of a reamping signal or by the response of the device.

The response is estimated by deconvolution (the cross-spectrum over the spectrum of the dry audio). In contrast to the
peak of a correlation, its onset does not depend on what was played, and it tells early from late.
"""

from dataclasses import dataclass, replace

import numpy as np

from recipes.data.effects.reamping import find_blips

__all__ = ["Delay", "find_delay"]

_REACH_SECONDS = 3.0
# The dry spectrum is raised by this fraction of its mean, where there is nothing to divide by.
_REGULARISATION = 0.01
# The onset is the first sample of this fraction of the peak; the pre-ringing of converters is at most 0.22.
_ONSET, _RISE_SECONDS = 0.3, 0.002
# The first peak of this fraction of the highest is the direct sound; later ones are echoes.
_FIRST = 0.5
# Around the peak, the response itself is not counted as noise.
_RESPONSE_SECONDS = 0.02
# A blip has arrived when the audio exceeds the background by this.
_ARRIVED, _ARRIVED_RATIO = 0.0003, 1.001
_BEFORE_SECONDS, _AFTER_SECONDS = 0.02, 0.2
_MOST_DISAGREEMENT = 20


@dataclass(frozen=True)
class Delay:
    """The delay of wet audio.

    Attributes:
        samples: number of samples; negative if the wet audio is early.
        sign: -1 if the wet audio is upside down, else 1.
        clarity: peak of the response over the noise around it; below about 10 the two recordings are unrelated.
        by_blips: whether blips gave the number.
        slowness: samples by which the response rises more slowly than that of a wire, as that of a filter does.
    """

    samples: int
    sign: float
    clarity: float
    by_blips: bool = False
    slowness: int = 0

    @property
    def shift(self) -> int:
        """Number of samples to cut from the wet audio so that no part of the response is early.

        With blips, one sample of the delay remains (the safety of captures). A slow rise begins before its onset.
        """
        if self.by_blips:
            return self.samples - 1
        return max(self.samples - self.slowness, 0) if self.samples > 0 else self.samples


def find_delay(dry: np.ndarray, wet: np.ndarray, rate: int) -> Delay:
    """Return the delay of ``wet`` (T,) relative to ``dry`` (T,), at most 3 s, at ``rate`` Hz."""
    found = _by_response(dry, wet, rate)
    blips = find_blips(dry, rate)
    arrived = _by_blips(wet, blips, found.samples, rate) if blips else None
    return found if arrived is None else replace(found, samples=arrived, by_blips=True)


def _by_response(dry: np.ndarray, wet: np.ndarray, rate: int) -> Delay:
    reach = min(round(_REACH_SECONDS * rate), len(dry) - 1, len(wet) - 1)
    size = 1 << (len(dry) + len(wet) - 1).bit_length()
    x, y = (np.fft.rfft(audio.astype(np.float64) - audio.mean(dtype=np.float64), size) for audio in (dry, wet))
    power = np.square(np.abs(x))
    divisor = power + _REGULARISATION * power.mean() + 1e-30
    # The response of a wire has the same rise, which the spectrum of the dry audio gives it.
    wire, near = (
        np.concatenate([response[size - reach :], response[: reach + 1]])
        for response in (np.fft.irfft(spectrum / divisor, size) for spectrum in (power, y * x.conj()))
    )
    level = np.abs(near)
    first = int(np.argmax(level >= _FIRST * level.max()))
    peak = first + int(level[first : first + round(_RISE_SECONDS * rate)].argmax())
    around = round(_RESPONSE_SECONDS * rate)
    others = np.concatenate([near[: max(peak - around, 0)], near[peak + around :]])
    noise = np.sqrt(np.square(others).mean()) if len(others) else 0.0
    onset, start = _onset(near, peak, rate), _onset(wire, reach, rate)
    slowness = max((peak - onset) - (reach - start), 0)
    clarity = float(level[peak] / max(noise, 1e-30))
    return Delay(onset - start, float(np.sign(near[peak])), clarity, slowness=slowness)


def _onset(response: np.ndarray, peak: int, rate: int) -> int:
    """Return the first sample of the rise to the peak."""
    rise = np.abs(response[max(peak - round(_RISE_SECONDS * rate), 0) : peak + 1])
    return peak + 1 - len(rise) + int(np.argmax(rise >= _ONSET * rise[-1]))


def _by_blips(wet: np.ndarray, blips: list[int], coarse: int, rate: int) -> int | None:
    """Return when the blips arrive near ``coarse``; ``None`` if they do not, or not alike."""
    before, after = round(_BEFORE_SECONDS * rate), round(_AFTER_SECONDS * rate)
    windows, quiet = [], 0.0
    for blip in blips:
        start = blip + coarse - before
        if start < after or start + after > len(wet):
            continue
        windows.append(wet[start : start + after])
        quiet = max(quiet, float(np.abs(wet[start - before * 2 : start]).max()))
    if not windows:
        return None
    threshold = max(quiet + _ARRIVED, _ARRIVED_RATIO * quiet)
    arrivals = [_first_above(window, threshold) for window in (*windows, np.mean(windows, axis=0))]
    found = [arrival for arrival in arrivals if arrival is not None]
    if len(found) < len(arrivals) or found[-1] == 0 or max(found) - min(found) >= _MOST_DISAGREEMENT:
        return None
    return coarse - before + found[-1]


def _first_above(audio: np.ndarray, threshold: float) -> int | None:
    places = np.flatnonzero(np.abs(audio) > threshold)
    return int(places[0]) if len(places) else None
