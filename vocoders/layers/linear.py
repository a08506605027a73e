"""Linear layers over channels."""

import torch
from torch import Tensor, nn

__all__ = ["ChannelLinear"]


class ChannelLinear(nn.Linear):
    """Linear layer over the second axis, (B, C, L) -> (B, C', L): a convolution of width one, its weight a matrix."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to every time step."""
        if torch.onnx.is_in_onnx_export():  # a runtime need not repeat the weight for each item
            product = torch.matmul(self.weight, input)
            return product if self.bias is None else product + self.bias[:, None]
        # One call for product and bias is faster on CPUs than a convolution of width one, forward and backward.
        weight = self.weight.expand(input.shape[0], -1, -1)
        if self.bias is None:
            return torch.bmm(weight, input)
        return torch.baddbmm(self.bias[:, None], weight, input)
