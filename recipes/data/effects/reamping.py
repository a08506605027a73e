"""The signal that is played through a device to capture it.

Its parts in order: a validation passage of 9 s, a second of silence, two blips (impulses of one sample, one second
apart), chirps, noise, music, half a second of silence, and the validation passage again. The blips give the delay of
the recording, and the two passages show whether the device did the same twice.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from recipes.data.effects.plucked_strings import play_music
from vocoders.core.errors import ConfigError

__all__ = ["SHORTEST_SECONDS", "ReampingLayout", "find_blips", "reamping_signal"]

_PASSAGE, _SILENCE, _PAUSE = 9.0, 1.0, 0.5
_BLIPS = (10.5, 11.5)
_CHIRPS, _NOISE, _MUSIC = 12.0, 15.0, 17.0
_BLIP_LEVEL, _LEVEL = 0.9, 0.95
#: A signal has at least this length, with 2.5 s of music.
SHORTEST_SECONDS = 29.0
# Silence around a blip of any reamping signal, and the weakest blip.
_ALONE, _LEAST_BLIP = 0.2, 0.1
_SWEEPS_HZ = (20.0, 20000.0)


@dataclass(frozen=True)
class ReampingLayout:
    """Places in a signal, in samples.

    Attributes:
        rate: sample rate in Hz.
        length: of the signal.
    """

    rate: int
    length: int

    @property
    def blips(self) -> tuple[int, ...]:
        """The two impulses."""
        return tuple(round(second * self.rate) for second in _BLIPS)

    @property
    def passages(self) -> tuple[slice, slice]:
        """The validation passage at the start, and at the end."""
        length = round(_PASSAGE * self.rate)
        return slice(0, length), slice(self.length - length, self.length)

    @property
    def first_trained(self) -> int:
        """First sample of the training part, which ends where the pause before the last passage begins."""
        return round((_PASSAGE + _SILENCE) * self.rate)

    @classmethod
    def of(cls, audio: np.ndarray, rate: int) -> "ReampingLayout | None":
        """Return the layout of audio (T,), if it begins and ends with the same passage, the last one after silence."""
        layout = cls(rate, len(audio))
        if len(audio) < 2 * layout.passages[0].stop:
            return None
        first, last = (audio[passage] for passage in layout.passages)
        start = layout.passages[1].start
        is_same = np.square(first - last).sum() <= 1e-6 * np.square(last).sum()
        follows_silence = not audio[start - round(_ALONE * rate) : start].any()
        return layout if is_same and follows_silence and last.any() else None


def reamping_signal(seconds: float = 190.0, rate: int = 48000, seed: int = 0) -> np.ndarray:
    """Return the signal, (seconds * rate,) float64 with a peak of 0.95.

    Args:
        seconds: length; more music with more of them.
        rate: sample rate in Hz.
        seed: of noise and music.

    Raises:
        ConfigError: if it would be too short.
    """
    if not SHORTEST_SECONDS <= seconds <= 3600:
        raise ConfigError(f"{seconds:g} s; expected {SHORTEST_SECONDS:g} to 3600 seconds")
    if rate < 8000:
        raise ConfigError(f"{rate} Hz; expected at least 8000 Hz")
    generator = np.random.default_rng(seed)
    layout = ReampingLayout(rate, round(seconds * rate))
    audio = np.zeros(layout.length)
    passage = _fade(_passage(generator, layout.passages[0].stop, rate), rate)
    for place in layout.passages:
        audio[place] = passage
    for blip in layout.blips:
        audio[blip] = _BLIP_LEVEL
    parts = {
        _CHIRPS: _chirps(round((_NOISE - _CHIRPS) * rate), rate),
        _NOISE: _noise(generator, round((_MUSIC - _NOISE) * rate)),
        _MUSIC: play_music(generator, layout.passages[1].start - round((_MUSIC + _PAUSE) * rate), rate),
    }
    for second, part in parts.items():
        start = round(second * rate)
        audio[start : start + len(part)] = _fade(_LEVEL * part, rate)
    return audio


def find_blips(audio: np.ndarray, rate: int) -> list[int]:
    """Return the places of single samples (at least 0.1) in digital silence of 0.2 s on both sides, in audio (T,)."""
    alone = round(_ALONE * rate)
    heard = np.flatnonzero(audio)
    before = np.diff(heard, prepend=-alone - 1)
    after = np.diff(heard, append=len(audio) + alone)
    places = heard[(before > alone) & (after > alone)]
    return [int(place) for place in places if abs(audio[place]) >= _LEAST_BLIP and place >= alone]


def _passage(generator: np.random.Generator, length: int, rate: int) -> np.ndarray:
    """Return music for validation, from its loudest to a fifth of that."""
    music = play_music(generator, length, rate)
    return _LEVEL * music / max(np.abs(music).max(), 1e-9)


def _chirps(length: int, rate: int) -> np.ndarray:
    """Return sweeps over the whole range at three levels."""
    third = length // 3
    time = np.arange(third) / rate
    last = min(_SWEEPS_HZ[1], 0.45 * rate)
    sweep = signal.chirp(time, _SWEEPS_HZ[0], third / rate, last, method="logarithmic", phi=-90)
    levels = np.repeat((0.1, 0.4, 1.0), third)
    return np.pad(np.tile(sweep, 3) * levels, (0, length - 3 * third))


def _noise(generator: np.random.Generator, length: int) -> np.ndarray:
    """Return white noise whose level rises by 50 dB."""
    noise = np.clip(generator.standard_normal(length) / 3, -1, 1)
    return noise * 10 ** (np.linspace(-50, 0, length) / 20)


def _fade(audio: np.ndarray, rate: int) -> np.ndarray:
    """Return audio that begins and ends without a step."""
    edge = min(round(0.005 * rate), len(audio) // 2)
    audio = audio.copy()
    audio[:edge] *= np.linspace(0, 1, edge, endpoint=False)
    audio[len(audio) - edge :] *= np.linspace(1, 0, edge)
    return audio
