"""The server: streams are the model's streams, files its syntheses; bad clients get an error and harm nobody."""

import asyncio
import contextlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("fastapi")
websockets = pytest.importorskip("websockets")
httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from serving_model import serving, tiny_model  # noqa: E402

from recipes.serving.app import _Server  # noqa: E402
from recipes.serving.client import synthesize  # noqa: E402
from recipes.serving.files import synthesize_file  # noqa: E402
from recipes.serving.limits import Limits  # noqa: E402
from vocoders import load_vocoder  # noqa: E402
from vocoders.core.audio import read_audio, write_audio  # noqa: E402
from vocoders.core.audio_pipes import PipeFormat, decode_samples, encode_samples  # noqa: E402
from vocoders.frontends.f0 import F0Config  # noqa: E402
from vocoders.wavehax.config import WavehaxConfig  # noqa: E402
from vocoders.wavehax.model import Wavehax  # noqa: E402

LIMITS = Limits(clients=3, seconds=2.0, message_bytes=200_000, idle_seconds=1.0)
S16 = PipeFormat("s16le", 24000, 1)


@pytest.fixture(scope="module")
def model() -> Wavehax:
    return tiny_model()


@pytest.fixture(scope="module")
def address(model: Wavehax) -> Iterator[str]:
    with serving(model, LIMITS) as found:
        yield found


def wait_until_idle(address: str) -> None:
    """Return once the server has no client; fail after a minute."""
    deadline = time.monotonic() + 60
    while clients := httpx.get(f"http://{address}/health").json()["clients"]:
        assert time.monotonic() < deadline, f"{clients} clients are still there"
        time.sleep(0.05)


def frames(number: int = 50) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return (random.standard_normal((100, number)) - 3).astype("float32"), np.full(number, 150, "float32")


def rows(number: int = 50) -> np.ndarray:
    features, f0 = frames(number)
    return np.column_stack([features.T, f0]).astype("<f4")


