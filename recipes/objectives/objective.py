"""Base class of objectives: one training idea, independent of steps, devices and files."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from recipes.families import Kind
from vocoders.core.config import Config

__all__ = ["Batch", "Log", "Objective", "Update", "unwrap"]

Batch = Mapping[str, Any]
Log = dict[str, Tensor | float]
#: ``update(part, loss)`` back-propagates, clips and steps one part, and returns the norm of its gradient.
Update = Callable[[str, Tensor], Tensor | float]


class Objective(nn.Module, ABC):
    """One training idea.

    Args:
        options: an instance of ``Options``.
        generator: the model to train; subclasses define its interface.

    Attributes:
        Options: typed options; ``name`` is the name of the objective.
        kinds: kinds of models that it can train.
        needs_initial: whether it tunes a trained model.
        validation_units: names under which a validation reports :meth:`validation_loss`, and the factor of each, such
            as bits for nats; the first is the loss. Empty: the objective has no validation loss.
    """

    Options: ClassVar[type[Config]]
    kinds: ClassVar[tuple[Kind, ...]] = ("vocoder",)
    needs_initial: ClassVar[bool] = False
    validation_units: ClassVar[Mapping[str, float]] = {}

    def __init__(self, options: Any, generator: Any) -> None:
        super().__init__()
        self.options = options

    def parts(self) -> dict[str, nn.Module]:
        """Return the modules trained in addition to the generator, by name."""
        return {}

    @abstractmethod
    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train every part once.

        Args:
            parts: ``generator`` and :meth:`parts`, possibly wrapped for distributed training. They are called through
                their wrappers, so that gradients are averaged over processes.
            batch: batch of the loader, on the device.
            step: number of updates so far.
            update: see :data:`Update`.

        Returns:
            Losses and gradient norms by name.
        """

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the summed loss of a batch, and the number of its terms; for objectives with ``validation_units``."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of a validation")


def unwrap(module: nn.Module) -> nn.Module:
    """Return a module without the wrapper of distributed training."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module
