"""The three published Wavehax networks: normalised mel and prior waveform in, waveform out.

All of them treat the short-time spectrum of the prior as an image (frequency by time), process it with the mel in 2-D
ConvNeXt blocks, and invert the resulting spectrum. Nothing upsamples, so nothing aliases (arXiv 2411.06807;
multi-scale: arXiv 2506.03554).

Each network maps ``prior`` (B, P, N * hop_length) and ``features`` (B, n_mels, N), normalised, to a waveform
(B, 1, N * hop_length).
"""

from typing import Any

import torch
import torch.nn.functional as F
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
from vocoders.wavehax.config import FRAME_KERNEL, WavehaxConfig

__all__ = ["ComplexNetwork", "FrameConvolution", "ImageNetwork", "MultiScaleNetwork", "RealNetwork"]

# What enters a network for each frame: real and imaginary parts of the prior, (B, P, bins, N) each, then the features.
Frames = tuple[Tensor, ...]


class FrameConvolution(nn.Conv1d):
    """A convolution over frames, without padding."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, FRAME_KERNEL)

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, out_channels, N - 6) of (B, in_channels, N)."""
        if input.shape[-1] > FRAME_KERNEL:
            return super().forward(input)
        # A frame of a stream: as a product it takes a third of the time.
        return F.linear(input.flatten(1), self.weight.flatten(1), self.bias)[..., None]


def _block_options(config: WavehaxConfig) -> dict[str, Any]:
    """Return the arguments of every ConvNeXt block."""
    return {
        "channels": config.channels,
        "mult_channels": config.mult_channels,
        "kernel_size": config.kernel_size,
        "norm": config.norm,
        "layer_scale": 1 / max(config.num_blocks, 1),
        "drop_prob": config.drop_prob,
    }


