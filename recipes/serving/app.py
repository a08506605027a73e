"""The server: one vocoder, streams at /stream, whole files at /synthesize, its state at /health."""

import asyncio
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from recipes.serving import session as sessions
from recipes.serving.files import synthesize_file
from recipes.serving.limits import Limits
from vocoders.core.errors import ConfigError, DiskError, OndesError
from vocoders.interface import Vocoder
from vocoders.version import __version__

__all__ = ["make_app"]

_logger = logging.getLogger(__name__)

# Codes of RFC 6455: the message cannot be used; it breaks a rule; try again later.
_UNUSABLE, _AGAINST_THE_RULES, _BUSY = 1007, 1008, 1013
# Bytes of an answer that are sent at once.
_PIECE = 1 << 16


def make_app(vocoder: Vocoder, name: str, limits: Limits | None = None) -> FastAPI:
    """Return the application.

    Args:
        vocoder: the system that all clients use.
        name: its name.
        limits: of the server.
    """
    app = FastAPI(title="ondes", version=__version__, docs_url=None, redoc_url=None)
    server = _Server(vocoder, name, limits or Limits())
    app.get("/health")(server.health)
    app.post("/synthesize")(server.synthesize)
    app.websocket("/stream")(server.stream)
    return app


class _Server:
    def __init__(self, vocoder: Vocoder, name: str, limits: Limits) -> None:
        self.vocoder, self.name, self.limits = vocoder, name, limits
        self.clients = 0
        # More threads than processors only get into each other's way. Those who wait are served in their order.
        self.workers = CapacityLimiter(os.cpu_count() or 1)

    async def health(self) -> dict[str, Any]:
        """Return the state of the server."""
        return {
            "status": "ok",
            "model": self.name,
            "sample_rate": self.vocoder.sample_rate,
            "clients": self.clients,
            "most_clients": self.limits.clients,
            "ondes": __version__,
        }

    async def synthesize(self, request: Request) -> Response:
        """Turn a file, audio or features (.npz), into a WAV; options of synthesis are parameters of the query."""
        async with self._place() as free:
            if not free:
                raise HTTPException(503, f"{self.limits.clients} clients are served already; try again later")
            try:
                body = await self._read(request)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody receives it
            options = dict(request.query_params)
            try:
                wav = await run_in_threadpool(synthesize_file, self.vocoder, body, options, self.limits)
            except (DiskError, OSError) as error:
                _logger.error("no place for temporary files: %s", error)
                raise HTTPException(507, "the server cannot store files at the moment; try again later") from None
            except OndesError as error:
                raise HTTPException(422, str(error)) from None
        return Response(wav, media_type="audio/wav")

    async def stream(self, socket: WebSocket) -> None:
        """Serve one stream: a request in JSON, then binary messages both ways, until the client sends ``end``."""
        await socket.accept()
        async with self._place() as free:
            if not free:
                await _refuse(socket, f"{self.limits.clients} clients are served already; try again later", _BUSY)
                return
            try:
                await self._serve(socket)
            # starlette raises RuntimeError for a socket that has closed; TimeoutError: the client takes no audio.
            except (WebSocketDisconnect, RuntimeError, TimeoutError):
                _logger.debug("a client has left")

    async def _serve(self, socket: WebSocket) -> None:
        opened = await self._open(socket)
        while opened is not None:
            message = await self._receive(socket)
            if message is None:
                return
            if isinstance(message, bytes):
                await self._answer(socket, opened, message)
            elif message == "end":
                try:
                    await self._play(socket, opened.finish)
                except OndesError as error:  # too short a stream
                    await _refuse(socket, str(error).splitlines()[0], _AGAINST_THE_RULES)
                    return
                await socket.send_text(json.dumps({"end": True, "seconds": opened.samples / opened.format.sample_rate}))
                await socket.close()
                return
            else:
                await _refuse(socket, "a text that is not 'end'; expected binary messages", _AGAINST_THE_RULES)
                return

    async def _open(self, socket: WebSocket) -> sessions.Session | None:
        message = await self._receive(socket)
        if message is None:
            return None
        try:
            if isinstance(message, bytes):
                raise ConfigError("expected a request in JSON before binary messages")
            request = sessions.parse_request(message)
            opened = await run_in_threadpool(sessions.Session, self.vocoder, request, self.limits)
        except OndesError as error:
            await _refuse(socket, str(error).splitlines()[0], _AGAINST_THE_RULES)
            return None
        await socket.send_text(json.dumps(opened.describe()))
        return opened

    async def _receive(self, socket: WebSocket) -> str | bytes | None:
        """Return the next message; ``None`` if the client has left, or said nothing for too long."""
        try:
            message = await asyncio.wait_for(socket.receive(), self.limits.idle_seconds)
        except TimeoutError:
            await _refuse(socket, f"no message for {self.limits.idle_seconds:g} s", _AGAINST_THE_RULES)
            return None
        if message["type"] == "websocket.disconnect":
            return None
        data = message.get("bytes")
        found = data if data is not None else message.get("text") or ""
        if len(found) > self.limits.message_bytes:
            await _refuse(socket, f"a message of over {self.limits.message_bytes} bytes", _AGAINST_THE_RULES)
            return None
        return found

    async def _answer(self, socket: WebSocket, opened: sessions.Session, message: bytes) -> None:
        try:
            await self._play(socket, lambda: opened.push(message))
        except OndesError as error:
            await socket.send_text(json.dumps({"error": str(error).splitlines()[0]}))

    async def _play(self, socket: WebSocket, make: Callable[[], Iterator[bytes]]) -> None:
        """Send audio as it is made; a client that takes none makes its stream wait, and is left in the end."""
        audio = await to_thread.run_sync(make, limiter=self.workers)
        while (made := await to_thread.run_sync(next, audio, b"end", limiter=self.workers)) != b"end":
            for start in range(0, len(made), _PIECE):
                await asyncio.wait_for(socket.send_bytes(made[start : start + _PIECE]), self.limits.idle_seconds)

    async def _read(self, request: Request) -> bytes:
        body, pieces = io.BytesIO(), request.stream()
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces, None), self.limits.idle_seconds)
            except TimeoutError:
                raise HTTPException(408, f"nothing of the body for {self.limits.idle_seconds:g} s") from None
            if piece is None:
                return body.getvalue()
            if body.tell() + len(piece) > self.limits.message_bytes:
                raise HTTPException(413, f"a body of over {self.limits.message_bytes} bytes")
            body.write(piece)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[bool]:
        """Take a place among the clients; whether there is one."""
        if self.clients >= self.limits.clients:
            yield False
            return
        self.clients += 1
        try:
            yield True
        finally:
            self.clients -= 1


async def _refuse(socket: WebSocket, reason: str, code: int) -> None:
    await socket.send_text(json.dumps({"error": reason}))
    await socket.close(code)
