"""The three published Wavehax networks: normalised mel and prior waveform in, waveform out.

All of them treat the short-time spectrum of the prior as an image (frequency by time), process it with the mel in 2-D
ConvNeXt blocks, and invert the resulting spectrum. Nothing upsamples, so nothing aliases (arXiv 2411.06807;
multi-scale: arXiv 2506.03554).

Each network maps ``features`` (B, n_mels, N), normalised, and ``prior`` (B, 1, N * hop_length) to a waveform
(B, 1, N * hop_length).
"""

import torch
from torch import Tensor, nn

from vocoders.frontends.stft import STFT, from_log_magnitude_phase, log_magnitude_phase
from vocoders.layers.complex import (
    ComplexConv1d,
    ComplexConv2d,
    ComplexConvNeXtBlock2d,
    initialize_semi_unitary,
    make_complex_norm,
)
from vocoders.layers.convnext import ConvNeXtBlock2d, channels_last, initialize_weights
from vocoders.layers.decomposers import make_decomposer
from vocoders.layers.norms import make_norm
from vocoders.wavehax.config import WavehaxConfig

__all__ = ["ComplexNetwork", "ImageNetwork", "MultiScaleNetwork", "RealNetwork", "frame_convolution"]

# Width in frames of the one-dimensional convolutions on prior and mel, in every published configuration.
FRAME_KERNEL = 7


def frame_convolution(in_channels: int, out_channels: int) -> nn.Conv1d:
    """Make a convolution over frames with reflected borders."""
    return nn.Conv1d(in_channels, out_channels, FRAME_KERNEL, padding=FRAME_KERNEL // 2, padding_mode="reflect")


def _make_blocks(config: WavehaxConfig) -> nn.ModuleList:
    """Make the ConvNeXt blocks of a network."""
    block = ComplexConvNeXtBlock2d if config.network == "complex" else ConvNeXtBlock2d
    options = {"norm": config.norm, "layer_scale": 1 / max(config.num_blocks, 1), "drop_prob": config.drop_prob}
    return nn.ModuleList(
        block(config.channels, config.mult_channels, config.kernel_size, **options) for _ in range(config.num_blocks)
    )


class ImageNetwork(nn.Module):
    """What networks on real images have in common: ConvNeXt blocks between an input and an output layer."""

    def add_image_layers(self, config: WavehaxConfig, inputs: int, outputs: int) -> None:
        """Make the layers behind all others of the network, then initialise all."""
        self.input_proj = nn.Conv2d(inputs, config.channels, 1, bias=False)
        self.input_norm = make_norm(config.outer_norm_name, config.channels)
        self.blocks = _make_blocks(config)
        self.output_norm = make_norm(config.outer_norm_name, config.channels)
        self.output_proj = nn.Conv2d(config.channels, outputs, 1)
        initialize_weights(self)

    def refine(self, image: Tensor) -> Tensor:
        """Return the image (B, outputs, bins, N) of an image (B, inputs, bins, N)."""
        x = self.input_norm(self.input_proj(channels_last(image)))
        for block in self.blocks:
            x = block(x)
        return self.output_proj(self.output_norm(x))


class RealNetwork(ImageNetwork):
    """Wavehax v1, v2 and full band: real and imaginary parts as two channels."""

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__()
        self.log_magnitude_phase = config.log_magnitude_phase
        self.stft = STFT(config.n_fft, config.hop_length)
        self.prior_proj = frame_convolution(config.num_bins, config.num_bins)
        self.cond_proj = frame_convolution(config.in_channels, config.num_bins)
        self.add_image_layers(config, 5, 2)

    def forward(self, features: Tensor, prior: Tensor) -> Tensor:
        """Return the waveform."""
        real, imag = self.stft(prior)
        if self.log_magnitude_phase:
            real, imag = log_magnitude_phase(real, imag)
        channels = [real, imag, self.prior_proj(real), self.prior_proj(imag), self.cond_proj(features)]
        real, imag = self.refine(torch.stack(channels, dim=1)).unbind(dim=1)
        if self.log_magnitude_phase:
            real, imag = from_log_magnitude_phase(real, imag)
        return self.stft.inverse(real, imag)


class ComplexNetwork(nn.Module):
    """Complex-valued Wavehax: every layer is complex, ``channels`` counts complex channels."""

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__()
        self.stft = STFT(config.n_fft, config.hop_length)
        frame_options = {"kernel_size": FRAME_KERNEL, "padding": FRAME_KERNEL // 2}
        self.prior_proj = ComplexConv1d(config.num_bins, config.num_bins, **frame_options)
        self.cond_proj = ComplexConv1d(config.in_channels, config.num_bins, **frame_options)
        self.input_proj = ComplexConv2d(3, config.channels, 1, bias=False)
        self.input_norm = make_complex_norm(config.outer_norm_name, config.channels)
        self.blocks = _make_blocks(config)
        self.output_norm = make_complex_norm(config.outer_norm_name, config.channels)
        self.output_proj = ComplexConv2d(config.channels, 1, 1)
        if config.semi_unitary_init:
            initialize_semi_unitary(self)

    def forward(self, features: Tensor, prior: Tensor) -> Tensor:
        """Return the waveform."""
        spectrum = self.stft(prior)
        pairs = [spectrum, self.prior_proj(*spectrum), self.cond_proj(features, features)]
        real, imag = (torch.stack(part, dim=1) for part in zip(*pairs, strict=True))
        real, imag = self.input_norm(*self.input_proj(real, imag))
        for block in self.blocks:
            real, imag = block(real, imag)
        real, imag = self.output_proj(*self.output_norm(real, imag))
        return self.stft.inverse(real[:, 0], imag[:, 0])


class MultiScaleNetwork(ImageNetwork):
    """MS-Wavehax: the prior is split into streams, which share one short transform."""

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__()
        self.num_streams = config.num_streams
        self.stft = STFT(config.n_fft, config.stream_hop_length)
        self.decomposer = make_decomposer(config.decomposer, config.num_streams)
        self.cond_proj = frame_convolution(config.in_channels, config.num_streams * config.num_bins)
        self.add_image_layers(config, 3 * config.num_streams, 2 * config.num_streams)

    def forward(self, features: Tensor, prior: Tensor) -> Tensor:
        """Return the waveform."""
        batch = prior.shape[0]
        streams = self.decomposer.analysis(prior)
        real, imag = (part.unflatten(0, (batch, -1)) for part in self.stft(streams.flatten(0, 1)))
        condition = self.cond_proj(features).unflatten(1, (self.num_streams, -1))
        spectra = torch.stack([real, imag], dim=2).flatten(1, 2)
        image = self.refine(torch.cat([condition, spectra], dim=1))
        real, imag = image.unflatten(1, (self.num_streams, 2)).unbind(dim=2)
        # Not flatten(): an export would take the number of frames for a constant.
        real, imag = (part.reshape(-1, part.shape[2], features.shape[-1]) for part in (real, imag))
        streams = self.stft.inverse(real, imag)[:, 0].unflatten(0, (batch, -1))
        return self.decomposer.synthesis(streams)
