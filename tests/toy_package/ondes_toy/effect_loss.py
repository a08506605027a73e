"""A loss of effects, which hears the dry audio too."""

from torch import Tensor, nn


class PeakLoss(nn.Module):
    """Mean difference of the peaks of items."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the distance of audio (B, C, T)."""
        return (prediction.abs().amax(dim=-1) - target.abs().amax(dim=-1)).abs().mean()
