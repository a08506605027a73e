"""Small stand-ins for the audio and the corpora that the documents name; each is made when a command names it."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from vocoders.frontends.mel import MEL_PRESETS, LogMel

__all__ = ["CORPORA", "write_archives", "write_recordings"]

_REPOSITORY = Path(__file__).resolve().parents[2]
_CAPTURES = _REPOSITORY / "tests/effects/captures/files"
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LIBRITTS = {
    "train-clean-100": 6,
    "train-clean-360": 2,
    "train-other-500": 2,
    "dev-clean": 2,
    "dev-other": 2,
    "test-clean": 2,
    "test-other": 2,
}


def write_recordings(folder: Path) -> None:
    """Write the recordings of the README: parts of the clip that ships with ondes, and a beat."""
    speech, rate = soundfile.read(_REPOSITORY / "vocoders/examples/speech.flac")
    parts = {"my_voice": (0, 2), "speech": (1, 2.5), "recordings/first": (1, 2.2), "recordings/second": (2.5, 3.7)}
    for name, (start, end) in parts.items():
        _write(folder / f"{name}.wav", speech[round(start * rate) : round(end * rate)], rate)
    for name in ("drums", *(f"takes/{number}" for number in range(4))):
        _write(folder / f"{name}.wav", _beat(seed=len(name), seconds=2.0), 44100)
    _write(folder / "guitar.wav", _beat(seed=3, seconds=1.0), 48000)
    for name in ("amp.nam", "drive.json", "captures/amp.nam"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(_CAPTURES / ("aidax_gru8_knob.json" if name == "drive.json" else "convnet_bn.nam"), folder / name)
    (folder / "knobs.csv").write_text("time,drive,tone\n0,0.2,0.5\n1.5,0.9,0.3\n")


def write_archives(corpus: Path, folder: Path) -> str:
    """Pack a corpus as its publisher does; returns the ``--url`` that stands for the publisher's."""
    folder.mkdir(parents=True)
    if corpus.name.startswith("LibriTTS"):
        for subset in corpus.iterdir():
            name = subset.name.replace("-", "_") if corpus.name == "LibriTTS_R" else subset.name
            _pack(folder / f"{name}.tar.gz", subset, f"{corpus.name}/{subset.name}")
        return folder.as_uri()
    suffix, inside = (".tar.bz2", corpus.name) if corpus.name.startswith("LJ") else (".tar.gz", ".")
    return _pack(folder / f"{corpus.name}{suffix}", corpus, inside).as_uri()


def _pack(archive: Path, content: Path, name: str) -> Path:
    with tarfile.open(archive, f"w:{archive.suffix.removeprefix('.')}") as file:
        file.add(content, name)
    return archive


def _write(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, sample_rate, "PCM_16")


def _beat(seed: int, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * 44100)) / 44100
    noise = np.random.default_rng(seed).uniform(-1, 1, len(time))
    return 0.6 * noise * np.exp(-12 * (time % 0.5)) + 0.2 * np.sin(2 * np.pi * 60 * time)


def _tone(frequency: float, sample_rate: int, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tone = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 8))
    return 0.1 * tone + 0.005 * np.random.default_rng(round(frequency)).standard_normal(len(time))


def _subsets(folder: Path, sizes: dict[str, int]) -> None:
    for speaker, (subset, count) in enumerate(sizes.items()):
        for number in range(count):
            name = f"{speaker}_2_{number}_0"
            audio = _tone(110 + 20 * speaker + 7 * number, 24000, 0.8)
            _write(folder / subset / str(speaker) / "2" / f"{name}.wav", audio, 24000)


def _libritts(folder: Path) -> None:
    _subsets(folder, _LIBRITTS)


def _vctk(folder: Path) -> None:
    for speaker in range(4):
        for number in range(1, 4):
            name = f"p{300 + speaker}_{number:03d}"
            audio = _tone(110 + 20 * speaker + 7 * number, 48000, 0.8)
            for mic in ("mic1", "mic2"):
                _write(folder / f"wav48_silence_trimmed/p{300 + speaker}/{name}_{mic}.flac", audio, 48000)
            (folder / f"txt/p{300 + speaker}").mkdir(parents=True, exist_ok=True)
            (folder / f"txt/p{300 + speaker}/{name}.txt").write_text("Please call Stella.\n")


def _mini_libritts(folder: Path) -> None:
    _subsets(folder, {"train-mini": 6, "dev-mini": 2, "test-mini": 2})


