"""Options of synthesis of PeriodWave, and the part of them that belongs to the configuration."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions, option
from vocoders.solvers import SolverName

__all__ = [
    "AnyFlowOptions",
    "AnyFlowSampling",
    "BandFlowOptions",
    "BandFlowSampling",
    "FlowOptions",
    "FlowSampling",
    "title_of",
]


class AnyFlowSampling(SynthesisOptions):
    """Solver and temperature of flows, without the number of steps."""

    solver: SolverName = option("midpoint")
    """Solver of the flow."""
    temperature: float = option(0.667, dial=(0, 1.5), ge=0, allow_inf_nan=False)
    """Factor on the deviation of the prior."""
    # Beyond these limits the times would decrease.
    sway: float = option(0.0, dial=(-1, 1), ge=-1, le=2 / (math.pi - 2))
    """Unevenness of the steps: negative values put more steps near the noise; 0: equal steps."""
    freeu: tuple[float, float] | None = option(None, title="FreeU")
    """Factors on the up-sampled features and on the skip connections of the U-Net; published: 1.1 and 0.9, for models
    without adversarial tuning."""
    mel_refinement: int = option(0, dial=(0, 64), ge=0)
    """Iterations of mel refinement, which move the mel of the output towards the input mel (ours; published: 0)."""

    spellings = {"refinement": "mel_refinement"}


class AnyFlowOptions(AnyFlowSampling):
    """Options of synthesis that every flow has."""

    chunk_seconds: float | None = option(None, dial=(1, 30), ge=1, allow_inf_nan=False)
    """Length of chunks that are synthesised separately and cross-faded, for hours of audio; none: no chunks."""


class FlowSampling(AnyFlowSampling):
    """Solver, steps and temperature of a flow."""

    steps: int = option(16, dial=(1, 64), gt=0)
    """Number of solver steps."""


class FlowOptions(FlowSampling, AnyFlowOptions):
    """Options of PeriodWave."""


class BandFlowSampling(AnyFlowSampling):
    """Solver, steps and temperature of the flows of several bands."""

    steps: int | tuple[int, ...] | None = option(None, dial=(1, 64))
    """Number of solver steps, one for all bands or one for each, instead of ``band_steps``."""
    band_steps: tuple[int, ...] = Field(default=(16, 4, 1, 1), min_length=1)
    """Number of solver steps of each band, in ascending frequency; given the lower bands, a high band needs few steps
    (published as an option without much loss: 16, 4, 1, 1)."""

    @model_validator(mode="after")
    def _check(self) -> "BandFlowSampling":
        numbers = (self.steps,) if isinstance(self.steps, int) else self.steps or self.band_steps
        if min(numbers) < 1:
            raise ValueError(f"{min(numbers)} steps; expected at least 1 for each band")
        return self

    def steps_of_bands(self, num_bands: int) -> tuple[int, ...]:
        """Return the number of steps of each of ``num_bands`` bands.

        Raises:
            ConfigError: if ``band_steps`` is for another number of bands.
        """
        if isinstance(self.steps, int):
            return (self.steps,) * num_bands
        steps = self.steps or self.band_steps
        if len(steps) != num_bands:
            raise ConfigError(f"sampling: steps has {len(steps)} numbers for {num_bands} bands; give one for each")
        return steps


class BandFlowOptions(BandFlowSampling, AnyFlowOptions):
    """Options of the multi-band PeriodWave."""


def title_of(config: Mapping[str, Any]) -> str:
    """Return the title of a model with this configuration: PeriodWave-Turbo has few Euler steps from noise."""
    sampling = config.get("sampling")
    own = sampling if isinstance(sampling, Mapping) else {}
    is_few = own.get("solver") == "euler" and own.get("steps") in (1, 2, 3, 4)
    return "PeriodWave-Turbo" if is_few and config.get("prior") != "mel_consistent" else "PeriodWave"
