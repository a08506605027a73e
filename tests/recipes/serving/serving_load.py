"""Clients that use and misuse the server at the same time: each valid answer must be what the client would get alone.

``python tests/recipes/serving/serving_load.py SECONDS [PAUSE]`` prints the figures as JSON; a test runs the same for
seconds. PAUSE: mean seconds between two requests of a client.
"""

import asyncio
import contextlib
import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
import websockets

from vocoders.core.folder_search import stat_files

__all__ = ["Load", "run_load"]

_BINS, _FRAMES, _RATE = 100, 20, 24000
_TRY_LATER = 1013


@dataclass
class Load:
    """What clients saw.

    Attributes:
        counts: number of each kind of request.
        faults: answers that were wrong, missing, or no answers at all.
        megabytes: memory of this process, in quarters of the time.
        disk_kilobytes: temporary files, at the same times.
        left: temporary files that were left.
    """

    counts: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    megabytes: list[int] = field(default_factory=list)
    disk_kilobytes: list[int] = field(default_factory=list)
    left: int = 0


async def run_load(address: str, seconds: float, clients: int = 8, seed: int = 0, pause: float = 0.0) -> Load:
    """Let ``clients`` use the server at ``address``, which runs in this process, for some seconds.

    Args:
        address: host and port.
        seconds: how long.
        clients: number of clients at the same time.
        seed: of their choices.
        pause: mean seconds between two requests of a client.
    """
    load, before = Load(), _temporaries()
    alone = {key: await _stream(address, key) for key in range(4)}
    files = {key: (await _post(address, _wav(key))).content for key in range(4)}
    deadline = time.monotonic() + seconds
    watcher = asyncio.create_task(_watch(load, seconds))
    await asyncio.gather(*(_client(address, load, alone, files, seed + k, deadline, pause) for k in range(clients)))
    await watcher
    load.left = len(_temporaries() - before)
    return load


async def _client(address: str, load: Load, alone: dict, files: dict, seed: int, deadline: float, pause: float) -> None:
    choice = random.Random(seed)
    while time.monotonic() < deadline:
        await asyncio.sleep(2 * pause * choice.random())
        key, kind = choice.randrange(4), choice.choice(["stream", "file", "health", *_HOSTILE])
        load.counts[kind if kind in ("stream", "file", "health") else "hostile"] += 1
        try:
            fault = await asyncio.wait_for(_try_one(address, kind, key, alone, files, choice), 120)
        except Exception as error:  # whatever it is, the server has not answered as it should
            fault = f"{type(error).__name__}: {error}"
        if fault:
            load.faults.append(f"{kind}: {fault}"[:200])


async def _try_one(address: str, kind: str, key: int, alone: dict, files: dict, choice: random.Random) -> str:
    if kind == "stream":
        found = await _stream(address, key)
        return "" if found in (alone[key], None) else "another audio than alone"
    if kind == "file":
        answer = await _post(address, _wav(key))
        right = answer.status_code == 503 or (answer.status_code == 200 and answer.content == files[key])
        return "" if right else f"{answer.status_code}, or another audio than alone"
    if kind == "health":
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"http://{address}/health")
        return "" if answer.json()["status"] == "ok" else answer.text
    return await _HOSTILE[kind](address, choice)


async def _stream(address: str, key: int) -> bytes | None:
    """Return the audio of a stream; ``None`` if there was no place."""
    random_ = np.random.default_rng(key)
    rows = np.column_stack([random_.standard_normal((_FRAMES, _BINS)) - 3, np.full(_FRAMES, 100 + 20 * key)])
    audio = b""
    async with websockets.connect(f"ws://{address}/stream", open_timeout=60) as socket:
        try:
            await socket.send(json.dumps({"input": "features", "seed": key}))
            first = json.loads(await socket.recv())
        except websockets.ConnectionClosedError as error:
            if error.rcvd is not None and error.rcvd.code == _TRY_LATER:
                return None
            raise
        if "error" in first:
            assert "already" in first["error"], first
            return None
        await socket.send(rows.astype("<f4").tobytes())
        await socket.send("end")
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                answer = await socket.recv()
                audio += answer if isinstance(answer, bytes) else b""
    return audio


