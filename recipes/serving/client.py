"""A client of `ondes serve`: features in, a WAV out, with the first sound as early as possible.

python client.py features.npz out.wav [ws://127.0.0.1:7870/stream]
"""

import asyncio
import json
import sys
import wave

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

FRAMES = 10  # in a message, as an acoustic model would give them


async def synthesize(features: np.ndarray, f0: np.ndarray | None, url: str) -> tuple[bytes, int]:
    """Send features (bands, F) and F0 (F,); return 16-bit audio and its sample rate."""
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"input": "features", "encoding": "s16le"}))
        about = json.loads(await socket.recv())
        if "error" in about:
            raise RuntimeError(about["error"])
        rows = features.T if f0 is None else np.column_stack([features.T, f0])
        sending = asyncio.create_task(_send(socket, rows.astype("<f4")))
        audio = b""
        async for message in socket:
            if isinstance(message, bytes):
                audio += message  # play it here
            elif "error" in (answer := json.loads(message)):
                raise RuntimeError(answer["error"])
        await sending
        return audio, about["sample_rate"]


async def _send(socket: ClientConnection, rows: np.ndarray) -> None:
    for start in range(0, len(rows), FRAMES):
        await socket.send(rows[start : start + FRAMES].tobytes())
    await socket.send("end")


if __name__ == "__main__":
    source, output, *url = sys.argv[1:]
    given = np.load(source)
    audio, rate = asyncio.run(synthesize(given["features"], given.get("f0"), *(url or ["ws://127.0.0.1:7870/stream"])))
    with wave.open(output, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(audio)
