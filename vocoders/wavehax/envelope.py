"""Wavehax in a domain whitened by the spectral envelope (ours, not published).

The published network has to learn the whole spectrum from a flat prior. Most of that spectrum is known without
training: the mel gives its envelope, F0 its harmonics. Here the mel is interpolated to an amplitude envelope E over the
bins of the network's transform. E shapes the excitation (harmonics H and noise N, both with a flat unit spectrum), and
the network computes a correction relative to E:

    Y = E * ((h + m) * H + (n + a) * N + r)

h and n are learned gains per bin (harmonic and noise part of voiced frames; unvoiced frames start from n = 1). The
network outputs m (complex), a (real) and r (complex). Its last layer starts at zero, so at step 0 the model is a plain
source-filter vocoder.

The network sees 20 ms at once and the mel 43 ms, so at low frequencies the mel knows more than the network can shape.
With ``start_refinement`` the correction begins at a waveform S that is near the target mel already:

    Y = S + E * (m * H + a * N + r)
"""

import torch
from torch import Tensor, nn

from vocoders.frontends.envelope import MelEnvelope
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.networks import FrameConvolution, ImageNetwork

__all__ = ["EnvelopeNetwork"]

# How much the network's view of the start is compressed: where the envelope is far below a loud neighbour, the start
# divided by it is large.
_COMPRESSION = 0.3


class EnvelopeNetwork(ImageNetwork):
    """Correction of a source-filter vocoder by a Wavehax network.

    Shape:
        prior (B, 2 or 3, N * hop_length): harmonic and noise part, each with a flat unit spectrum, and the start if
        there is one; features (B, n_mels, N) normalised; log envelope (B, bins, N) -> (B, 1, N * hop_length).
    """

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__(config)
        self.envelope = MelEnvelope(config.mel, config.num_bins)
        self.prior_proj = FrameConvolution(config.num_bins, config.num_bins)
        self.cond_proj = FrameConvolution(config.in_channels, config.num_bins)
        self.has_start = config.start_refinement > 0
        self.add_image_layers(config, 10 if self.has_start else 8, 5)
        nn.init.zeros_(self.output_proj.weight)
        if not self.has_start:
            self._add_gains(config)

    def _add_gains(self, config: WavehaxConfig) -> None:
        # Voiced speech is harmonic at the bottom and breathy at the top: start from -20 dB of noise up to 2 kHz, equal
        # power at the Nyquist frequency.
        frequency = torch.linspace(0, config.sample_rate / 2, config.num_bins)
        noise = 0.1 + 0.6 * ((frequency - 2000) / (config.sample_rate / 2 - 2000)).clamp(0, 1)
        self.harmonic_gain = nn.Parameter(torch.sqrt(1 - noise**2)[:, None])
        self.noise_gain = nn.Parameter(noise[:, None].clone())
        self.unvoiced_gain = nn.Parameter(torch.ones(config.num_bins, 1))

    def lift(self, *frames: Tensor) -> Tensor:
        """Stack harmonics, projected harmonics, noise, projected features, envelope, and the start if there is one."""
        real, imag, features, log_envelope = frames
        projected = [self.prior_proj(real[:, 0]), self.prior_proj(imag[:, 0])]
        real, imag, log_envelope = (self.context.crop(part) for part in (real, imag, log_envelope))
        noise = [real[:, 1], imag[:, 1], self.cond_proj(features)]
        # A fixed affine map scales ln E to about unit range, by statistics of speech.
        planes = [real[:, 0], imag[:, 0], *projected, *noise, 0.25 * log_envelope + 0.5]
        if self.has_start:
            planes += self._seen_start(real[:, 2], imag[:, 2], log_envelope)
        return torch.stack(planes, dim=1)

    def head(self, image: Tensor, *frames: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the gains to harmonics and noise, and the envelope to the sum; add the start, if there is one."""
        real, imag, _, log_envelope = frames
        gain_real, gain_imag, gain_noise, residual_real, residual_imag = image.unbind(1)
        if not self.has_start:
            voiced = ((real[:, 0] ** 2 + imag[:, 0] ** 2).mean(1, keepdim=True) > 1e-4).to(image.dtype)
            gain_real = gain_real + self.harmonic_gain
            gain_noise = gain_noise + torch.lerp(self.unvoiced_gain, self.noise_gain, voiced.to(self.noise_gain))
        out_real = gain_real * real[:, 0] - gain_imag * imag[:, 0] + gain_noise * real[:, 1] + residual_real
        out_imag = gain_real * imag[:, 0] + gain_imag * real[:, 0] + gain_noise * imag[:, 1] + residual_imag
        envelope = torch.exp(log_envelope)
        out_real, out_imag = envelope * out_real, envelope * out_imag
        if self.has_start:
            out_real, out_imag = out_real + real[:, 2], out_imag + imag[:, 2]
        return out_real[:, None], out_imag[:, None]

    @staticmethod
    def _seen_start(real: Tensor, imag: Tensor, log_envelope: Tensor) -> list[Tensor]:
        """Return the start divided by the envelope, compressed: two parts (B, bins, N)."""
        scale = torch.exp(-log_envelope)
        real, imag = real * scale, imag * scale
        compressed = 1 + _COMPRESSION * torch.sqrt(real**2 + imag**2 + 1e-6)
        return [real / compressed, imag / compressed]