async def talk(address: str, request: Any, *messages: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Send messages; return the texts and the audio of the answer."""
    texts, audio = [], b""
    async with websockets.connect(f"ws://{address}/stream") as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            for message in (request, *messages):
                await socket.send(message if isinstance(message, bytes | str) else json.dumps(message))
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                answer = await socket.recv()
                if isinstance(answer, bytes):
                    audio += answer
                else:
                    texts.append(json.loads(answer))
    return texts, audio


def test_the_client_gets_the_stream_of_the_model(address: str, model: Wavehax) -> None:
    features, f0 = frames()
    audio, rate = asyncio.run(synthesize(features, f0, f"ws://{address}/stream"))
    whole = model.synthesize(torch.from_numpy(features), torch.from_numpy(f0))
    assert rate == model.sample_rate
    assert (decode_samples(audio, S16) - whole[0].clamp(-1, 1)).abs().max() < 1e-4


def test_audio_in_is_analysed_as_it_comes(address: str, model: Wavehax) -> None:
    audio = 0.3 * torch.sin(torch.arange(10_000) * 0.05)
    data = encode_samples(audio[None], S16)
    texts, made = asyncio.run(talk(address, {"input": "pcm"}, data[:7000], data[7000:], "end"))
    analysis, stream = model.analysis_stream(), model.stream()
    assert texts[0]["latency"] == analysis.latency + stream.latency
    assert texts[-1] == {"end": True, "seconds": 10_000 / 24000}
    assert decode_samples(made, S16).shape[-1] == -(-10_000 // 240) * 240


def test_options_and_seeds_are_taken(address: str) -> None:
    data = rows().tobytes()
    made = [
        asyncio.run(talk(address, request, data, "end"))[1]
        for request in ({}, {"seed": 0}, {"seed": 1}, {"options": {"f0_scale": 1.5}})
    ]
    assert made[0] == made[1]
    assert len({*made}) == 3


def test_a_bad_message_leaves_the_stream_unharmed(address: str) -> None:
    data = rows()
    whole = asyncio.run(talk(address, {}, data.tobytes(), "end"))[1]
    broken = np.full((3, 101), np.nan, "<f4").tobytes()
    decibels = np.column_stack([20 / np.log(10) * data[:10, :100] - 20, data[:10, 100:]]).astype("<f4").tobytes()
    sent = [data[:20].tobytes(), broken, b"abc", decibels, data[20:].tobytes(), "end"]
    texts, made = asyncio.run(talk(address, {}, *sent))
    assert made == whole
    assert [("error" in text) for text in texts] == [False, True, True, True, False]


def test_a_stream_too_short_for_the_model_gets_an_error() -> None:
    config = WavehaxConfig(channels=4, kernel_size=(3, 3), num_blocks=1, f0=F0Config(alignment="frame_center"))
    with serving(Wavehax(config).eval(), LIMITS) as short:
        assert "error" in asyncio.run(talk(short, {}, rows(3).tobytes(), "end"))[0][-1]
        assert "end" in asyncio.run(talk(short, {}, rows(9).tobytes(), "end"))[0][-1]


@pytest.mark.parametrize(
    "messages",
    [
        ["no json"],
        ["{" * 100_000],
        [b"\0" * 404],
        [{"input": "text"}],
        [{"options": {"steps": 4}}],
        [{"options": {"seed": 1}}],
        [{"options": {"self": 1}}],
        [{"options": {"batch": 1_000_000}}],
        [{"options": {"mel_refinement": 1_000_000_000}}],
        [{"options": {"f0_scale": -1}}],
        [{"f0_look_ahead": -1}],
        [{"input": "pcm", "f0_look_ahead": 1}],
        [{"unknown": 1}],
        [{}, "stop"],
        [{}],
        [{}, bytes(300_000)],
    ],
)
def test_bad_clients_get_one_error_and_are_left(address: str, messages: list[Any]) -> None:
    assert "error" in asyncio.run(talk(address, *messages))[0][-1]
    assert httpx.get(f"http://{address}/health").json()["status"] == "ok"


def test_streams_have_a_longest_duration(address: str) -> None:
    texts, _ = asyncio.run(talk(address, {}, *[rows(50).tobytes()] * 5, "end"))
    assert sum("error" in text for text in texts) == 1


def test_more_clients_than_allowed_are_sent_away_and_places_come_back(address: str) -> None:
    async def run() -> tuple[int, int]:
        waiting = [await websockets.connect(f"ws://{address}/stream") for _ in range(LIMITS.clients)]
        for socket in waiting:
            await socket.send("{}")
            await socket.recv()
        texts, _ = await talk(address, {})
        most = httpx.get(f"http://{address}/health").json()["clients"]
        for socket in waiting:
            await socket.close()
        return len(texts), most

    # The server may still be saying goodbye to the client of the test before.
    wait_until_idle(address)
    refused, most = asyncio.run(run())
    assert (refused, most) == (1, LIMITS.clients)
    wait_until_idle(address)


def test_clients_at_the_same_time_get_what_each_would_get_alone(address: str) -> None:
    async def run() -> list[bytes]:
        data = rows().tobytes()
        talks = (
            talk(address, {"seed": seed}, data[: len(data) // 2], data[len(data) // 2 :], "end") for seed in range(3)
        )
        return [audio for _, audio in await asyncio.gather(*talks)]

    together = asyncio.run(run())
    assert together == [asyncio.run(talk(address, {"seed": seed}, rows().tobytes(), "end"))[1] for seed in range(3)]


def test_ten_clients_get_the_audio_of_their_frames_before_they_send_more(model: Wavehax) -> None:
    data, size, latency = rows(40), 10, model.stream().latency

    async def listen(address: str, seed: int) -> bytes:
        audio = b""
        async with websockets.connect(f"ws://{address}/stream") as socket:
            await socket.send(json.dumps({"seed": seed}))
            await socket.recv()
            for start in range(0, len(data), size):
                await socket.send(data[start : start + size].tobytes())
                while len(audio) // 2 < (start + size) * model.hop_length - latency:
                    audio += await socket.recv()
            await socket.send("end")
            async for answer in socket:
                audio += answer if isinstance(answer, bytes) else b""
        return audio

    async def run(address: str) -> list[bytes]:
        return await asyncio.gather(*(listen(address, seed) for seed in range(10)))

    with serving(model, Limits(clients=10)) as address:
        together = asyncio.run(run(address))
    features, f0 = (torch.from_numpy(x) for x in frames(40))
    for seed in (0, 9):
        stream = model.stream(seed=seed)
        alone = torch.cat([stream.push(features, f0), stream.finish()], dim=-1)
        assert together[seed] == encode_samples(alone[0], S16)


def test_a_client_that_takes_no_audio_is_left(model: Wavehax) -> None:
    class Stalled:
        async def send_bytes(self, data: bytes) -> None:
            await asyncio.sleep(60)

    server = _Server(model, "tiny", Limits(idle_seconds=0.05))
    with pytest.raises(TimeoutError):
        asyncio.run(server._play(Stalled(), lambda: iter([b"audio"])))  # pyright: ignore[reportArgumentType]


def test_frames_without_f0(address: str, model: Wavehax) -> None:
    features, _ = frames()
    texts, made = asyncio.run(talk(address, {"f0_look_ahead": 2}, features.T.astype("<f4").tobytes(), "end"))
    stream = model.stream(f0_look_ahead=2)
    expected = torch.cat([stream.push(torch.from_numpy(features)), stream.finish()], dim=-1)
    assert texts[0]["latency"] == stream.latency
    assert len(texts[0]["frame"]) == model.num_features
    assert torch.equal(decode_samples(made, S16), decode_samples(encode_samples(expected[0], S16), S16))


def test_files_over_http(address: str, model: Wavehax, tmp_path: Any) -> None:
    features, f0 = frames()
    body = io.BytesIO()
    np.savez(body, features=features, f0=f0)
    answer = httpx.post(f"http://{address}/synthesize?seed=2&f0_scale=1.2", content=body.getvalue())
    assert answer.status_code == 200
    (tmp_path / "x.wav").write_bytes(answer.content)
    whole = model.synthesize(torch.from_numpy(features), torch.from_numpy(f0), seed=2, f0_scale=1.2)
    assert (read_audio(tmp_path / "x.wav")[0] - whole[0].clamp(-1, 1)).abs().max() < 1e-3
    again = httpx.post(f"http://{address}/synthesize", content=answer.content)
    assert again.status_code == 200


def test_loud_results_are_limited(tmp_path: Path) -> None:
    loud = 3 * torch.sin(0.05 * torch.arange(6000.0))
    write_audio(tmp_path / "x.wav", loud[None], 24000, "FLOAT")
    answer = synthesize_file(load_vocoder("griffin-lim"), (tmp_path / "x.wav").read_bytes(), {}, LIMITS)
    (tmp_path / "y.wav").write_bytes(answer)
    assert 0.99 < read_audio(tmp_path / "y.wav")[0].abs().max() < 1


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("", b"", 422),
        ("", b"no audio", 422),
        ("?seed=-1", b"RIFF", 422),
        ("?steps=3", b"RIFF", 422),
        ("", bytes(300_000), 413),
    ],
)
def test_bad_files_get_an_error_without_paths(address: str, query: str, body: bytes, code: int) -> None:
    answer = httpx.post(f"http://{address}/synthesize{query}", content=body)
    assert answer.status_code == code
    assert "/tmp" not in answer.text


def test_a_disk_without_place_is_one_answer(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = io.BytesIO()
    np.savez(body, features=frames()[0], f0=frames()[1])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert httpx.post(f"http://{address}/synthesize", content=body.getvalue()).status_code == 507
    monkeypatch.undo()
    assert httpx.post(f"http://{address}/synthesize", content=body.getvalue()).status_code == 200
