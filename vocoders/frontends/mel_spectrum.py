"""A non-negative spectrum with a given mel."""

import torch
from torch import Tensor

__all__ = ["spectrum_of_mel"]


def spectrum_of_mel(mel: Tensor, filters: Tensor, updates: int = 8) -> Tensor:
    """Return a non-negative spectrum whose mel is close to a given one.

    It starts at the smooth spectrum of the bands' means, and goes on by multiplicative updates for the Kullback-Leibler
    divergence (Lee and Seung 2001) with the filters as the fixed factor. Bins outside of all filters are 0.

    Args:
        mel: non-negative (..., n_mels, F), without logarithm.
        filters: (n_mels, n_fft // 2 + 1).
        updates: more of them resolve the harmonics better, and give less smooth spectra.

    Returns:
        (..., n_fft // 2 + 1, F).
    """
    sums = filters.sum(dim=0)[:, None]
    back = filters.T / sums.clamp(min=1e-9)
    found = torch.matmul(back, mel / filters.sum(dim=1, keepdim=True).clamp(min=1e-9))
    for _ in range(updates):
        found = found * torch.matmul(back, mel / torch.matmul(filters, found).clamp(min=1e-9))
    return found
