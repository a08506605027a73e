"""Convolutions over a complex spectrogram, common to the multi-scale STFT and the sub-band CQT discriminators."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

__all__ = ["SpectrumStack"]

# Slope of both discriminators in PeriodWave; EnCodec has 0.2.
_SLOPE = 0.1


class SpectrumStack(nn.Module):
    """Dilated in time, strided in frequency, to a map of scores (EnCodec, arXiv 2210.13438).

    Args:
        channels: width of every layer.
        dilations: in time, one per strided layer.
        normalize_input: give the first layer weight normalisation, like the others.

    Shape:
        (B, 2, N, F), real and imaginary part -> score (B, 1, N, ceil(F / 2^len(dilations))), and the activations of
        every layer.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...], normalize_input: bool = True) -> None:
        super().__init__()
        first = nn.Conv2d(2, channels, (3, 9), padding=(1, 4))
        strided = [
            nn.Conv2d(channels, channels, (3, 9), (1, 2), padding=(dilation, 4), dilation=(dilation, 1))
            for dilation in dilations
        ]
        last = nn.Conv2d(channels, channels, (3, 3), padding=(1, 1))
        convs = [weight_norm(conv) for conv in (*strided, last)]
        self.convs = nn.ModuleList([weight_norm(first) if normalize_input else first, *convs])
        self.output_conv = weight_norm(nn.Conv2d(channels, 1, (3, 3), padding=(1, 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the score and the feature maps."""
        # A third faster on a CPU than the default layout, which all layers would otherwise keep.
        x = x.contiguous(memory_format=torch.channels_last)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), _SLOPE, inplace=True)
            features.append(x)
        return self.output_conv(x), features
