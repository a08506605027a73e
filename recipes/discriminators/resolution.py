"""Multi-resolution spectrogram discriminator of UnivNet (arXiv 2106.07889) in the configuration of Wavehax."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from recipes.discriminators.discriminator import Discriminator
from vocoders.core.config import Config

__all__ = ["MultiResolutionDiscriminator", "ResolutionOptions"]


class ResolutionOptions(Config):
    """Options of the multi-resolution discriminator.

    Attributes:
        resolutions: (n_fft, hop_length, win_length) of each spectrogram.
        channels: width of every layer.
        kernel_sizes: (frequency, time) of each layer.
        strides: (frequency, time) of each layer.
    """

    resolutions: tuple[tuple[int, int, int], ...] = ((1024, 256, 1024), (2048, 512, 2048), (512, 128, 512))
    channels: int = Field(default=32, gt=0)
    kernel_sizes: tuple[tuple[int, int], ...] = ((7, 5), (5, 3), (5, 3), (3, 3), (3, 3), (3, 3))
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 1), (2, 2), (2, 1), (2, 2), (1, 1))


class _SpectrogramDiscriminator(nn.Module):
    window: Tensor

    def __init__(self, resolution: tuple[int, int, int], options: ResolutionOptions) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.win_length = resolution
        self.register_buffer("window", torch.hann_window(self.win_length), persistent=False)
        channels = options.channels
        self.input_conv = nn.Sequential(weight_norm(nn.Conv2d(1, channels, 1)), nn.LeakyReLU(0.1))
        self.convs = nn.ModuleList()
        for kernel, stride in zip(options.kernel_sizes, options.strides, strict=True):
            padding = (kernel[0] // 2, kernel[1] // 2)
            convolution = weight_norm(nn.Conv2d(channels, channels, kernel, stride, padding))
            self.convs.append(nn.Sequential(convolution, nn.LeakyReLU(0.1)))
        self.output_conv = weight_norm(nn.Conv2d(channels, 1, 1))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = torch.stft(
            audio[:, 0], self.n_fft, self.hop_length, self.win_length, window=self.window, return_complex=True
        )
        x = self.input_conv(spectrum.abs()[:, None])
        features = []
        for layer in self.convs:
            x = layer(x)
            features.append(x)
        return self.output_conv(x), features


class MultiResolutionDiscriminator(Discriminator):
    """One discriminator per spectrogram resolution, on magnitudes.

    Shape:
        (B, 1, T) -> scores, one (B, 1, F, N) per resolution; feature maps, six per resolution.
    """

    Options = ResolutionOptions

    def __init__(self, options: ResolutionOptions | None = None) -> None:
        super().__init__(options)
        options = options or ResolutionOptions()
        self.discriminators = nn.ModuleList(
            _SpectrogramDiscriminator(resolution, options) for resolution in options.resolutions
        )

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and feature maps."""
        results = [discriminator(audio) for discriminator in self.discriminators]
        return [score for score, _ in results], [feature for _, features in results for feature in features]
