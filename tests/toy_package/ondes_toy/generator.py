"""A generator of waveforms from nothing: noise through a filter that is learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.front_end import FrontEnd, ModelConfig
from vocoders.interface import Generation, Progress, WaveformGenerator

from .noise import draw_noise
from .options import ToyOptions


class NoiseConfig(ModelConfig):
    """Sample rate in Hz and length of the filter."""

    sample_rate: int = 16000
    taps: int = 64

    @property
    def front_end(self) -> FrontEnd:
        """What the model is given of audio in training: the audio itself."""
        return FrontEnd(sample_rate=self.sample_rate)


class ToyNoise(PretrainedModel, WaveformGenerator, nn.Module):
    """Noise of the colour of the recordings that it has heard."""

    family = "toy_noise"
    config_class = NoiseConfig
    options_class = ToyOptions

    def __init__(self, config: NoiseConfig) -> None:
        super().__init__()
        self.config = config
        self.filter = nn.Conv1d(1, 1, config.taps, bias=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Filter noise (B, 1, T)."""
        return self.filter(F.pad(noise, (self.config.taps - 1, 0)))

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of :meth:`forward` in training."""
        return {"noise": draw_noise(batch["seed"].tolist(), batch["audio"].shape[-1]).to(batch["audio"])}

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return short arguments of :meth:`forward`, with which a stored model is tried."""
        return {"noise": draw_noise([0], 1000)}

    def _generate(
        self,
        length: int,
        items: Sequence[int],
        prompt: Tensor | None,
        label: str | None,
        seed: int,
        options: ToyOptions,
        progress: Progress,
    ) -> Generation:
        noise = draw_noise([(seed << 20) + item for item in items], length).to(self.device)
        return Generation(audio=options.loudness * self(noise).float().cpu(), length=length)
