"""The demo as a process of its own, on tiny models of every family, and clips to send to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A running demo: its address, its process, how long it took to answer, and its folder of temporary files."""

    url: str
    process: subprocess.Popen[bytes]
    seconds_to_page: float
    temporary: Path
    log: Path

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise OSError("no VmRSS")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serve(
    folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "demo"), cwd: Path = REPOSITORY
) -> Iterator[Server]:
    """Run ``python -m demo`` with ``arguments``, or another program; files of visitors go to ``folder``."""
    port = free_port()
    temporary, log = folder / "gradio", folder / "server.log"
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"GRADIO_TEMP_DIR": str(temporary), "GRADIO_SERVER_PORT": str(port)}
    started = time.perf_counter()
    with open(log, "wb") as stream:
        command = [sys.executable, *program, *arguments]
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    try:
        seconds = _wait_for_page(url, process, started, log)
        yield Server(url, process, seconds, temporary, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)  # what is being computed is finished first
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_page(url: str, process: subprocess.Popen[bytes], started: float, log: Path) -> float:
    while time.perf_counter() - started < 600:
        if process.poll() is not None:
            raise RuntimeError(f"the demo ended with {process.returncode}: {log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return time.perf_counter() - started
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"no page after 600 s: {log.read_text()}")


def wait_until_warm(server: Server) -> None:
    """Wait for the end of what the server does in the background after its start."""
    for _ in range(3000):
        if "in the background" in server.log.read_text() or "warming up failed" in server.log.read_text():
            return
        time.sleep(0.1)
    raise TimeoutError(server.log.read_text())


def write_models(folder: Path) -> Path:
    """Write random models of the families that need not ship, and return their folder."""
    from effects.models.recurrent import Recurrent, RecurrentConfig
    from effects.models.tcn import TCN, TCNConfig
    from effects.processors import PROCESSORS
    from vocoders.periodwave import PeriodWave, PeriodWaveConfig
    from vocoders.sashimi import Sashimi, SashimiConfig

    torch.manual_seed(0)
    wave_config = {
        "hidden_channels": 16,
        "dilations": (1,),
        "sampling": {"solver": "euler", "steps": 2, "temperature": 1.0},
    }
    digits = {"sample_rate": 8000, "channels": 8, "num_layers": 1, "kernel_length": 1024, "s4": {"d_state": 8}}
    digits |= {"quantiser": {"scheme": "midtread"}, "labels": ["one", "two"]}
    knobs = PROCESSORS["comp_4c"].knobs
    models = {
        "tiny-turbo": PeriodWave(PeriodWaveConfig.from_dict(wave_config)),
        "tiny-digits": Sashimi(SashimiConfig.from_dict(digits)),
        "comp4c-tiny": TCN(TCNConfig(knobs=knobs, channels=8, num_blocks=2, kernel_size=3, head="gain")),
        "mystery": Recurrent(RecurrentConfig(knobs=PROCESSORS["overdrive"].knobs, hidden_size=4)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    return folder


def write_slow_generator(folder: Path) -> str:
    """Write a random generator that takes three seconds of computing for one of audio, and return its name."""
    from vocoders.sashimi import Sashimi, SashimiConfig

    config = {"sample_rate": 8000, "channels": 128, "num_layers": 8, "kernel_length": 1024, "s4": {"d_state": 8}}
    Sashimi(SashimiConfig.from_dict(config | {"quantiser": {"scheme": "midtread"}})).save_pretrained(folder / "slow")
    return "slow"


def write_clip(path: Path, samples: np.ndarray, sample_rate: int = 24000) -> Path:
    """Write (T,) or (T, C) samples in [-1, 1] as 16-bit wav."""
    path.parent.mkdir(parents=True, exist_ok=True)
    integers = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(integers.tobytes())
    return path


def buzz(seconds: float, sample_rate: int = 24000, pitch: float = 120.0) -> np.ndarray:
    """Return a decaying sawtooth, (T,): voiced for trackers, dynamic for compressors."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    saw = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 30))
    return 0.25 * saw * (0.3 + 0.7 * np.exp(-3 * (t % 0.5)))


def bad_clips(folder: Path) -> dict[str, Path]:
    """Return files that are refused, by the reason."""
    rng = np.random.default_rng(0)
    clips = {
        "silent": write_clip(folder / "silent.wav", np.zeros(24000)),
        "long": write_clip(folder / "long.wav", 0.1 * rng.standard_normal(31 * 8000), 8000),
        "short": write_clip(folder / "short.wav", buzz(0.05)),
        "channels": write_clip(folder / "many.wav", 0.1 * rng.standard_normal((24000, 9))),
        "text": folder / "notes.wav",
        "cut": folder / "cut.flac",
        "rate": write_clip(folder / "slow.wav", 0.1 * rng.standard_normal(4000), 1000),
    }
    clips["text"].write_text("This is not audio at all.\n" * 20)
    clips["cut"].write_bytes((REPOSITORY / "vocoders/examples/speech.flac").read_bytes()[:9000])
    return clips


if __name__ == "__main__":
    # For trying the page by hand: python tests/demo/demo_server.py FOLDER
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    print(json.dumps(sorted(path.name for path in write_models(target).iterdir())))
