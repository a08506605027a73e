"""Waveform generators.

``load_vocoder`` loads a model by folder, shipped name or hub id::

    from vocoders import load_vocoder

    model = load_vocoder("wavehax-24k")
    waveform = model.synthesize(audio=audio, f0_scale=1.2)
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that `import vocoders.core` does not
# import the networks.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
