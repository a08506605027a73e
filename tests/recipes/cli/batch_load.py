"""Commands over many short files and over one long file: CPU time and memory.

``python tests/recipes/cli/batch_load.py --files 10000 --hours 3`` prints a line for each command; a test runs it small.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["COMMANDS", "Use", "measure"]

_ROOT = Path(__file__).resolve().parents[3]
_RATE = 24000
COMMANDS = ("synth", "effect", "features", "evaluate", "generate")
# Time between two looks at the memory, in seconds.
_PERIOD = 0.1


@dataclass(frozen=True)
class Use:
    """What a command used.

    Attributes:
        code: exit code.
        cpu: CPU time in seconds, with that of its processes.
        clock: time by the clock.
        megabytes: resident memory of the command and its processes together, at quarters of the time.
        peak: the highest memory.
        errors: what it printed last to standard error.
    """

    code: int
    cpu: float
    clock: float
    megabytes: tuple[int, ...]
    peak: int
    errors: str


def write_inputs(folder: Path, files: int, seconds: float, rate: int = _RATE) -> Path:
    """Write short recordings, and a data directory of them in ``data``; return their folder."""
    time_axis = np.arange(round(seconds * rate)) / rate
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "in").mkdir()
    names = [f"u{number:06d}" for number in range(files)]
    for number, name in enumerate(names):
        pitch = 100 + 150 * (number * 0.618 % 1)
        tone = sum(np.sin(2 * np.pi * pitch * k * time_axis) / k for k in range(1, 6))
        soundfile.write(folder / "in" / f"{name}.wav", 0.2 * np.asarray(tone), rate, subtype="PCM_16")
    _write_lists(folder, names)
    return folder


def write_long(folder: Path, hours: float, rate: int = _RATE) -> Path:
    """Write one long recording of a vowel that rises and falls, minute by minute, and its data directory."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "in").mkdir()
    time_axis = np.arange(60 * rate) / rate
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * time_axis / 5)) / rate
    loudness = 0.15 * (1 + np.sin(2 * np.pi * time_axis / 3))
    minute = loudness * sum(np.sin(k * phase) / k for k in range(1, 12))
    left = round(hours * 3600 * rate)
    with soundfile.SoundFile(folder / "in" / "long.wav", "w", rate, 1, "PCM_16") as file:
        while left > 0:
            file.write(minute[:left])
            left -= len(minute)
    _write_lists(folder, ["long"])
    return folder


def _write_lists(folder: Path, names: Sequence[str]) -> None:
    scp = "".join(f"{name} {folder / 'in' / name}.wav\n" for name in names)
    (folder / "data" / "wav.scp").write_text(scp)
    (folder / "data" / "utt2spk").write_text("".join(f"{name} one\n" for name in names))


def arguments(command: str, folder: Path, items: int, seconds: float, nj: int) -> list[str]:
    """Return the arguments of a command over the recordings in a folder."""
    sounds, out = str(folder / "in"), str(folder / f"out-{command}")
    several = ["--nj", str(nj)]
    return {
        "synth": ["-q", "synth", sounds, "-o", out, "-m", "wavehax-24k", *several],
        "effect": ["effect", sounds, "-o", out, "--processor", "gain", *several],
        "features": [
            *("features", "--data", str(folder / "data"), "-o", out, "--write-mels", f"{out}-mels", *several),
            *("--config", str(_ROOT / "egs/mini/wavehax/conf/train.yaml"), "model.f0.method=dio"),
        ],
        "evaluate": ["evaluate", "audio", "--ref", sounds, "--gen", sounds, "--metrics", "mstft,esr", *several],
        "generate": [
            *(
                "generate",
                "-m",
                "sashimi-digits-8k",
                "-o",
                out,
                "--num",
                str(items),
                "--seconds",
                str(seconds),
                *several,
            ),
        ],
    }[command]


def measure(command: Sequence[str], folder: Path) -> Use:
    """Run ``ondes`` with arguments in another process and watch its memory."""
    log = folder / "errors.txt"
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    started, seen = time.perf_counter(), []
    with open(log, "wb") as errors:
        program = [sys.executable, "-m", "recipes.cli.main", *command]
        process = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_PERIOD):
            if found := _resident(process.pid):
                seen.append(found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    quarters = tuple(seen[min(len(seen) - 1, len(seen) * part // 4)] for part in (1, 2, 3, 4)) if seen else ()
    clock, cpu = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    last = "\n".join(log.read_text(errors="replace").splitlines()[-3:])
    return Use(process.returncode, cpu, clock, quarters, max(seen, default=0), last)


def _resident(pid: int) -> int:
    """Return the resident memory of a process and its children in MB."""
    total, left = 0, [pid]
    while left:
        place = Path("/proc") / str(left.pop())
        try:
            total += int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in (place / "task").iterdir():
                left += map(int, (task / "children").read_text().split())
        except (OSError, ValueError, IndexError):  # it has ended
            continue
    return total >> 20


def main() -> int:
    """Measure the commands, and print a line for each; return 1 if one failed."""
    parser = argparse.ArgumentParser(description="Commands over many short files and one long file.")
    parser.add_argument("--files", type=int, default=10000, help="number of short files; 0: none")
    parser.add_argument("--seconds", type=float, default=0.1, help="their length")
    parser.add_argument("--hours", type=float, default=3.0, help="length of the long file; 0: none")
    parser.add_argument("--nj", type=int, default=1, help="processes of a command")
    parser.add_argument("--commands", default=",".join(COMMANDS), help="which, separated by commas")
    options = parser.parse_args()
    failed = False
    works = [(options.files, options.seconds)] if options.files else []
    works += [(1, 3600 * options.hours)] if options.hours else []
    for items, seconds in works:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if items == 1:
                write_long(folder, seconds / 3600)
            else:
                write_inputs(folder, items, seconds)
            for command in options.commands.split(","):
                use = measure(arguments(command, folder, items, seconds, options.nj), folder)
                failed |= use.code != 0
                text = (
                    f"{command:9} {items} x {seconds:g} s, --nj {options.nj}: {use.cpu:.1f} s of CPU, {use.clock:.0f} s"
                )
                print(f"{text}, {use.megabytes} MB, peak {use.peak} MB", flush=True)
                if use.code:
                    print(use.errors, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
