"""Configuration of DiffWave with the SaShiMi backbone."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MelConfig
from vocoders.layers.s4 import S4Config
from vocoders.sashimi.config import TierConfig
from vocoders.sashimi.diffwave.diffusion import DiffusionConfig

__all__ = ["TACOTRON_MEL", "VARIANTS", "DiffwaveSashimiConfig"]

# Mel spectrogram of Tacotron 2.
TACOTRON_MEL = MelConfig.from_dict({"preset": "hifigan_22k", "padding": "center_reflect", "magnitude_epsilon": 0.0})


class DiffwaveSashimiConfig(TierConfig):
    """DiffWave with the SaShiMi backbone; the defaults are the published large unconditional model for SC09.

    Attributes:
        mel: conditioning mel, or None for an unconditional model.
        mel_upsample: factors by which each block upsamples the mel; their product is the hop length.
        mel_alignment: ``aligned`` upsamples the mel to the rate of each tier; ``official`` reproduces the reference, as
            its weights need: it upsamples to the full rate and truncates, so that slower tiers take the beginning of
            the mel alone, stretched over the whole segment.
        unet: place blocks before each pool too, with skip connections from all of them.
        limit_kernel: never use kernels longer than ``kernel_length``, as in the reference.
        diffusion: noise schedule of training.
    """

    mel: MelConfig | None = None
    mel_upsample: tuple[int, ...] = (16, 16)
    mel_alignment: Literal["aligned", "official"] = "aligned"
    channels: int = Field(default=128, gt=0)
    num_layers: int = Field(default=6, gt=0, le=1024)
    unet: bool = True
    s4: S4Config = S4Config(num_systems=None, bidirectional=True)
    limit_kernel: bool = False
    diffusion: DiffusionConfig = DiffusionConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
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
