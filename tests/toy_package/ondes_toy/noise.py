"""White noise that belongs to seeds, so that an item does not depend on the others."""

from collections.abc import Iterable

import torch
from torch import Tensor


def draw_noise(seeds: Iterable[int], length: int) -> Tensor:
    """Return noise (B, 1, length), one item for each seed."""
    return torch.stack([torch.randn(1, length, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
