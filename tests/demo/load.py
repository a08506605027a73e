"""Mixed requests from several clients at the same time: times, memory and files of the server.

``python tests/demo/load.py [ROUNDS [REQUESTS [IDLE SECONDS]]]`` prints the figures as JSON; a test runs the same.
``python tests/demo/load.py --for SECONDS [PAUSE]`` adds hostile requests, of eight clients with so long a pause each.
"""

import json
import random
import re
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import wave
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from demo_server import REPOSITORY, Server, bad_clips, buzz, serve, wait_until_warm, write_clip, write_models

from vocoders.core.folder_search import stat_files

# A request: the endpoint and its arguments, and what is wrong with its answer, if anything is.
Request = tuple[str, dict[str, Any], Callable[[Any], str]]
# Seconds that a client waits for an answer.
_PATIENCE = 600


@dataclass
class Load:
    """What clients saw: seconds of each kind of request, faults, and memory and files of the server in bytes."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the figures as JSON takes them; memory and files at tenths of the requests."""
        count = len(self.memory)
        tenths = [count * part // 10 for part in range(10)] + [count - 1]
        return {
            "requests": sum(map(len, self.times.values())),
            "failures": self.failures,
            "median_seconds": {name: round(statistics.median(held), 2) for name, held in sorted(self.times.items())},
            "memory_mb": [round(self.memory[place] / 1e6) for place in tenths],
            "peak_memory_mb": round(max(self.memory) / 1e6),
            "files_mb": [round(self.files[place] / 1e6, 1) for place in tenths],
        }


def run_load(server: Server, folder: Path, requests: int = 50, clients: int = 4, seed: int = 0) -> dict[str, Any]:
    """Send ``requests`` from ``clients`` threads; return times in seconds, failures and memory in MB."""
    kinds = valid_requests(folder, buzz(4))
    names = [list(kinds)[index % len(kinds)] for index in range(requests)]
    random.Random(seed).shuffle(names)
    lock = threading.Lock()

    def left() -> Iterator[tuple[str, Request]]:
        while True:
            with lock:
                if not names:
                    return
                name = names.pop()
            yield name, kinds[name]

    return _send(server, folder, [left] * clients) | {"clients": clients}


def run_mixed(server: Server, folder: Path, seconds: float, clients: int = 8, pause: float = 0.0) -> dict[str, Any]:
    """Let clients send good and bad requests for some seconds, each with a clip of its own, which it must get back."""
    deadline = time.monotonic() + seconds

    def drawn(number: int) -> Callable[[], Iterator[tuple[str, Request]]]:
        def draw() -> Iterator[tuple[str, Request]]:
            own = folder / f"client{number}"
            good, bad = valid_requests(own, buzz(2 + number / 10, pitch=90 + 17 * number)), bad_requests(own / "bad")
            choice = random.Random(number)
            while time.monotonic() < deadline:
                time.sleep(2 * pause * choice.random())
                kinds = choice.choice([good, bad])
                name = choice.choice(sorted(kinds))
                yield name, kinds[name]

        return draw

    return _send(server, folder, [drawn(number) for number in range(clients)], server.url) | {"clients": clients}


def _send(server: Server, folder: Path, sources: list[Callable[[], Iterator]], prying: str = "") -> dict[str, Any]:
    """Send what each source yields from a thread of its own; with an address, ask it for files of others too."""
    from gradio_client import Client

    load, lock, opened = Load(memory=[server.memory_bytes], files=[folder_bytes(server)]), threading.Lock(), []

    def work(source: Callable[[], Iterator[tuple[str, Request]]]) -> None:
        # On a busy machine an answer may be late, but must come.
        how = {"verbose": False, "httpx_kwargs": {"timeout": _PATIENCE}}
        client = Client(server.url, download_files=str(folder / "downloads"), **how)
        opened.append(client)
        for name, (api, arguments, fault_of) in source():
            started = time.perf_counter()
            try:
                answer: Any = client.predict(**arguments, api_name=api)
            except Exception as error:  # an error is an answer too, and some requests must have one
                answer = error
            fault = fault_of(answer) or (prying and _stolen(prying))
            with lock:
                load.times[name].append(time.perf_counter() - started)
                load.failures += [f"{name}: {fault}"[:300]] if fault else []
                load.memory.append(server.memory_bytes)
                load.files.append(folder_bytes(server))

    threads = [threading.Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in opened:
        client.close()
    time.sleep(3)
    return load.figures() | {"files_mb_without_visitors": round(folder_bytes(server) / 1e6, 1)}


def valid_requests(folder: Path, samples: np.ndarray) -> dict[str, Request]:
    """Return requests by name, with a clip (T,) at 24 kHz; its copy must come back, not the clip of another."""
    from gradio_client import handle_file

    clip, long = write_clip(folder / "clip.wav", samples), write_clip(folder / "long.wav", buzz(30, 44100), 44100)
    speech, own = REPOSITORY / "vocoders" / "examples" / "speech.flac", _returns(samples)
    effect = {"audio": handle_file(clip), "effect": "delay", "model": "", "knobs": {"mix": 0.5}}
    return {
        "vocode wavehax": ("/vocode", {"audio": handle_file(speech), "model": "wavehax-24k"}, _is_fine),
        "vocode griffin-lim": ("/vocode", {"audio": handle_file(clip), "model": "griffin-lim"}, own),
        "vocode world": ("/vocode", {"audio": handle_file(clip), "model": "world", "f0_scale": 1.2}, own),
        "vocode flow": ("/vocode", {"audio": handle_file(speech), "model": "tiny-turbo"}, _is_fine),
        "vocode 30 s": ("/vocode", {"audio": handle_file(long), "model": "mel-inversion"}, _is_fine),
        "effect 30 s": ("/effect", effect | {"audio": handle_file(long), "knobs": {"mix": 0.3}}, _is_fine),
        "effect": ("/effect", effect, own),
        "effect learned": ("/effect", effect | {"effect": "comp_4c", "model": "comp4c-tiny", "knobs": {}}, _is_fine),
        "generate": ("/generate", {"model": "tiny-digits", "seconds": 4.0, "top_p": 0.98}, _is_fine),
        "card": ("/card", {"name": "wavehax-24k"}, _is_fine),
        "refused": ("/vocode", {"audio": None, "model": "world"}, _refuses("no clip yet")),
    }


def bad_requests(folder: Path) -> dict[str, Request]:
    """Return requests by name that must be refused with a message."""
    from gradio_client import handle_file

    files = bad_clips(folder) | {"pickle": folder / "pickle.npy"}
    files["pickle"].write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}")
    bad = {name: {"audio": handle_file(path), "model": "griffin-lim"} for name, path in files.items()}
    bad |= {
        f"model {name!r}": {"audio": None, "model": name} for name in ("../../etc", "/etc/passwd", "a\0b", "x" * 999)
    }
    own = {"audio": handle_file(write_clip(folder / "own.wav", buzz(1)))}
    bad |= {
        "many steps": own | {"model": "tiny-turbo", "steps": 10**9},
        "no number": own | {"model": "world", "seed": "x"},
    }
    stolen = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    bad |= {"path of the server": {"audio": stolen, "model": "griffin-lim"}}
    return {name: ("/vocode", arguments, _refuses("")) for name, arguments in bad.items()} | {
        "long generation": ("/generate", {"model": "tiny-digits", "seconds": 1e9}, _refuses("")),
        "knob": ("/effect", own | {"effect": "delay", "model": "", "knobs": {"mix": "1e999"}}, _refuses("")),
    }


def _is_fine(answer: Any) -> str:
    return f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else ""


def _refuses(words: str) -> Callable[[Any], str]:
    def fault(answer: Any) -> str:
        if not isinstance(answer, Exception):
            return "was not refused"
        told = str(answer)
        return (
            f"refused by {told!r}" if words not in told or "Traceback" in told or tempfile.gettempdir() in told else ""
        )

    return fault


def _returns(samples: np.ndarray) -> Callable[[Any], str]:
    """Tell whether the first file of an answer is the clip that was sent."""

    def fault(answer: Any) -> str:
        if isinstance(answer, Exception):
            return _is_fine(answer)
        with wave.open(str(answer[0]), "rb") as file:
            found = np.frombuffer(file.readframes(file.getnframes()), "<i2")[:: file.getnchannels()].astype(float)
        count = min(len(found), len(samples))
        alike = np.dot(found[:count], samples[:count])
        alike /= np.linalg.norm(found[:count]) * np.linalg.norm(samples[:count]) + 1e-9
        return "" if alike > 0.99 and abs(len(found) - len(samples)) < 4096 else f"another clip, alike by {alike:.3f}"

    return fault


def _stolen(url: str) -> str:
    """Ask for files that are no one's business; return what was delivered."""
    for path in ("/etc/passwd", "../../etc/passwd", f"{tempfile.gettempdir()}", "/proc/self/environ", "app.py"):
        try:
            with urllib.request.urlopen(f"{url}gradio_api/file={path}", timeout=60) as answer:
                return f"{path} was delivered: {answer.read(40)!r}"
        except urllib.error.HTTPError:
            continue
    return ""


def folder_bytes(server: Server) -> int:
    """Return the size of all files of visitors and of the server's own results."""
    return sum(state.st_size for _, state in stat_files(server.temporary))


def errors_in(log: str) -> dict[str, int]:
    """Return the last lines of all tracebacks in a log, and how often each stands there."""
    ends = (re.search(r"^(?![ \n]).+", after, re.M) for after in log.split("Traceback (most recent call last):\n")[1:])
    return dict(Counter(end[0][:200] for end in ends if end))


def main() -> int:
    """Serve, send some rounds, wait and print what was found."""
    mixed, given = sys.argv[1:2] == ["--for"], sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(folder, "--models", str(write_models(folder / "models"))) as server:
            wait_until_warm(server)
            print(json.dumps({"seconds_to_page": round(server.seconds_to_page, 2)}))
            print(json.dumps({"memory_mb_at_start": round(server.memory_bytes / 1e6)}))
            if mixed:
                seconds, pause = (float(text) for text in (*given[1:], "1")[:2])
                print(json.dumps(run_mixed(server, folder, seconds, pause=pause)))
                print(json.dumps({"errors_in_log": errors_in(server.log.read_text(errors="replace"))}))
                return 0
            rounds, requests, idle = (int(text) for text in (given + ["3", "50", "0"][len(given) :]))
            for seed in range(rounds):
                print(json.dumps(run_load(server, folder, requests, seed=seed)), flush=True)
            time.sleep(idle)
            last = {"idle_seconds": idle, "memory_mb": round(server.memory_bytes / 1e6)}
            print(json.dumps(last | {"files_mb": round(folder_bytes(server) / 1e6, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
