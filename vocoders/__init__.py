"""Waveform generators.

``load`` gives a system by folder, shipped name or hub id: a vocoder, a generator, or a baseline such as
``griffin-lim``. ``load_vocoder`` and ``load_generator`` do the same where only one of the two will do.

Examples:
    >>> import torch
    >>> from vocoders import load_vocoder
    >>> model = load_vocoder("wavehax-24k")
    >>> audio = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(24000) / 24000)
    >>> waveform = model.synthesize(audio=audio, f0_scale=1.2)
    >>> waveform.shape
    torch.Size([1, 1, 24000])
"""

import lazy_loader

from .core.telemetry import refuse_telemetry
from .core.threads import wait_passively

# Here, since neither torch nor ONNX Runtime must be imported before.
wait_passively()
refuse_telemetry()

# The names are listed in the stub next to this file and imported on first use, so that `import vocoders.core` does not
# import the networks.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
