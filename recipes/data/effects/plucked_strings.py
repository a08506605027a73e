"""Music of plucked strings, made by synthesis: riffs, chords, muted notes and bass, from soft to hard.

A string is a sum of decaying partials. The place of the pluck gives their amplitudes, stiffness stretches them, and
high partials decay faster (Fletcher and Rossing, The Physics of Musical Instruments, chapters 2 and 9).
"""

from collections.abc import Callable

import numpy as np

__all__ = ["STYLES", "pluck", "play_music"]

# Fractions of full scale between the softest and the hardest note, in dB.
_SOFTEST_DB = -24.0
_HIGHEST_PARTIAL = 0.4  # of the sample rate
_MOST_PARTIALS = 24
_STIFFNESS = 5e-5
_SCALE = (0, 3, 5, 7, 10)
_CHORDS = ((0, 7, 12), (0, 4, 7, 12), (0, 3, 7, 12), (0, 7, 14, 16), (0, 3, 7, 10))
_LOWEST_HZ = 41.2  # E1, the lowest string of a bass


def pluck(generator: np.random.Generator, frequency: float, seconds: float, decay: float, rate: int) -> np.ndarray:
    """Return a plucked string, (seconds * rate,) float64.

    Args:
        generator: for the place of the pluck and the phases.
        frequency: of the first partial in Hz.
        seconds: length.
        decay: seconds in which the first partial falls by 60 dB.
        rate: sample rate in Hz.
    """
    time = np.arange(round(seconds * rate)) / rate
    place, brightness = generator.uniform(0.08, 0.4), generator.uniform(0.8, 1.6)
    tone = np.zeros(len(time))
    for number in range(1, _MOST_PARTIALS + 1):
        partial = number * frequency * np.sqrt(1 + _STIFFNESS * number**2)
        if partial > _HIGHEST_PARTIAL * rate:
            break
        amplitude = np.sin(np.pi * number * place) / number**brightness
        fall = np.log(1000) / decay * (1 + 0.15 * (number - 1))
        tone += (
            amplitude * np.exp(-fall * time) * np.sin(2 * np.pi * partial * time + 0.3 * generator.standard_normal())
        )
    attack = min(len(time), round(0.002 * rate))
    tone[:attack] *= np.linspace(0, 1, attack, endpoint=False)
    release = min(len(time), round(0.01 * rate))
    tone[len(time) - release :] *= np.linspace(1, 0, release)
    return tone / max(np.abs(tone).max(initial=0.0), 1e-9)


def play_music(generator: np.random.Generator, length: int, rate: int) -> np.ndarray:
    """Return phrases in changing styles, keys, tempos and levels, (length,) float64 with a peak of at most 1."""
    music = np.zeros(length)
    start = 0
    styles = list(STYLES.values())
    number = 0
    while start < length:
        phrase = styles[number % len(styles)](generator, generator.uniform(4.0, 8.0), rate)
        phrase = phrase[: length - start]
        level = 10 ** (generator.uniform(_SOFTEST_DB / 2, 0.0) / 20)
        music[start : start + len(phrase)] = level * phrase / max(np.abs(phrase).max(initial=0.0), 1e-9)
        start += len(phrase) + round(generator.uniform(0.05, 0.4) * rate)
        number += 1
    return music


def _phrase(
    generator: np.random.Generator,
    seconds: float,
    rate: int,
    beat: float,
    strike: Callable[[int], list[tuple[float, float, float]]],
) -> np.ndarray:
    """Return strokes at every beat: ``strike`` gives (frequency, seconds, decay) of the strings of stroke ``n``."""
    audio = np.zeros(round(seconds * rate))
    for number in range(int(seconds / beat)):
        first = round(number * beat * rate)
        level = 10 ** (generator.uniform(_SOFTEST_DB / 2, 0.0) / 20)
        for string, (frequency, length, decay) in enumerate(strike(number)):
            begin = first + round(0.012 * string * rate)
            note = level * pluck(generator, frequency, length, decay, rate)[: max(len(audio) - begin, 0)]
            audio[begin : begin + len(note)] += note
    return audio


def _root(generator: np.random.Generator, octaves: float) -> float:
    return _LOWEST_HZ * 2 ** (generator.integers(0, round(12 * octaves)) / 12)


def _step(generator: np.random.Generator) -> float:
    return 2 ** ((generator.choice(_SCALE) + 12 * generator.integers(0, 3)) / 12)


def _riff(generator: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    root, beat = 2 * _root(generator, 1), generator.uniform(0.12, 0.3)
    return _phrase(generator, seconds, rate, beat, lambda _: [(root * _step(generator), 2.5 * beat, 1.5)])


def _chords(generator: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    root, beat = 2 * _root(generator, 1), generator.uniform(0.5, 1.5)

    def strike(_: int) -> list[tuple[float, float, float]]:
        base = root * 2 ** (generator.choice(_SCALE) / 12)
        chord = _CHORDS[generator.integers(len(_CHORDS))]
        return [(base * 2 ** (semitones / 12), 1.3 * beat, 4.0) for semitones in chord]

    return _phrase(generator, seconds, rate, beat, strike)


def _muted(generator: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    root, beat = 2 * _root(generator, 0.5), generator.uniform(0.08, 0.16)
    return _phrase(generator, seconds, rate, beat, lambda _: [(root, beat, 0.25), (root * 2 ** (7 / 12), beat, 0.2)])


def _bass(generator: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    root, beat = _root(generator, 1), generator.uniform(0.2, 0.5)
    return _phrase(
        generator, seconds, rate, beat, lambda _: [(root * 2 ** (generator.choice(_SCALE) / 12), 1.5 * beat, 2.0)]
    )


def _single_notes(generator: np.random.Generator, seconds: float, rate: int) -> np.ndarray:
    root = 2 * _root(generator, 2)
    return _phrase(generator, seconds, rate, 2.0, lambda _: [(root * _step(generator), 2.0, 5.0)])


#: Styles of playing: (generator, seconds, rate) -> a phrase.
STYLES: dict[str, Callable[[np.random.Generator, float, int], np.ndarray]] = {
    "riff": _riff,
    "chords": _chords,
    "muted": _muted,
    "bass": _bass,
    "single_notes": _single_notes,
}
