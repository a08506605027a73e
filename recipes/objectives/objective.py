"""What every objective is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from vocoders.core.config import Config

__all__ = ["Objective", "Update"]

Update = Callable[[str, Tensor], float]


class Objective(nn.Module, ABC):
    """One training idea: which losses there are, and in which order the parts of a model are updated.

    It knows nothing of steps, devices, processes or files. What it takes from the generator besides its ``forward`` are
    documented methods such as :meth:`~vocoders.core.pretrained.PretrainedModel.draw_inputs`.

    Args:
        options: an instance of ``Options``.
        generator: the model to train.

    Attributes:
        Options: what a recipe can say; its field ``name`` is the name of the objective.
        needs_initial: whether training starts from a trained model.
        validation_units: values of a validation of models without features, each by its factor to the mean of
            :meth:`validation_loss`; the first one counts. Empty: there are none.
    """

    Options: ClassVar[type[Config]]
    needs_initial: ClassVar[bool] = False
    validation_units: ClassVar[Mapping[str, float]] = {}

    def __init__(self, options: Any, generator: nn.Module) -> None:
        super().__init__()
        self.options = options

    def parts(self) -> dict[str, nn.Module]:
        """Return the modules that this objective trains besides the generator; none unless a subclass has some."""
        return {}

    @abstractmethod
    def training_step(
        self, parts: Mapping[str, nn.Module], batch: Mapping[str, Any], step: int, update: Update
    ) -> dict[str, Tensor | float]:
        """Train every part once.

        Args:
            parts: ``generator`` and those of :meth:`parts`, possibly wrapped for distributed training; called through
                their wrappers, they average gradients over processes.
            batch: ``audio`` (B, 1, T), ``seed`` (B,) and what the generator needs.
            step: number of updates made so far.
            update: ``update(part, loss)`` back-propagates, clips and steps one part, and returns its gradient norm.

        Returns:
            Losses and gradient norms by name.
        """

    def validation_loss(self, generator: nn.Module, batch: Mapping[str, Any]) -> tuple[float, int]:
        """Return the summed loss of a batch and what it is to be divided by, for ``validation_units``."""
        raise NotImplementedError(f"{type(self).__name__} has validation_units and no validation_loss()")
