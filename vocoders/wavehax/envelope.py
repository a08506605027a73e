"""Wavehax in a domain whitened by the spectral envelope (ours, not published).

The published network has to learn the whole spectrum from a flat prior. Most of that spectrum is known without
training: the mel gives its envelope, F0 its harmonics. Here the mel is interpolated to an amplitude envelope E over the
bins of the network's transform. E shapes the excitation (harmonics H and noise N, both with a flat unit spectrum), and
the network computes a correction relative to E:

    Y = E * ((h + m) * H + (n + a) * N + r)

h and n are learned gains per bin (harmonic and noise part of voiced frames; unvoiced frames start from n = 1). The
network outputs m (complex), a (real) and r (complex). Its last layer starts at zero, so at step 0 the model is a plain
source-filter vocoder.
"""

import torch
from torch import Tensor, nn

from vocoders.frontends.envelope import MelEnvelope
from vocoders.frontends.stft import STFT
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.networks import ImageNetwork, frame_convolution

__all__ = ["EnvelopeNetwork"]


class EnvelopeNetwork(ImageNetwork):
    """Correction of a source-filter vocoder by a Wavehax network.

    Shape:
        features (B, n_mels, N) normalised, log_mel (B, n_mels, N) as extracted, excitation (B, 2, N * hop_length):
        harmonic and noise part, each with a flat unit spectrum -> (B, 1, N * hop_length).
    """

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__()
        self.stft = STFT(config.n_fft, config.hop_length)
        self.envelope = MelEnvelope(config.mel, config.num_bins)
        self.prior_proj = frame_convolution(config.num_bins, config.num_bins)
        self.cond_proj = frame_convolution(config.in_channels, config.num_bins)
        self.add_image_layers(config, 8, 5)
        nn.init.zeros_(self.output_proj.weight)
        # Voiced speech is harmonic at the bottom and breathy at the top: start from -20 dB of noise up to 2 kHz, equal
        # power at the Nyquist frequency.
        frequency = torch.linspace(0, config.sample_rate / 2, config.num_bins)
        noise = 0.1 + 0.6 * ((frequency - 2000) / (config.sample_rate / 2 - 2000)).clamp(0, 1)
        self.harmonic_gain = nn.Parameter(torch.sqrt(1 - noise**2)[:, None])
        self.noise_gain = nn.Parameter(noise[:, None].clone())
        self.unvoiced_gain = nn.Parameter(torch.ones(config.num_bins, 1))

    def forward(self, features: Tensor, log_mel: Tensor, excitation: Tensor) -> Tensor:
        """Return the waveform."""
        harmonic = self.stft(excitation[:, :1])
        noise = self.stft(excitation[:, 1:])
        log_envelope = self.envelope(log_mel)
        x = [*harmonic, self.prior_proj(harmonic[0]), self.prior_proj(harmonic[1]), *noise]
        # A fixed affine map scales ln E to about unit range, by statistics of speech.
        x = torch.stack([*x, self.cond_proj(features), 0.25 * log_envelope + 0.5], dim=1)
        gain_real, gain_imag, gain_noise, residual_real, residual_imag = self.refine(x).unbind(1)

        voiced = ((harmonic[0] ** 2 + harmonic[1] ** 2).mean(1, keepdim=True) > 1e-4).to(x.dtype)
        gain_real = gain_real + self.harmonic_gain
        gain_noise = gain_noise + torch.lerp(self.unvoiced_gain, self.noise_gain, voiced)
        real = gain_real * harmonic[0] - gain_imag * harmonic[1] + gain_noise * noise[0] + residual_real
        imag = gain_real * harmonic[1] + gain_imag * harmonic[0] + gain_noise * noise[1] + residual_imag
        envelope = torch.exp(log_envelope)
        return self.stft.inverse(envelope * real, envelope * imag)