def _predicted(folder: Path, predict: Callable[[np.ndarray], np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for path in CORPORA.make(folder.parent / "LibriTTS").rglob("*.wav"):
        audio, _ = soundfile.read(path, dtype="float32")
        np.save(folder / f"{path.stem}.npy", predict(audio))


def _mels(folder: Path) -> None:
    front_end = LogMel(MEL_PRESETS["bigvgan_24k"])
    _predicted(folder, lambda audio: front_end(torch.from_numpy(audio)[None])[0].numpy())


def _encodec(folder: Path) -> None:
    generator = np.random.default_rng(0)
    _predicted(folder, lambda audio: generator.standard_normal((128, len(audio) // 320), dtype=np.float32))


def _ljspeech(folder: Path) -> None:
    names = [f"LJ001-{number:04d}" for number in range(1, 9)]
    for number, name in enumerate(names):
        _write(folder / f"wavs/{name}.wav", _tone(150 + 10 * number, 22050, 0.8), 22050)
    (folder / "metadata.csv").write_text("".join(f"{name}|Text|text\n" for name in names))


def _ljspeech_list(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("LJ001-0003|some text\nLJ001-0006|some text\n")


def _speech_commands(folder: Path) -> None:
    for number, word in enumerate((*_DIGITS, "bed")):
        for speaker in ("a1", "b2", "c3"):
            _write(folder / word / f"{speaker}_nohash_0.wav", _tone(100 + 9 * number, 16000, 0.3), 16000)
    for part, speaker in (("validation", "b2"), ("testing", "c3")):
        lines = [f"{word}/{speaker}_nohash_0.wav\n" for word in (*_DIGITS, "bed")]
        (folder / f"{part}_list.txt").write_text("".join(lines))


def _mini_digits(folder: Path) -> None:
    for part, speakers in (("train", ("anna", "bert")), ("test", ("carl",))):
        for number, word in enumerate(_DIGITS):
            for speaker in speakers:
                for take in range(4):
                    audio = _tone(100 + 30 * number + 2 * take, 8000, 0.2 + 0.02 * take)
                    _write(folder / part / word / f"{speaker}_{take:02d}.wav", audio, 8000)


def _mini_piano(folder: Path) -> None:
    for part, count in (("train", 4), ("valid", 1), ("test", 1)):
        for number in range(count):
            _write(folder / part / f"{number}.wav", _tone(220 + 30 * number, 16000, 1.0), 16000)


def _music(seconds: float) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for number in range(20):
            _write(folder / f"{number}.wav", _tone(220 + 30 * number, 16000, seconds), 16000)

    return make


def _dry(folder: Path) -> None:
    for number in range(6):
        _write(folder / f"take_{number}.wav", _beat(number, seconds=2.0), 44100)


def _la2a(folder: Path) -> None:
    for number, part in enumerate(("Train", "Val", "Test")):
        dry = _beat(number, seconds=2.0)
        _write(folder / part / f"input_{number}_.wav", dry, 44100)
        _write(folder / part / f"target_{number}_LA2A_3c__0__{10 * number}.wav", 0.5 * dry, 44100)


def _device(folder: Path) -> None:
    _takes(folder, "threshold,ratio", ("-20dB,4", "-26dB,4", "-32dB,4"))


def _pedal(folder: Path) -> None:
    _takes(folder, "drive", ("0", "0.5", "1"))


def _takes(folder: Path, knobs: str, settings: tuple[str, str, str]) -> None:
    dry = _beat(0, seconds=2.0)
    rows = [f"dry,wet,set,{knobs}"]
    for number, (part, setting) in enumerate(zip(("train", "dev", "test"), settings, strict=True), 1):
        _write(folder / f"take_{number:02d}.wav", dry / (1 + number), 44100)
        rows.append(f"dry.wav,take_{number:02d}.wav,{part},{setting}")
    _write(folder / "dry.wav", dry, 44100)
    (folder / "pairs.csv").write_text("\n".join(rows))


def _recordings(folder: Path) -> None:
    for number in range(6):
        _write(folder / f"voice {number % 2}/{number}.wav", _tone(110 + 15 * number, 48000, 0.8), 48000)


class _Corpora(dict[str, Callable[[Path], None]]):
    """Makers by the name of what they make."""

    def make(self, path: Path) -> Path:
        """Return ``path``, made if it was not there; a name that nobody makes is left to the command."""
        if path.name in self and not path.exists():
            self[path.name](path)
        return path


CORPORA = _Corpora(
    {
        "corpus": _mini_libritts,
        "mini_libritts": _mini_libritts,
        "LibriTTS": _libritts,
        "LibriTTS_R": _libritts,
        "VCTK-Corpus-0.92": _vctk,
        "mels": _mels,
        "encodec": _encodec,
        "LJSpeech-1.1": _ljspeech,
        "validation.txt": _ljspeech_list,
        "speech_commands_v0.02": _speech_commands,
        "mini_digits": _mini_digits,
        "mini_piano": _mini_piano,
        "beethoven": _music(8.0),
        "youtubemix": _music(17.0),
        "dry_instruments": _dry,
        "SignalTrain_LA2A_Dataset_1.1": _la2a,
        "my_device": _device,
        "my_pedal": _pedal,
        "my_recordings": _recordings,
    }
)
