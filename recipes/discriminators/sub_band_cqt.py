"""Multi-scale sub-band constant-Q discriminator (Gu et al., arXiv 2311.14957) in the configuration of PeriodWave-Turbo.

BigVGAN-v2 has the same one.
"""

from collections.abc import Iterable
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from recipes.discriminators.discriminator import Discriminator
from recipes.discriminators.spectrum_stack import SpectrumStack
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.core.sinc_resampling import SincResampler
from vocoders.frontends.constant_q import ConstantQ, ConstantQConfig, OctaveLadder

__all__ = ["SubBandCQTDiscriminator", "SubBandCQTOptions"]

# The transform runs at twice the sample rate, so that the highest octave stays below the Nyquist frequency.
_OVERSAMPLING = 2


class SubBandCQTOptions(Config):
    """Options of the sub-band constant-Q discriminator.

    Attributes:
        sample_rate: of the audio in Hz; an objective fills it in from its generator.
        hop_lengths: frame distance of each transform, in samples at twice the sample rate.
        bins_per_octave: of each transform.
        num_octaves: of all transforms.
        fmin: lowest frequency in Hz.
        channels: width of every layer.
        dilations: in time, of the layers that halve the frequency axis.
    """

    sample_rate: int = Field(default=24000, gt=0)
    hop_lengths: tuple[int, ...] = (512, 256, 256)
    bins_per_octave: tuple[int, ...] = (24, 36, 48)
    num_octaves: int = Field(default=9, gt=0)
    fmin: float = Field(default=32.70, gt=0)
    channels: int = Field(default=128, gt=0)
    dilations: tuple[int, ...] = (1, 2, 4)

    def transforms(self) -> list[ConstantQConfig]:
        """Return the configuration of each transform.

        Raises:
            ConfigError: if options contradict each other.
        """
        if len(self.hop_lengths) != len(self.bins_per_octave):
            raise ConfigError(
                f"discriminator 'ms_sb_cqt': {len(self.hop_lengths)} hop_lengths and {len(self.bins_per_octave)} "
                "bins_per_octave; expected as many"
            )
        common = {
            "sample_rate": _OVERSAMPLING * self.sample_rate,
            "fmin": self.fmin,
            "num_octaves": self.num_octaves,
        }
        return [
            ConstantQConfig.from_dict(
                {**common, "hop_length": hop_length, "bins_per_octave": bins}, "discriminator 'ms_sb_cqt'"
            )
            for hop_length, bins in zip(self.hop_lengths, self.bins_per_octave, strict=True)
        ]


class _CQTDiscriminator(nn.Module):
    def __init__(self, config: ConstantQConfig, options: SubBandCQTOptions) -> None:
        super().__init__()
        self.transform = ConstantQ(config)
        octaves = config.num_octaves
        # Each octave has its own 2 -> 2 convolution: groups of one.
        self.octave_conv = nn.Conv2d(2 * octaves, 2 * octaves, (3, 9), padding=(1, 4), groups=octaves)
        self.stack = SpectrumStack(options.channels, options.dilations, normalize_input=False)

    def forward(self, slices: Tensor) -> tuple[Tensor, list[Tensor]]:
        num_octaves = slices.shape[1]
        x = slices.transpose(2, 3).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        x = self.octave_conv(x).unflatten(1, (num_octaves, 2))
        return self.stack(x.permute(0, 2, 3, 1, 4).flatten(3))


class SubBandCQTDiscriminator(Discriminator):
    """One discriminator per constant-Q transform, on real and imaginary parts.

    Shape:
        (B, 1, T) -> scores, one (B, 1, N, n) per transform; feature maps, five per transform.
    """

    Options = SubBandCQTOptions

    def __init__(self, options: SubBandCQTOptions | None = None) -> None:
        super().__init__(options)
        options = options or SubBandCQTOptions()
        self.resample = SincResampler(1, _OVERSAMPLING)
        self.ladder = OctaveLadder(options.num_octaves)
        self.discriminators = nn.ModuleList(_CQTDiscriminator(config, options) for config in options.transforms())

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and feature maps."""
        # torch's ModuleList has no type of its items.
        discriminators = cast("Iterable[_CQTDiscriminator]", self.discriminators)
        # Filters this long need float32, whatever the precision of training.
        with torch.autocast(audio.device.type, enabled=False):
            audio = audio.float() if audio.dtype in (torch.float16, torch.bfloat16) else audio
            signals = self.ladder(self.resample(audio[:, 0]))
            spectra = [discriminator.transform.analyze(signals) for discriminator in discriminators]
        results = [discriminator(slices) for discriminator, slices in zip(discriminators, spectra, strict=True)]
        return [score for score, _ in results], [feature for _, features in results for feature in features]
