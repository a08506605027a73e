"""Parameterised neural audio effects.

``load`` loads an effect by folder, shipped name or hub id, ``render`` applies it to a recording, and ``Engine`` applies
it to a stream of blocks::

    from effects import load, render

    model = load("comp4c-tcn")
    wet = render(model, dry, sample_rate, {"threshold": "-24dB"}, stereo="linked")
"""

from importlib import import_module
from typing import Any

__all__ = ["Engine", "load", "render"]

_HOMES = {"Engine": "effects.engine", "render": "effects.engine", "load": "effects.registry"}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import effects.knobs` does not import the networks.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'effects' has no attribute '{name}'")
