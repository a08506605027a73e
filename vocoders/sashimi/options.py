"""Options of generation of SaShiMi, and the part of them that belongs to the configuration."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from vocoders.core.options import Option, SynthesisOptions, option

__all__ = ["CodeOptions", "CodeSampling", "WeightFormat"]

WeightFormat = Literal["float32", "int16"]


class CodeSampling(SynthesisOptions):
    """Temperature, top-p and guidance."""

    temperature: float = option(1.0, dial=(0, 1.5), ge=0, allow_inf_nan=False)
    """Divisor of the logits; 0 always takes the most probable code."""
    top_p: float = option(1.0, dial=(0.5, 1), gt=0, le=1, title="Top-p")
    """Total probability of the codes to draw from, the most probable ones, computed at temperature 1 as published; 1:
    all codes."""
    # Logits are a + g (l - a), where l are the logits with the label's offset and a those with the mean of all offsets,
    # as in classifier-free guidance (arXiv 2207.12598), but without training for a.
    guidance: float = option(1.0, dial=(1, 3), ge=0, allow_inf_nan=False)
    """Strength of the label, for a model with labels: above 1 exaggerates the difference from the other labels, at the
    cost of a second network pass."""
    loudest: float | None = Field(default=None, gt=0)
    """Largest RMS of a tenth of a second, full scale 1: an item with a louder one has run away into noise, and is drawn
    again. It belongs to the training data."""

    @property
    def is_guided(self) -> bool:
        """Whether guidance steps a second sequence."""
        return self.guidance != 1

    @classmethod
    def declared_for(cls, config: Mapping[str, Any]) -> tuple[Option, ...]:
        """Return the options without guidance where there are no labels."""
        return tuple(option for option in cls.declared() if option.name != "guidance" or config.get("labels"))


class CodeOptions(CodeSampling):
    """Options of SaShiMi."""

    weights: WeightFormat = option("float32")
    """Format of the weights on a CPU: int16 is faster and changes logits by some 1e-4."""
