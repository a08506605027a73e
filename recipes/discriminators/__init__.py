"""Discriminators: each returns a list of scores and a list of feature maps for (B, 1, T) audio."""

from recipes.discriminators.discriminator import Discriminator
from recipes.discriminators.multi_stft import MultiSTFTDiscriminator, MultiSTFTOptions
from recipes.discriminators.period import MultiPeriodDiscriminator, PeriodOptions
from recipes.discriminators.resolution import MultiResolutionDiscriminator, ResolutionOptions
from recipes.discriminators.sub_band_cqt import SubBandCQTDiscriminator, SubBandCQTOptions
from recipes.discriminators.union import DISCRIMINATORS, DiscriminatorUnion

__all__ = [
    "DISCRIMINATORS",
    "Discriminator",
    "DiscriminatorUnion",
    "MultiPeriodDiscriminator",
    "MultiResolutionDiscriminator",
    "MultiSTFTDiscriminator",
    "MultiSTFTOptions",
    "PeriodOptions",
    "ResolutionOptions",
    "SubBandCQTDiscriminator",
    "SubBandCQTOptions",
]
