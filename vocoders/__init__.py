"""Waveform generators.

``load`` gives a model by folder, shipped name or hub id::

    from vocoders import load_vocoder

    model = load_vocoder("wavehax-24k")
    waveform = model.synthesize(audio=audio, f0_scale=1.2)
"""

import lazy_loader

# Names come from the stub beside this file and are imported on first use: `import vocoders.core` must not wait for the
# networks.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
