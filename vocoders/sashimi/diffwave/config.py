"""Configuration of DiffWave with the SaShiMi backbone."""

import math
from typing import Literal

from pydantic import Field, model_validator

from vocoders.frontends.front_end import FrontEnd, ModelConfig
from vocoders.frontends.mel import MelConfig
from vocoders.layers.s4 import S4Config
from vocoders.sashimi.diffwave.diffusion import DiffusionConfig

__all__ = ["TACOTRON_MEL", "VARIANTS", "DiffwaveSashimiConfig"]

# Mel spectrogram of Tacotron 2.
TACOTRON_MEL = MelConfig.from_dict({"preset": "hifigan_22k", "padding": "center_reflect", "magnitude_epsilon": 0.0})


class DiffwaveSashimiConfig(ModelConfig):
    """DiffWave with the SaShiMi backbone; the defaults are the published large unconditional model for SC09.

    Attributes:
        sample_rate: in Hz.
        mel: conditioning mel, or None for an unconditional model.
        mel_upsample: factors by which each block upsamples the mel; their product is the hop length.
        mel_alignment: ``aligned`` upsamples the mel to the rate of each tier; ``official`` reproduces the reference, as
            its weights need: it upsamples to the full rate and truncates, so that slower tiers take the beginning of
            the mel alone, stretched over the whole segment.
        channels: width of the fastest tier.
        num_layers: blocks per tier and direction.
        pool: factor between neighbouring rates, fastest tier first.
        expand: factor between neighbouring widths.
        feedforward: expansion of the position-wise half of a block.
        unet: place blocks before each pool too, with skip connections from all of them.
        s4: the state-space layers.
        kernel_length: truncation length of the parameter C, in samples of the fastest tier; None: no truncation.
        limit_kernel: never use kernels longer than that, as in the reference.
        diffusion: noise schedule of training.
    """

    sample_rate: int = Field(default=16000, gt=0)
    mel: MelConfig | None = None
    mel_upsample: tuple[int, ...] = (16, 16)
    mel_alignment: Literal["aligned", "official"] = "aligned"
    channels: int = Field(default=128, gt=0)
    num_layers: int = Field(default=6, gt=0)
    pool: tuple[int, ...] = (4, 4)
    expand: int = Field(default=2, gt=0)
    feedforward: int = Field(default=2, gt=0)
    unet: bool = True
    s4: S4Config = S4Config(num_systems=None, bidirectional=True)
    kernel_length: int | None = Field(default=16000, gt=0)
    limit_kernel: bool = False
    diffusion: DiffusionConfig = DiffusionConfig()

    @model_validator(mode="after")
    def _check(self) -> "DiffwaveSashimiConfig":
        if any(factor < 2 for factor in self.pool):
            raise ValueError(f"pool {list(self.pool)}: every factor must be at least 2")
        if self.kernel_length is not None and self.kernel_length % math.prod(self.pool):
            total = math.prod(self.pool)
            raise ValueError(
                f"kernel_length {self.kernel_length} is not a multiple of {total}, the product of the pools"
            )
        if self.limit_kernel and self.kernel_length is None:
            raise ValueError("limit_kernel needs a kernel_length")
        if self.mel is None:
            return self
        if self.mel.sample_rate != self.sample_rate:
            raise ValueError(f"sample_rate {self.sample_rate} Hz differs from the mel's, {self.mel.sample_rate} Hz")
        if math.prod(self.mel_upsample) != self.mel.hop_length:
            raise ValueError(f"mel_upsample {list(self.mel_upsample)} does not multiply to hop {self.mel.hop_length}")
        if self.mel_alignment == "aligned" and self.mel.hop_length % math.prod(self.pool):
            raise ValueError(f"mel_alignment 'aligned' needs a hop that all pools divide, not {self.mel.hop_length}")
        return self

    @property
    def front_end(self) -> FrontEnd:
        """The mel, or audio itself."""
        return FrontEnd(sample_rate=self.sample_rate, mel=self.mel)

    @property
    def widths(self) -> list[int]:
        """Channels of each tier, fastest first."""
        return [self.channels * self.expand**tier for tier in range(len(self.pool) + 1)]

    @property
    def kernel_lengths(self) -> list[int | None]:
        """Truncation length of each tier, fastest first."""
        return [None if self.kernel_length is None else self.kernel_length // rate for rate in self.dividers]

    @property
    def dividers(self) -> list[int]:
        """Ratio of the fastest rate to the rate of each tier."""
        return [math.prod(self.pool[:tier]) for tier in range(len(self.pool) + 1)]

    def upsample_factors(self, tier: int) -> list[int]:
        """Return the mel upsampling factors of a tier; 'aligned' divides the last ones by the tier's divider."""
        factors, divider = list(self.mel_upsample), self.dividers[tier]
        if self.mel_alignment == "official":
            return factors
        for index in reversed(range(len(factors))):
            common = math.gcd(factors[index], divider)
            factors[index], divider = factors[index] // common, divider // common
        return factors


VARIANTS: dict[str, DiffwaveSashimiConfig] = {
    "sc09_large": DiffwaveSashimiConfig(limit_kernel=True),
    "sc09_small": DiffwaveSashimiConfig(channels=64, limit_kernel=True),
    "ljspeech_official": DiffwaveSashimiConfig(
        sample_rate=22050,
        mel=TACOTRON_MEL,
        mel_alignment="official",
        channels=32,
        limit_kernel=True,
        diffusion=DiffusionConfig(num_steps=50, last_beta=0.05),
    ),
    "ljspeech": DiffwaveSashimiConfig(
        sample_rate=22050, mel=TACOTRON_MEL, channels=32, diffusion=DiffusionConfig(num_steps=50, last_beta=0.05)
    ),
}
