"""PeriodWave: multi-period conditional flow matching vocoder, its few-step Turbo and its multi-band form.

Examples:
    >>> import torch
    >>> from vocoders import load_vocoder
    >>> model = load_vocoder("periodwave-turbo-24k")
    >>> audio = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(12000) / 24000)
    >>> features = model.analyze(audio)["features"]
    >>> options = model.options(steps=2, solver="euler", temperature=0.5)
    >>> waveform = model.synthesize(features, options=options, seed=1)
    >>> waveform.shape[-1] == features.shape[-1] * model.hop_length
    True
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that listing options or models does
# not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
