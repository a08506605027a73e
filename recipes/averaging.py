"""The moving average of a model's weights, in a few operations and without a wait for the device."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["MovingAverage"]


class MovingAverage(AveragedModel):
    """Exponential moving average of the parameters; buffers are those of the model.

    torch's own update asks the device for the number of updates, once for each parameter. Here the host counts.

    Args:
        model: the model.
        decay: decay of the average; lower at first, to forget the initial weights soon.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self._decay, self._updates = decay, 0

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``."""
        average: list[Tensor] = list(self.module.parameters())
        current: list[Tensor] = list(model.parameters())
        if self._updates == 0:
            torch._foreach_copy_(average, current)  # pyright: ignore[reportPrivateImportUsage]
        else:
            decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
            torch._foreach_lerp_(average, current, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(buffer)
        self._updates += 1
        self.n_averaged += 1

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load the average, and the number of updates that it has had."""
        result = super().load_state_dict(*args, **kwargs)
        self._updates = int(self.n_averaged)
        return result
