"""A small model and a server of it, for tests."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch
import uvicorn

from recipes.serving.app import make_app
from recipes.serving.limits import Limits
from vocoders.frontends.f0 import F0Config
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

__all__ = ["serving", "tiny_model"]


def tiny_model() -> Wavehax:
    """Return an untrained vocoder with streams."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame", "look_ahead": 1}
    return Wavehax(WavehaxConfig(**sizes, f0=F0Config(alignment="frame_center"))).eval()


@contextlib.contextmanager
def serving(model: Wavehax, limits: Limits) -> Iterator[str]:
    """Run a server; yield its address."""
    server = uvicorn.Server(uvicorn.Config(make_app(model, "tiny", limits), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
