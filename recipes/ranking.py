"""Ranking what was drawn by its likelihood."""

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError

__all__ = ["select"]


def select(log_likelihoods: Tensor, drop_worst: float = 0.4, drop_best: float = 0.05) -> list[int]:
    """Return the items that remain without the least and the most likely ones, in ascending order of likelihood.

    The defaults are what is published for SC09: unlikely items are noise, the most likely ones silence.

    Args:
        log_likelihoods: (B,), of items of one length.
        drop_worst: part of the items, from the least likely one on, rounded to whole items.
        drop_best: part of the items, from the most likely one down.

    Raises:
        ConfigError: if a part lies outside [0, 1), or nothing would remain.
    """
    for name, part in (("drop_worst", drop_worst), ("drop_best", drop_best)):
        if not 0 <= part < 1:
            raise ConfigError(f"{name} {part:g}; expected a part in [0, 1)")
    count = len(log_likelihoods)
    first, last = round(drop_worst * count), count - round(drop_best * count)
    if first >= last:
        raise ConfigError(f"of {count} items none remain without {drop_worst:g} and {drop_best:g} of them; drop fewer")
    return torch.argsort(log_likelihoods, stable=True)[first:last].tolist()
