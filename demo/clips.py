"""Example clips of the demo: the bundled sentence, and computed music."""

from pathlib import Path

import numpy as np

from demo.folders import write_wav
from demo.sound import to_integers

__all__ = ["drums", "example_clips", "plucked_strings"]

SPEECH = Path(__file__).resolve().parents[1] / "vocoders" / "examples" / "speech.flac"
_RATE = 44100


def example_clips(folder: Path) -> dict[str, Path]:
    """Write the computed clips to ``folder`` and return all clips by name."""
    folder.mkdir(parents=True, exist_ok=True)
    computed = {"plucked strings": plucked_strings(), "drums": drums()}
    clips = {"speech": SPEECH} if SPEECH.is_file() else {}
    for name, samples in computed.items():
        clips[name] = folder / f"{name.replace(' ', '_')}.wav"
        write_wav(clips[name], to_integers(samples), _RATE)
    return clips


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
