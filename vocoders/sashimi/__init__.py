"""SaShiMi: state-space models of raw audio, autoregressive, and as the backbone of DiffWave (``diffwave``)."""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
