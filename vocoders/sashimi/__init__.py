"""SaShiMi: raw audio on state-space layers, autoregressive, and as the backbone of DiffWave (``diffwave``).

Examples:
    >>> import torch
    >>> from vocoders import load_generator
    >>> model = load_generator("sashimi-digits-8k")
    >>> drawn = model.generate(800, items=2, label="seven", seed=1, temperature=0.9)
    >>> drawn.audio.shape, drawn.labels
    (torch.Size([2, 1, 800]), ('seven', 'seven'))
    >>> pieces = list(model.draw_pieces(800, label="seven", seed=1, temperature=0.9))  # item 0, piece by piece
    >>> torch.equal(torch.cat(pieces), drawn.audio[0, 0])
    True
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
