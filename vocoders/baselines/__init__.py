"""Systems without training, which give every table a floor: Griffin-Lim, WORLD, and inversion of the mel.

Examples:
    >>> import torch
    >>> from vocoders import load_vocoder
    >>> audio = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(24000) / 24000)
    >>> griffin_lim = load_vocoder("griffin-lim:wavehax-24k")  # from the mel of that model
    >>> griffin_lim.synthesize(audio=audio, iterations=16).shape
    torch.Size([1, 1, 24000])
    >>> world = load_vocoder("world:24000")
    >>> high = world.synthesize(audio=audio, f0_scale=1.5)
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
