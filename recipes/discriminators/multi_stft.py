"""Multi-scale STFT discriminator (EnCodec, arXiv 2210.13438) in the configuration of PeriodWave."""

import torch
from pydantic import Field
from torch import Tensor, nn

from recipes.discriminators.discriminator import Discriminator
from recipes.discriminators.spectrum_stack import SpectrumStack
from vocoders.core.config import Config

__all__ = ["MultiSTFTDiscriminator", "MultiSTFTOptions"]


class MultiSTFTOptions(Config):
    """Options of the multi-scale STFT discriminator.

    Attributes:
        scales: (n_fft, hop_length) of each transform.
        channels: width of every layer.
        dilations: in time, of the layers that halve the frequency axis.
    """

    scales: tuple[tuple[int, int], ...] = ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
    channels: int = Field(default=32, gt=0)
    dilations: tuple[int, ...] = (1, 2, 4)


class _STFTDiscriminator(nn.Module):
    window: Tensor

    def __init__(self, n_fft: int, hop_length: int, options: MultiSTFTOptions) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.stack = SpectrumStack(options.channels, options.dilations)

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = torch.stft(
            audio[:, 0], self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True
        )
        score, features = self.stack(torch.view_as_real(spectrum).permute(0, 3, 2, 1))
        return score.flatten(1), [*features, score]


class MultiSTFTDiscriminator(Discriminator):
    """One discriminator per transform length, on real and imaginary parts.

    Shape:
        (B, 1, T), T at least the longest n_fft -> scores, one (B, n) per scale; feature maps, six per scale, the
        score among them.
    """

    Options = MultiSTFTOptions

    def __init__(self, options: MultiSTFTOptions | None = None) -> None:
        super().__init__(options)
        options = options or MultiSTFTOptions()
        self.discriminators = nn.ModuleList(_STFTDiscriminator(*scale, options) for scale in options.scales)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return scores and feature maps."""
        results = [discriminator(audio) for discriminator in self.discriminators]
        return [score for score, _ in results], [feature for _, features in results for feature in features]
