"""Parameterised neural audio effects.

``load`` gives an effect by folder, shipped name or hub id, ``render`` applies it to a recording, and ``Engine`` to a
stream of blocks.

Examples:
    >>> import torch
    >>> from effects import Engine, load, render
    >>> model = load("comp4c-graybox")
    >>> dry = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(44100) / 44100)[None]
    >>> wet = render(model, dry, 44100, {"threshold": "-24dB"})
    >>> engine = Engine(model, 44100, {"threshold": "-24dB"})
    >>> blocks = [engine.process(block) for block in dry.split(256, dim=-1)]
    >>> torch.equal(torch.cat(blocks, dim=-1)[:, engine.latency_samples :], wet[:, : -engine.latency_samples])
    True
"""

import lazy_loader

# The names are listed in the stub next to this file and imported on first use, so that `import effects.knobs` does not
# import the networks.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
