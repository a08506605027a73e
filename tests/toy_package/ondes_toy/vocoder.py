"""A vocoder that filters noise: a linear layer turns each frame of the mel into the gains of a filter."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.frontends.mel import MelConfig
from vocoders.interface import Progress
from vocoders.mel_vocoder import MelVocoder, MelVocoderConfig

from .noise import draw_noise
from .options import ToyOptions


class ToyConfig(MelVocoderConfig):
    """The front end; the sizes of a larger network would stand here too."""

    mel: MelConfig = MelConfig(sample_rate=16000, n_fft=512, hop_length=128, n_mels=40)


VARIANTS = {"small": ToyConfig()}


class ToyVocoder(MelVocoder):
    """White noise whose spectrum follows the mel."""

    family = "toy"
    config_class = ToyConfig
    options_class = ToyOptions

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.gains = nn.Linear(config.mel.n_mels, config.mel.n_fft // 2 + 1)
        nn.init.zeros_(self.gains.weight)
        nn.init.constant_(self.gains.bias, -3.0)
        self.register_buffer("window", torch.hann_window(config.mel.n_fft))

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        """Filter noise (B, 1, F * hop_length) by features (B, n_mels, F); return audio of the noise's shape."""
        n_fft, hop = self.config.mel.n_fft, self.hop_length
        gains = F.pad(self.gains(features.transpose(1, 2)).exp().transpose(1, 2), (0, 1), mode="replicate")
        spectrum = torch.stft(noise[:, 0], n_fft, hop, window=self.window, pad_mode="constant", return_complex=True)
        return torch.istft(spectrum * gains, n_fft, hop, window=self.window, length=noise.shape[-1])[:, None]

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of :meth:`forward` in training."""
        noise = draw_noise(batch["seed"].tolist(), batch["audio"].shape[-1])
        return super().draw_inputs(batch) | {"noise": noise.to(batch["audio"])}

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return short arguments of :meth:`forward`, with which a stored model is tried."""
        features = torch.linspace(-8, 0, 20).expand(1, self.num_features, 20)
        return {"features": features, "noise": draw_noise([0], 20 * self.hop_length)}

    def _synthesize(self, inputs: dict[str, Tensor], options: ToyOptions, seed: int, progress: Progress) -> Tensor:
        batch, _, frames = inputs["features"].shape
        noise = draw_noise([seed] * batch, frames * self.hop_length).to(self.device)
        return options.loudness * self(**inputs, noise=noise)
