"""Multi-period discriminator (HiFi-GAN, arXiv 2010.05646) in the configuration of UnivNet and Wavehax."""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from recipes.discriminators.discriminator import Discriminator
from vocoders.core.config import Config

__all__ = ["MultiPeriodDiscriminator", "PeriodOptions"]


class PeriodOptions(Config):
    """Options of the multi-period discriminator.

    Attributes:
        periods: samples per row.
        channels: width of the first layer; each further layer has four times as many.
        max_channels: upper limit of the width.
        kernel_sizes: of the layers and of the output convolution, along time.
        strides: along time, one per layer.
        score_is_feature: count the score as one more feature map, as HiFi-GAN does.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    channels: int = Field(default=32, gt=0)
    max_channels: int = Field(default=1024, gt=0)
    kernel_sizes: tuple[int, int] = (5, 3)
    strides: tuple[int, ...] = (3, 3, 3, 3, 1)
    score_is_feature: bool = False


class _PeriodDiscriminator(nn.Module):
    def __init__(self, period: int, options: PeriodOptions) -> None:
        super().__init__()
        self.period, self.score_is_feature = period, options.score_is_feature
        self.convs = nn.ModuleList()
        kernel, output_kernel = options.kernel_sizes
        in_channels, out_channels = 1, options.channels
        for stride in options.strides:
            convolution = nn.Conv2d(in_channels, out_channels, (kernel, 1), (stride, 1), padding=(kernel // 2, 0))
            self.convs.append(nn.Sequential(weight_norm(convolution), nn.LeakyReLU(0.1)))
            in_channels, out_channels = out_channels, min(out_channels * 4, options.max_channels)
        output = nn.Conv2d(in_channels, 1, (output_kernel, 1), padding=(output_kernel // 2, 0))
        self.output_conv = weight_norm(output)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        remainder = x.shape[-1] % self.period
        if remainder:
            x = F.pad(x, (0, self.period - remainder), mode="reflect")
        x = x.unflatten(-1, (-1, self.period))
        features = []
        for layer in self.convs:
            x = layer(x)
            features.append(x)
        score = self.output_conv(x)
        if self.score_is_feature:
            features.append(score)
        return score.flatten(1), features


class MultiPeriodDiscriminator(Discriminator):
    """One discriminator per period, each on the waveform folded into rows of that many samples.

    Shape:
        (B, 1, T) -> scores, one (B, n) per period; feature maps, five per period, six with the score among them.
    """

    Options = PeriodOptions

    def __init__(self, options: PeriodOptions | None = None) -> None:
        super().__init__(options)
        options = options or PeriodOptions()
        self.discriminators = nn.ModuleList(_PeriodDiscriminator(period, options) for period in options.periods)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and feature maps."""
        results = [discriminator(audio) for discriminator in self.discriminators]
        return [score for score, _ in results], [feature for _, features in results for feature in features]
