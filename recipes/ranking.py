"""Ranking of generated items by likelihood."""

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError

__all__ = ["select"]


def select(log_likelihoods: Tensor, drop_worst: float = 0.4, drop_best: float = 0.05) -> list[int]:
    """Drop the least and the most likely items; return the others in ascending order of likelihood.

    The defaults are published for SC09: unlikely items are noise, and the most likely ones silence.

    Args:
        log_likelihoods: (B,), of items with equal length.
        drop_worst: fraction of the items to drop, least likely first, rounded to whole items.
        drop_best: fraction of the items to drop, most likely first.

    Raises:
        ConfigError: if a fraction is outside [0, 1), or no item would remain.
    """
    for name, part in (("drop_worst", drop_worst), ("drop_best", drop_best)):
        if not 0 <= part < 1:
            raise ConfigError(f"{name} {part:g}; expected a fraction in [0, 1)")
    count = len(log_likelihoods)
    first, last = round(drop_worst * count), count - round(drop_best * count)
    if first >= last:
        raise ConfigError(f"dropping {drop_worst:g} and {drop_best:g} of {count} items leaves none; drop fewer")
    return torch.argsort(log_likelihoods, stable=True)[first:last].tolist()
