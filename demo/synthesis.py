"""Computed clips: drums, bass, plucked strings, a singing voice, and all of them as a stereo mix."""

import numpy as np
from scipy.signal import lfilter

__all__ = ["band", "bass", "drums", "plucked_strings", "voice"]

_RATE = 44100
# Formants of vowels in Hz (Peterson and Barney 1952, men), and their bandwidths.
_VOWELS = {"a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010), "o": (570, 840, 2410)}
_WIDTHS = (80, 100, 140)


def plucked_strings(sample_rate: int = _RATE) -> np.ndarray:
    """Return 4 s of a broken chord on plucked strings (Karplus and Strong 1983), (T,) in [-1, 1]."""
    semitones = [0, 7, 12, 16, 19, 24, 19, 16]
    audio = np.zeros(4 * sample_rate)
    generator = np.random.default_rng(7)
    for index, semitone in enumerate(semitones):
        start = round(index * 0.45 * sample_rate)
        note = _string(110 * 2 ** (semitone / 12), len(audio) - start, sample_rate, generator)
        audio[start:] += note
    return _faded(audio / np.abs(audio).max() * 0.7, sample_rate)


def drums(sample_rate: int = _RATE) -> np.ndarray:
    """Return two bars of bursts like bass drum, snare and hi-hat, 4 s, (T,) in [-1, 1]."""
    generator = np.random.default_rng(3)
    audio = np.zeros(4 * sample_rate)
    t = np.arange(sample_rate // 2) / sample_rate
    kick = np.sin(2 * np.pi * (45 * t + 4.5 * (1 - np.exp(-t * 30)))) * np.exp(-t * 9)
    snare = (0.5 * generator.standard_normal(len(t)) + np.sin(2 * np.pi * 185 * t)) * np.exp(-t * 18) * 0.6
    hat = np.diff(generator.standard_normal(len(t)), prepend=0) * np.exp(-t * 60) * 0.25
    for step in range(16):
        parts = [hat * (1 if step % 2 else 0.6)]
        parts += [kick] if step % 8 in (0, 3, 6) else []
        parts += [snare] if step % 8 in (2, 7) and step != 7 else []
        start = round(step * 0.25 * sample_rate)
        burst = sum(parts, np.zeros_like(t))[: len(audio) - start]
        audio[start : start + len(burst)] += burst
    return _faded(audio / np.abs(audio).max() * 0.9, sample_rate)


def bass(sample_rate: int = _RATE) -> np.ndarray:
    """Return 4 s of a bass line: sawtooth waves whose harmonics fade, the higher the sooner, (T,) in [-1, 1]."""
    audio, length = np.zeros(4 * sample_rate), sample_rate // 4
    t = np.arange(length) / sample_rate
    for step, semitone in enumerate([0, 0, 12, 0, 3, 0, 10, 12, 5, 5, 17, 5, 7, 7, 10, 12]):
        frequency = 41.2 * 2 ** (semitone / 12)
        note = sum(
            (np.sin(2 * np.pi * k * frequency * t) / k * np.exp(-t * (2 + 0.9 * k)) for k in range(1, 40)),
            np.zeros(length),
        )
        edge = np.minimum(1, np.minimum(t / 0.003, (t[-1] - t) / 0.02))
        audio[step * length : (step + 1) * length] = note * edge
    return _faded(audio / np.abs(audio).max() * 0.8, sample_rate)


def voice(sample_rate: int = _RATE) -> np.ndarray:
    """Return 4 s of sung vowels: pulses of a glottis with vibrato through three formants, (T,) in [-1, 1]."""
    notes = [("a", 0), ("o", 3), ("i", 7), ("e", 5)]
    parts = []
    for vowel, semitone in notes:
        t = np.arange(sample_rate) / sample_rate
        pitch = 130.8 * 2 ** (semitone / 12) * (1 + 0.012 * np.sin(2 * np.pi * 5.4 * t) * np.minimum(1, 2 * t))
        phase = np.cumsum(pitch) / sample_rate
        # Open for 60 % of a period: the derivative of a rising and falling flow.
        place = phase % 1
        flow = np.where(place < 0.6, np.sin(np.pi * place / 0.6) ** 2, 0.0)
        sound = np.diff(flow, prepend=0) + 2e-4 * np.random.default_rng(semitone).standard_normal(len(t))
        for formant, width in zip(_VOWELS[vowel], _WIDTHS, strict=True):
            radius = np.exp(-np.pi * width / sample_rate)
            angle = 2 * np.pi * formant / sample_rate
            poles = [1, -2 * radius * np.cos(angle), radius**2]
            sound = lfilter([sum(poles)], poles, sound)
        parts.append(sound * np.minimum(1, np.minimum(t / 0.04, (t[-1] - t) / 0.08)))
    audio = np.concatenate([part / np.abs(part).max() for part in parts])
    return _faded(0.7 * audio, sample_rate)


def band(sample_rate: int = _RATE) -> np.ndarray:
    """Return drums, bass and strings in stereo, 4 s, (2, T) in [-1, 1]."""
    middle = 0.9 * drums(sample_rate) + 0.7 * bass(sample_rate)
    strings = 0.8 * plucked_strings(sample_rate)
    late = np.concatenate([np.zeros(round(0.012 * sample_rate)), strings])[: len(strings)]
    mix = np.stack([middle + strings, middle + 0.6 * late])
    return mix / np.abs(mix).max() * 0.9


def _string(frequency: float, length: int, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """Return a decaying string: a delay line of noise that averages neighbours in every round."""
    period = round(sample_rate / frequency - 0.5)
    line = generator.uniform(-1, 1, period)
    rounds = []
    for _ in range(-(-length // period)):
        rounds.append(line)
        line = 0.997 * 0.5 * (line + np.roll(line, 1))
    return np.concatenate(rounds)[:length]


def _faded(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    fade = round(0.05 * sample_rate)
    audio[-fade:] *= np.linspace(1, 0, fade)
    return audio
