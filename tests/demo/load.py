"""Mixed requests from several clients at the same time: times, memory and files of the server.

``python tests/demo/load.py [ROUNDS [REQUESTS [IDLE SECONDS]]]`` prints the figures as JSON; a test runs the same.
"""

import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from demo_server import REPOSITORY, Server, buzz, serve, wait_until_warm, write_clip, write_models


def run_load(server: Server, folder: Path, requests: int = 50, clients: int = 4, seed: int = 0) -> dict[str, Any]:
    """Send ``requests`` from ``clients`` threads; return times in seconds, failures and memory in MB."""
    from gradio_client import Client, handle_file

    clip, long = write_clip(folder / "clip.wav", buzz(4)), write_clip(folder / "long.wav", buzz(30, 44100), 44100)
    speech = REPOSITORY / "vocoders" / "examples" / "speech.flac"
    kinds = {
        "vocode wavehax": ("/vocode", {"audio": handle_file(speech), "model": "wavehax-24k"}),
        "vocode griffin-lim": ("/vocode", {"audio": handle_file(clip), "model": "griffin-lim"}),
        "vocode world": ("/vocode", {"audio": handle_file(clip), "model": "world", "f0_scale": 1.2}),
        "vocode flow": ("/vocode", {"audio": handle_file(speech), "model": "tiny-turbo"}),
        "vocode 30 s": ("/vocode", {"audio": handle_file(long), "model": "mel-inversion"}),
        "effect 30 s": ("/effect", {"audio": handle_file(long), "effect": "delay", "model": "", "knobs": {"mix": 0.3}}),
        "effect": ("/effect", {"audio": handle_file(clip), "effect": "delay", "model": "", "knobs": {"mix": 0.5}}),
        "effect learned": (
            "/effect",
            {"audio": handle_file(clip), "effect": "comp_4c", "model": "comp4c-tiny", "knobs": {}},
        ),
        "generate": ("/generate", {"model": "tiny-digits", "seconds": 4.0, "top_p": 0.98}),
        "card": ("/card", {"name": "wavehax-24k"}),
        "refused": ("/vocode", {"audio": None, "model": "world"}),
    }
    names = [list(kinds)[index % len(kinds)] for index in range(requests)]
    random.Random(seed).shuffle(names)
    times, failures, memory, lock = defaultdict(list), [], [server.memory_bytes], threading.Lock()
    opened: list[Any] = []

    def work() -> None:
        client = Client(server.url, verbose=False, download_files=str(folder / "downloads"))
        opened.append(client)
        while True:
            with lock:
                if not names:
                    return
                name = names.pop()
            api, arguments = kinds[name]
            started, error = time.perf_counter(), None
            try:
                client.predict(**arguments, api_name=api)
            except Exception as caught:
                error = caught
            with lock:
                times[name].append(time.perf_counter() - started)
                # This one has to be refused, and with its message.
                refused = name == "refused" and error is not None and "no clip yet" in str(error)
                if error is not None and not refused or name == "refused" and not refused:
                    failures.append(f"{name}: {error}")
                memory.append(server.memory_bytes)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = folder_bytes(server)
    for client in opened:
        client.close()
    time.sleep(3)
    return {
        "files_mb": round(files / 1e6, 1),
        "files_mb_without_visitors": round(folder_bytes(server) / 1e6, 1),
        "requests": requests,
        "clients": clients,
        "failures": failures,
        "median_seconds": {name: round(statistics.median(values), 2) for name, values in sorted(times.items())},
        "memory_mb": [round(value / 1e6) for value in (memory[0], *memory[5::10], memory[-1])],
        "peak_memory_mb": round(max(memory) / 1e6),
    }


def folder_bytes(server: Server) -> int:
    """Return the size of all files of visitors and of the server's own results."""
    return sum(path.stat().st_size for path in server.temporary.rglob("*") if path.is_file())


def main() -> int:
    """Serve, send some rounds, wait and print what was found."""
    rounds, requests, idle = (int(given) for given in (sys.argv[1:] + ["3", "50", "0"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(folder, "--models", str(write_models(folder / "models"))) as server:
            wait_until_warm(server)
            print(json.dumps({"seconds_to_page": round(server.seconds_to_page, 2)}))
            print(json.dumps({"memory_mb_at_start": round(server.memory_bytes / 1e6)}))
            for seed in range(rounds):
                print(json.dumps(run_load(server, folder, requests, seed=seed)), flush=True)
            time.sleep(idle)
            last = {"idle_seconds": idle, "memory_mb": round(server.memory_bytes / 1e6)}
            print(json.dumps(last | {"files_mb": round(folder_bytes(server) / 1e6, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
