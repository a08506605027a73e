"""PeriodWave: a multi-period flow matching vocoder, PeriodWave-Turbo for few steps, and a multi-band form."""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