def _wav(key: int) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, 0.1 * np.random.default_rng(key).standard_normal(_RATE // 4), _RATE, format="WAV")
    return stream.getvalue()


async def _post(address: str, body: bytes, query: str = "") -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(f"http://{address}/synthesize{query}", content=body)


async def _bad_body(address: str, choice: random.Random) -> str:
    from hostile_files import CASES

    kind = choice.choice(["audio", "features"])
    made = CASES[kind][choice.choice(sorted(CASES[kind]))]()
    answer = await _post(address, made[: 1 << 18])
    usual = answer.status_code in (413, 422, 503) or b"WAVE" in answer.content[:16]
    told = tempfile.gettempdir() in answer.text
    return "" if usual and not told else f"{answer.status_code} {answer.text[:100]}"


async def _bad_query(address: str, choice: random.Random) -> str:
    query = choice.choice(["?seed=-1", "?seed=1e9", "?unknown=1", "?" + "a" * 3000 + "=1", "?seed=" + "9" * 2000])
    answer = await _post(address, _wav(0), query)
    return "" if answer.status_code in (422, 503) else f"{query[:20]} {answer.status_code}"


async def _bad_stream(address: str, choice: random.Random) -> str:
    message = choice.choice(["{", "[" * 5000, "null", b"\0\1", '{"input": "features", "seed": "x"}', '{"bad": 1}', ""])
    async with websockets.connect(f"ws://{address}/stream", open_timeout=60) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            await socket.send(message)
        answer = json.loads(await socket.recv())
    return "" if "error" in answer else str(answer)[:100]


async def _leave(address: str, choice: random.Random) -> str:
    """Leave in the middle of a stream, or of the head or body of a request."""
    if choice.random() < 0.5:
        socket = await websockets.connect(f"ws://{address}/stream", open_timeout=60)
        with contextlib.suppress(websockets.ConnectionClosed):
            await socket.send(json.dumps({"input": "features"}))
            await socket.send(b"\0" * 4 * (_BINS + 1))
        socket.transport.abort()
        return ""
    host, _, port = address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /synthesize HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n".encode()
    writer.write(head[: choice.choice([20, len(head)])] + b"RIFF" * choice.choice([0, 100]))
    await writer.drain()
    writer.close()
    return ""


async def _elsewhere(address: str, choice: random.Random) -> str:
    path = choice.choice(["/", "/docs", "/../../etc/passwd", "/%2e%2e/etc/passwd", "/synthesize", "/stream"])
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"http://{address}{path}")
    return "" if answer.status_code in (404, 405) and "root:" not in answer.text else f"{path} {answer.status_code}"


_HOSTILE: dict[str, Any] = {
    "body": _bad_body, "query": _bad_query, "request": _bad_stream, "leave": _leave, "elsewhere": _elsewhere,
}  # fmt: skip


async def _watch(load: Load, seconds: float) -> None:
    for _ in range(4):
        await asyncio.sleep(seconds / 4)
        status = Path("/proc/self/status").read_text().splitlines()
        load.megabytes.append(next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmRSS")))
        load.disk_kilobytes.append(sum(state.st_size for _, state in stat_files(Path(tempfile.gettempdir()))) >> 10)


def _temporaries() -> set[str]:
    """Return the names of all temporary files; the caller gives this process a folder of its own for them."""
    return {path.name for path in Path(tempfile.gettempdir()).iterdir()}


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[:0] = [str(folder), str(folder.parents[2]), str(folder.parents[1] / "samples")]
    from serving_model import serving, tiny_model

    from recipes.serving.limits import Limits

    limits = Limits(clients=6, seconds=2.0, message_bytes=200_000, idle_seconds=20.0)
    with tempfile.TemporaryDirectory() as own, serving(tiny_model(), limits) as place:
        tempfile.tempdir = own
        found = asyncio.run(run_load(place, float(sys.argv[1]), pause=float((sys.argv[2:] or ["0"])[0])))
        tempfile.tempdir = None
    print(json.dumps({**vars(found), "faults": [len(found.faults), *found.faults[:10]]}))
