"""Make clips of what the vocoders never heard in training, for `ondes synth` and `ondes evaluate audio`.

From a corpus of speech and one of music, and with espeak-ng for other languages: changed voices, noise, reverberation,
other sample rates, singing and instruments. Each clip has three seconds of a peak of 0.7; its name says what it is.
"""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from vocoders.core.audio import read_audio, write_audio
from vocoders.core.errors import OndesError

RATE = 24000
SECONDS = 3.0
SENTENCES = {
    "arabic": ("ar", "السماء زرقاء والشمس ساطعة اليوم"),
    "finnish": ("fi", "yöllä satoi vettä ja aamulla paistoi aurinko"),
    "hindi": ("hi", "आज मौसम बहुत अच्छा है"),
    "mandarin": ("cmn", "今天天气很好我们去公园吧"),
    "polish": ("pl", "wczoraj wieczorem padał deszcz ze śniegiem"),
    "vietnamese": ("vi", "hôm nay trời đẹp chúng ta đi chơi"),
}
INSTRUMENTS = (
    "vocals",
    "trumpet",
    "sax_alto",
    "keys_grand_piano",
    "guitar_electric_di",
    "drums_acoustic",
    "double_bass_pizz",
)


def read(path: Path, seconds: float = SECONDS, skip: float = 0.0) -> np.ndarray:
    """Return mono samples (T,) at :data:`RATE`."""
    audio, rate = read_audio(path)
    samples = soxr.resample(audio.mean(0).numpy(), rate, RATE)
    return samples[round(skip * RATE) : round((skip + seconds) * RATE)]


def resampled(samples: np.ndarray, factor: float) -> np.ndarray:
    """Return samples whose pitch and formants are ``factor`` times as high: a shorter or longer vocal tract."""
    return soxr.resample(samples, factor * RATE, RATE)


def through(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return samples that passed through another sample rate."""
    return soxr.resample(soxr.resample(samples, RATE, rate), rate, RATE)


def with_noise(samples: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Return samples with pink noise at a signal-to-noise ratio."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), len(samples))
    return samples + noise * samples.std() / noise.std() * 10 ** (-decibels / 20)


def in_a_room(samples: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return samples with decaying noise as the impulse response, of a reverberation time of ``seconds``."""
    time = np.arange(round(seconds * RATE)) / RATE
    response = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds) * 0.05
    response[0] = 1
    return np.convolve(samples, response)[: len(samples)]


def clips_of_speech(low: Path, high: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and samples of changed speech, from recordings of a low and of a high voice."""
    rng = np.random.default_rng(0)
    man, woman = read(low), read(high)
    yield "voice_low", resampled(read(low, 2.1), 0.7)
    yield "voice_child", resampled(read(high, 1.4 * SECONDS), 1.4)
    yield "voice_whispered", np.diff(rng.standard_normal(len(man) + 1)) * _envelope(man)
    for decibels in (20, 5):
        yield f"noise_{decibels:02}_db", with_noise(woman, decibels, rng)
    for seconds in (0.4, 1.2):
        yield f"room_{seconds:.1f}_s", in_a_room(man, seconds, rng)
    for rate in (8000, 16000, 48000):
        yield f"rate_{rate}", through(woman, rate)
    yield "loud_compressed", np.tanh(8 * man / np.abs(man).max())
    yield "quiet_60_db", 1e-3 * woman
    yield "two_voices", man[: min(len(man), len(woman))] + woman[: min(len(man), len(woman))]


def _envelope(samples: np.ndarray) -> np.ndarray:
    return np.convolve(np.abs(samples), np.hanning(480) / 240, "same")


def clips_of_music(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and samples of the first recording of each instrument."""
    for name in INSTRUMENTS:
        files = sorted((folder / name).glob("*.flac"))
        if files:
            yield f"music_{name}", read(files[0], skip=2.0)


def clips_of_languages(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and samples of sentences by espeak-ng, if it is installed."""
    if shutil.which("espeak-ng") is None:
        return
    for name, (language, sentence) in SENTENCES.items():
        spoken = folder / f"{name}.wav"
        subprocess.run(["espeak-ng", "-v", language, "-w", str(spoken), sentence], check=True)
        yield f"language_{name}", read(spoken)
        spoken.unlink()


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--low", type=Path, required=True, help="recording of a low voice")
    parser.add_argument("--high", type=Path, required=True, help="recording of a high voice")
    parser.add_argument("--music", type=Path, help="folder with a folder of recordings for each instrument")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    clips = [*clips_of_speech(arguments.low, arguments.high), *clips_of_languages(arguments.out)]
    if arguments.music is not None:
        clips += clips_of_music(arguments.music)
    for name, samples in clips:
        level = 1.0 if name.startswith("quiet") else 0.7 / np.abs(samples).max()
        write_audio(arguments.out / f"{name}.flac", (level * samples).astype(np.float32), RATE, overwrite=True)
        print(f"{name}: {len(samples) / RATE:.1f} s")


if __name__ == "__main__":
    try:
        main()
    except OndesError as error:
        raise SystemExit(f"error: {error}") from None
