from .engine import Engine, render
from .registry import load

__all__ = [
    "Engine",
    "load",
    "render",
]
