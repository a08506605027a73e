"""Captures for tests: five files with random weights (CC0), and the contents of small ones that tests change."""

import json
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
NAMES = sorted(path.name for path in FILES.iterdir())


def content_of(name: str) -> dict[str, Any]:
    """Return the content of a file."""
    return json.loads((FILES / name).read_text())


def write(folder: Path, content: Any, name: str = "amp.nam") -> Path:
    """Write a content, or a text, as a file."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def tiny_wavenet(channels: int = 2, scale: float = 0.5, **fields: Any) -> dict[str, Any]:
    """Return a WaveNet of the first generation with one layer and rising weights."""
    array = {
        "input_size": 1,
        "condition_size": 1,
        "head_size": 1,
        "channels": channels,
        "kernel_size": 2,
        "dilations": [3],
        "activation": "Tanh",
        "gated": False,
        "head_bias": True,
    }
    count = channels + 2 * channels**2 + channels + channels + channels**2 + channels + channels + 1
    weights = [0.05 * (number % 7 - 3) for number in range(count)]
    config = {"layers": [array], "head": None, "head_scale": 0.02}
    return {
        "version": "0.5.4",
        "architecture": "WaveNet",
        "config": config,
        "weights": [*weights, scale],
        "sample_rate": 48000,
    } | fields
