"""A vocoder whose features are the samples themselves: copy-synthesis gives the input back, plus seeded noise."""

import ctypes
import os
import sys
import time

import torch
from torch import Tensor, nn

from vocoders.core.config import Config
from vocoders.core.options import SynthesisOptions, option
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.front_end import FrontEnd
from vocoders.interface import Vocoder

SAMPLE_RATE, HOP = 24000, 240
calls: list[dict] = []


class TinyVocoderConfig(Config):
    sample_rate: int = SAMPLE_RATE
    gain: float = 1.0
    noise: float = 0.0
    takes_f0: bool = True


class TinyOptions(SynthesisOptions):
    """Options of the tiny vocoder."""

    f0_scale: float = option(1.0, dial=(0.5, 2.0), gt=0, allow_inf_nan=False)
    """Factor on F0."""


class TinyVocoder(PretrainedModel, Vocoder, nn.Module):
    family = "tiny"
    config_class = TinyVocoderConfig
    options_class = TinyOptions
    sample_rate, hop_length, fingerprint = SAMPLE_RATE, HOP, "samples 24000 Hz hop=240"
    num_features = HOP

    def __init__(self, config: TinyVocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.gain = nn.Parameter(torch.tensor(config.gain))

    @property
    def front_end(self) -> FrontEnd:
        return FrontEnd(sample_rate=SAMPLE_RATE, f0=F0Config() if self.config.takes_f0 else None)

    def forward(self, features: Tensor) -> Tensor:
        return self.gain * features.transpose(1, 2).reshape(len(features), 1, -1)

    def reference_inputs(self) -> dict[str, Tensor]:
        return {"features": torch.linspace(-1, 1, 2 * HOP).view(1, HOP, 2)}

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        assert audio.shape[-1] % HOP == 0
        features = audio.reshape(len(audio), -1, HOP).transpose(1, 2)
        analysis = {"features": features, "f0": torch.full((len(audio), 1, features.shape[-1]), 100.0)}
        return analysis if self.uses_f0 else {"features": features}

    def _synthesize(self, inputs: dict[str, Tensor], options: TinyOptions, seed: int, progress) -> Tensor:
        features = inputs["features"]
        calls.append({"f0": inputs.get("f0"), "f0_scale": options.f0_scale, "seed": seed})
        if features.shape[-1] == 777:
            raise RuntimeError("a bug\nwith a long story")
        if features.shape[-1] == 5 and "TINY_WAIT" in os.environ:
            wait_for_ever(os.environ["TINY_WAIT"])
        output = self(features)
        progress(1.0)
        return output + self.config.noise * torch.randn(output.shape, generator=torch.Generator().manual_seed(seed))


def wait_for_ever(where: str) -> None:
    sys.stderr.write("waiting\n")
    sys.stderr.flush()
    if where == "python":
        time.sleep(3600)
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # locked twice by one thread: waits for ever, and no signal ends it
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


def convert(path, variant=None, config=None, stats=None) -> TinyVocoder:
    if variant != "v1":
        from vocoders.core.errors import ConfigError

        raise ConfigError(f"unknown variant '{variant}'; known variants: v1")
    return TinyVocoder(TinyVocoderConfig(gain=0.5))
