from .core.display import Clip
from .registry import load, load_generator, load_vocoder
from .version import __version__

__all__ = [
    "Clip",
    "__version__",
    "load",
    "load_generator",
    "load_vocoder",
]
