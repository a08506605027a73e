"""Waveform generators.

``load`` gives a model by folder, shipped name or hub id::

    from vocoders import load

    model = load("wavehax-24k")
    waveform = model.synthesize(audio=audio)
"""

from typing import Any

from vocoders.version import __version__

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `import vocoders.core` must not wait for the networks.
    if name == "load":
        from vocoders.registry import load

        return load
    raise AttributeError(f"module 'vocoders' has no attribute '{name}'")
