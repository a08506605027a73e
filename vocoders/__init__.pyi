from .registry import load, load_generator, load_vocoder
from .version import __version__

__all__ = [
    "__version__",
    "load",
    "load_generator",
    "load_vocoder",
]