class ImageNetwork(nn.Module):
    """What networks on real images have in common.

    :meth:`lift` turns frames into an image (B, inputs, bins, N), ConvNeXt blocks refine it, and :meth:`head` makes the
    spectrum of the output. Only ``lift`` and the blocks see other frames, each through its context. So the same parts
    compute whole signals here and streams in :mod:`vocoders.wavehax.step`.
    """

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__()
        self.context = config.time_contexts[0]
        self.stft = STFT(config.n_fft, config.stream_hop_length)

    def add_image_layers(self, config: WavehaxConfig, inputs: int, outputs: int) -> None:
        """Make the layers after all others of the network, then initialise all."""
        self.input_proj = nn.Conv2d(inputs, config.channels, 1, bias=False)
        self.input_norm = make_norm(config.outer_norm_name, config.channels)
        options = _block_options(config)
        self.blocks = nn.ModuleList(ConvNeXtBlock2d(**options, context=context) for context in config.time_contexts[1:])
        self.output_norm = make_norm(config.outer_norm_name, config.channels)
        self.output_proj = nn.Conv2d(config.channels, outputs, 1)
        initialize_weights(self)

    def split(self, prior: Tensor) -> Tensor:
        """Return the signals of a prior that are transformed."""
        return prior

    def join(self, signals: Tensor) -> Tensor:
        """Return the waveform (B, 1, T) of signals of the output."""
        return signals

    def spectra(self, real: Tensor, imag: Tensor) -> Frames:
        """Return the first two parts of the frames from spectra (B, P, bins, N)."""
        return real, imag

    def lift(self, *frames: Tensor) -> Tensor:
        """Return the image of the frames whose context is complete."""
        raise NotImplementedError

    def head(self, image: Tensor, *frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrum of the output, (B, P, bins, N) twice, from the last image and its frames."""
        raise NotImplementedError

    def enter(self, image: Tensor) -> Tensor:
        """Return the input of the blocks."""
        return self.input_norm(self.input_proj(channels_last(image)))

    def leave(self, image: Tensor) -> Tensor:
        """Return the last image (B, outputs, bins, N) from the output of the blocks."""
        return self.output_proj(self.output_norm(image))

    def refine(self, image: Tensor) -> Tensor:
        """Return the last image (B, outputs, bins, N) of the first (B, inputs, bins, N)."""
        x = self.enter(image)
        for block in self.blocks:
            x = block(x)
        return self.leave(x)

    def forward(self, prior: Tensor, *features: Tensor) -> Tensor:
        """Return the waveform."""
        signals = self.split(prior)
        shape = signals.shape[:2]
        real, imag = (part.unflatten(0, shape) for part in self.stft(signals.flatten(0, 1)))
        frames = (*self.spectra(real, imag), *features)
        image = self.refine(self.lift(*(self.context.pad(part) for part in frames)))
        real, imag = self.head(image, *frames)
        # Not flatten(): an export would take the number of frames for a constant.
        rows = [part.reshape(-1, part.shape[2], features[0].shape[-1]) for part in (real, imag)]
        signals = self.stft.inverse(*rows)[:, 0]
        return self.join(signals.unflatten(0, real.shape[:2]))


class RealNetwork(ImageNetwork):
    """Wavehax v1, v2 and full band: real and imaginary parts as two channels."""

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__(config)
        self.log_magnitude_phase = config.log_magnitude_phase
        self.prior_proj = FrameConvolution(config.num_bins, config.num_bins)
        self.cond_proj = FrameConvolution(config.in_channels, config.num_bins)
        self.add_image_layers(config, 5, 2)

    def spectra(self, real: Tensor, imag: Tensor) -> Frames:
        """Return the spectrum of the prior as the network takes it."""
        return log_magnitude_phase(real, imag) if self.log_magnitude_phase else (real, imag)

    def lift(self, *frames: Tensor) -> Tensor:
        """Stack prior, projected prior and projected features."""
        real, imag, features = (frames[0][:, 0], frames[1][:, 0], frames[2])
        crop = self.context.crop
        projected = [self.prior_proj(real), self.prior_proj(imag), self.cond_proj(features)]
        return torch.stack([crop(real), crop(imag), *projected], dim=1)

    def head(self, image: Tensor, *frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two channels of the image."""
        real, imag = image[:, :1], image[:, 1:]
        return from_log_magnitude_phase(real, imag) if self.log_magnitude_phase else (real, imag)


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
        options = _block_options(config)
        self.blocks = nn.ModuleList(ComplexConvNeXtBlock2d(**options) for _ in range(config.num_blocks))
        self.output_norm = make_complex_norm(config.outer_norm_name, config.channels)
        self.output_proj = ComplexConv2d(config.channels, 1, 1)
        if config.semi_unitary_init:
            initialize_semi_unitary(self)

    def forward(self, prior: Tensor, features: Tensor) -> Tensor:
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
        super().__init__(config)
        self.num_streams = config.num_streams
        self.decomposer = make_decomposer(config.decomposer, config.num_streams, reflect=config.look_ahead is None)
        self.cond_proj = FrameConvolution(config.in_channels, config.num_streams * config.num_bins)
        self.add_image_layers(config, 3 * config.num_streams, 2 * config.num_streams)

    def split(self, prior: Tensor) -> Tensor:
        """Return the streams of the prior."""
        return self.decomposer.analysis(prior)

    def join(self, signals: Tensor) -> Tensor:
        """Return the waveform of the streams."""
        return self.decomposer.synthesis(signals)

    def lift(self, *frames: Tensor) -> Tensor:
        """Stack the projected features and the spectra of the streams."""
        real, imag, features = frames
        condition = self.cond_proj(features).unflatten(1, (self.num_streams, -1))
        spectra = torch.stack([self.context.crop(real), self.context.crop(imag)], dim=2).flatten(1, 2)
        return torch.cat([condition, spectra], dim=1)

    def head(self, image: Tensor, *frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectra of the streams, which alternate real and imaginary parts."""
        return image[:, ::2], image[:, 1::2]
