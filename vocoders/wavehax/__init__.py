"""Wavehax: aliasing-free neural vocoder on complex spectrograms with a harmonic prior."""

import lazy_loader

# Names come from the stub beside this file and are imported on first use: a command line that lists options, or a page
# that lists models, does not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
