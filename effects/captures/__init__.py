"""Captures of amplifiers and pedals in the files of other programs: `.nam`, GuitarML JSON and AIDA-X JSON, in and out.

A file becomes an ordinary effect of one of our families, and an effect of such a family becomes a file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
