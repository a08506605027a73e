"""DiffWave with the SaShiMi backbone: diffusion of waveforms, unconditional or from a mel spectrogram.

Examples:
    >>> from vocoders.sashimi.diffwave import DiffwaveSashimi, DiffwaveSashimiConfig
    >>> model = DiffwaveSashimi(DiffwaveSashimiConfig(channels=8, num_layers=1))  # untrained
    >>> drawn = model.generate(1024, items=2, betas=(0.0001, 0.01, 0.5))
    >>> drawn.audio.shape
    torch.Size([2, 1, 1024])
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
