"""Wavehax: aliasing-free neural vocoder on complex spectrograms with a harmonic prior.

Examples:
    >>> import torch
    >>> from vocoders import load_vocoder
    >>> model = load_vocoder("wavehax-24k")
    >>> audio = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(24000) / 24000)
    >>> inputs = model.analyze(audio)
    >>> [(name, tuple(tensor.shape)) for name, tensor in inputs.items()]
    [('features', (1, 100, 100)), ('f0', (1, 1, 100))]
    >>> waveform = model.synthesize(inputs["features"], 1.2 * inputs["f0"], mel_refinement=0)
    >>> waveform.shape
    torch.Size([1, 1, 24000])
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
