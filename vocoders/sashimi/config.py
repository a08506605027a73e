"""Configuration of autoregressive SaShiMi."""

import math
import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from vocoders.frontends.front_end import FrontEnd, ModelConfig
from vocoders.layers.s4 import S4Config
from vocoders.sashimi.blocks import NormName
from vocoders.sashimi.options import CodeSampling
from vocoders.sashimi.quantisation import QuantiserConfig
from vocoders.sashimi.tiers import SkipName

__all__ = ["VARIANTS", "SashimiConfig", "TierConfig"]


class TierConfig(ModelConfig):
    """Configuration of a network with tiers of state-space layers at different rates.

    Attributes:
        sample_rate: in Hz.
        channels: width of the fastest tier.
        num_layers: blocks per tier and direction; of autoregressive SaShiMi, pairs of a state-space and a
            position-wise block.
        pool: factor between neighbouring rates, fastest tier first.
        expand: factor between neighbouring widths.
        feedforward: expansion of the position-wise part of a block.
        s4: the state-space layers.
        kernel_length: truncation length of the parameter C of ``dplr`` layers, in samples of the fastest tier: as
            published, the length of training clips. ``None`` keeps C itself, which is exact for every length but
            computes powers of A in every training step.
    """

    sample_rate: int = Field(default=16000, gt=0)
    channels: int = Field(default=64, gt=0)
    num_layers: int = Field(default=8, ge=0, le=1024)
    pool: tuple[int, ...] = (4, 4)
    expand: int = Field(default=2, gt=0)
    feedforward: int = Field(default=2, gt=0)
    s4: S4Config = S4Config()
    kernel_length: int | None = Field(default=16000, gt=0)

    @model_validator(mode="after")
    def _check_tiers(self) -> Self:
        if any(factor < 2 for factor in self.pool):
            raise ValueError(f"pool {list(self.pool)}: every factor must be at least 2")
        total = math.prod(self.pool)
        if self.kernel_length is not None and self.kernel_length % total:
            raise ValueError(
                f"kernel_length {self.kernel_length} is not a multiple of {total}, the product of the pools"
            )
        return self

    @property
    def widths(self) -> list[int]:
        """Channels of each tier, fastest first."""
        return [self.channels * self.expand**tier for tier in range(len(self.pool) + 1)]

    @property
    def dividers(self) -> list[int]:
        """Ratio of the fastest rate to the rate of each tier."""
        return [math.prod(self.pool[:tier]) for tier in range(len(self.pool) + 1)]

    @property
    def kernel_lengths(self) -> list[int | None]:
        """Truncation length of each tier, fastest first."""
        return [None if self.kernel_length is None else self.kernel_length // rate for rate in self.dividers]


class SashimiConfig(TierConfig):
    """SaShiMi (arXiv 2202.09729); the defaults are the network of the published SC09 model.

    Attributes:
        quantiser: conversion of audio to codes.
        skips: see :class:`~vocoders.sashimi.tiers.Tiers`; ``unet`` also places blocks before each pool.
        centre_skip: add the slowest tier's input to its output.
        delayed_pools: delay the output of a slower tier by one frame, as causality requires; the reference's standalone
            backbone does so even when it is bidirectional.
        norm: norm of the blocks: ``scalar`` (reference training code) or ``layer`` (reference standalone file).
        final_norm: add a norm before the output layer.
        pool_weight_norm: normalise the weights of the pools.
        labels: labels of the sounds that the model can draw, such as spoken words (YAML needs quotes around "yes" and
            "no"); the text of a training utterance is one of them. Empty: no labels, as published.
        sampling: default options of generation.
    """

    quantiser: QuantiserConfig = QuantiserConfig()
    skips: SkipName = "tier"
    centre_skip: bool = True
    delayed_pools: bool = True
    norm: NormName = "scalar"
    final_norm: NormName = "layer"
    pool_weight_norm: bool = True
    labels: tuple[str, ...] = ()
    sampling: CodeSampling = CodeSampling()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.s4.num_systems is not None and self.channels % self.s4.num_systems:
            raise ValueError(f"s4.num_systems {self.s4.num_systems} does not divide channels {self.channels}")
        for number, label in enumerate(self.labels):
            if label in self.labels[:number] or not re.fullmatch(r"\w[\w'-]{0,63}", label):
                raise ValueError(f"label '{label}'; expected different words of letters, digits, ' and -")
        if self.sampling.is_guided and not self.labels:
            raise ValueError(f"sampling.guidance {self.sampling.guidance:g} without labels; leave it out")
        if not self.delayed_pools and not self.s4.bidirectional:
            raise ValueError("delayed_pools false lets the slower tiers read the future; expected s4.bidirectional too")
        return self

    @property
    def front_end(self) -> FrontEnd:
        """Audio itself, and labels."""
        return FrontEnd(sample_rate=self.sample_rate, labels=self.labels)

    @property
    def is_causal(self) -> bool:
        """Whether an output depends on past and current inputs alone."""
        return not self.s4.bidirectional


def _published(quantiser: Literal["mu_law", "linear"], **options: Any) -> SashimiConfig:
    return SashimiConfig(quantiser=QuantiserConfig(companding=quantiser, scheme="official"), **options)


# Networks and quantisers of the reference. Step sizes use 'exp', as in all released weights; the reference's newest
# training configurations use 'softplus', with the same initial systems.
VARIANTS: dict[str, SashimiConfig] = {
    "sc09": _published("mu_law"),
    "sc09_unet": _published(
        "mu_law",
        skips="unet",
        centre_skip=False,
        pool_weight_norm=False,
        s4=S4Config(num_systems=None),
    ),
    "youtubemix": _published("mu_law", kernel_length=131072, s4=S4Config(output="linear")),
    "beethoven": _published("linear", kernel_length=128000),
    "standalone": _published("mu_law", norm="layer", pool_weight_norm=False, s4=S4Config(num_systems=None)),
}
