"""Conditional flow matching: the network regresses the velocity of straight paths from noise to audio.

Source: PeriodWave (arXiv 2408.07547), after Lipman et al. (arXiv 2210.02747).
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from torch import Tensor, nn

from recipes.objectives.objective import Batch, Log, Objective, Update
from vocoders.core.config import Config
from vocoders.core.counter_noise import counter_uniform
from vocoders.flow import FlowSample

__all__ = ["FlowMatchingObjective", "FlowMatchingOptions", "FlowModel", "flow_matching_loss"]


class FlowMatchingOptions(Config):
    """Options of flow matching.

    Attributes:
        name: ``flow_matching``.
        weighting: ``prior`` divides the error by the deviation of the prior (published for models with an energy
            prior), so that quiet and loud frames have equal weight; ``none`` is the plain mean square.
    """

    name: Literal["flow_matching"] = "flow_matching"
    weighting: Literal["prior", "none"] = "prior"


class FlowModel(Protocol):
    """Interface of a velocity network, for flow matching."""

    def flow_sample(self, batch: Batch, t: Tensor) -> FlowSample:
        """Return the arguments of ``forward`` at times t (B,), the target of its output, and the prior's deviation."""
        ...


class FlowMatchingObjective(Objective):
    """Regression of the velocity at a random time of each item.

    Args:
        options: the weighting.
        generator: a velocity network.
    """

    Options = FlowMatchingOptions

    def __init__(self, options: FlowMatchingOptions, generator: FlowModel) -> None:
        super().__init__(options, generator)
        self.flow_sample = generator.flow_sample

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the generator once.

        Args as in :meth:`Objective.training_step`; ``batch`` holds ``audio`` (B, 1, T), ``seed`` (B,) and what the
        generator needs.
        """
        t = draw_times(batch["seed"])
        sample = self.flow_sample(batch, t)
        deviation = sample.deviation if self.options.weighting == "prior" else None
        loss = flow_matching_loss(parts["generator"](**sample.inputs), sample.velocity, deviation)
        return {"loss/flow_matching": loss.detach(), "gradient/generator": update("generator", loss)}


def draw_times(seeds: Tensor) -> Tensor:
    """Draw a time in [0, 1) for each item from its seed, (B,); independent of the noise from the same seed."""
    return counter_uniform(seeds, stream=2)[:, 0]


def flow_matching_loss(
    velocity: Tensor, target: Tensor, deviation: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Return the mean square of (velocity - target) / deviation, each (B, C, T), where ``mask`` is one."""
    error = velocity - target
    square = (error if deviation is None else error / deviation).square()
    return square.mean() if mask is None else (square * mask).sum() / mask.expand_as(square).sum()
