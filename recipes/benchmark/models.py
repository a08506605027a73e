"""Systems of ondes as contenders: vocoders with features, and generators."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from recipes.benchmark.contender import Contender
from vocoders.core.errors import ConfigError
from vocoders.interface import System, Vocoder, WaveformGenerator
from vocoders.sashimi import Sashimi
from vocoders.sashimi.runtimes import Stepper
from vocoders.sashimi.runtimes.plain import PlainStepper
from vocoders.sashimi.sampler import generate, item_labels, item_stepper
from vocoders.solvers import calls_per_step
from vocoders.stream import Stream

__all__ = ["CodeContender", "GeneratorContender", "VocoderContender", "contender_of"]

# Frames that stand for silence in a log-mel; what the features say does not change the time.
_LEVEL = -4.0


def contender_of(
    name: str, system: System, precision: str = "fp32", changes: dict[str, Any] | None = None
) -> Contender:
    """Return a system as a contender.

    Args:
        name: in tables.
        system: what is measured.
        precision: ``fp32``, or ``bf16`` by autocast.
        changes: options by name; those that the system does not declare are without effect.

    Raises:
        ConfigError: for a precision in which the system does not run.
    """
    declared = system.options_class.model_fields
    own = {key: value for key, value in (changes or {}).items() if value is not None and key in declared}
    if isinstance(system, Sashimi):
        return CodeContender(name, system, precision)
    if isinstance(system, WaveformGenerator) and system.kind == "generator":
        return GeneratorContender(name, system, precision, own)
    assert isinstance(system, Vocoder)
    return VocoderContender(name, system, precision, own)


class _ModelContender(Contender):
    def __init__(self, name: str, system: System, precision: str, changes: dict[str, Any]) -> None:
        self.name, self.precision = name, precision
        self.network = system if isinstance(system, nn.Module) else None
        self.sample_rate, self.device = system.sample_rate, system.device
        self._options = system.options(**changes)
        values = self._options.to_dict()
        if isinstance(values.get("steps"), int) and "solver" in values:
            self.calls = values["steps"] * calls_per_step(values["solver"])

    def run(self, inputs: Any) -> Tensor:
        """Make the audio once."""
        return self._run(inputs, self.precision)

    def snr(self, seconds: float) -> float | None:
        """Return the signal-to-noise ratio in dB against full precision."""
        if self.precision == "fp32":
            return None
        inputs = self.inputs(seconds)
        exact = self._run(inputs, "fp32").double()
        error = self._run(inputs, self.precision).double() - exact
        return float(10 * torch.log10(exact.square().sum() / error.square().sum()))

    def _run(self, inputs: Any, precision: str) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            return self._make(inputs)

    def _make(self, inputs: Any) -> Tensor:
        raise NotImplementedError


class VocoderContender(_ModelContender):
    """A vocoder, from the features of a tone with vibrato."""

    kind = "vocoder"

    def __init__(self, name: str, system: Vocoder, precision: str, changes: dict[str, Any]) -> None:
        super().__init__(name, system, precision, changes)
        self.system = system

    def inputs(self, seconds: float) -> dict[str, Tensor]:
        """Return features, and F0 if the vocoder uses it."""
        vocoder = self.system
        if vocoder.mel is None:
            time = torch.arange(round(seconds * vocoder.sample_rate)) / vocoder.sample_rate
            return vocoder.analyze(0.3 * torch.sin(2 * math.pi * 150 * time + torch.sin(20 * time)))
        frames = max(vocoder.least_frames, round(seconds * vocoder.sample_rate / vocoder.hop_length))
        features = torch.full((1, vocoder.num_features, frames), _LEVEL, device=self.device)
        f0 = 150 + 20 * torch.sin(torch.arange(frames, device=self.device) / 20)
        return {"features": features} | ({"f0": f0.view(1, 1, -1)} if vocoder.uses_f0 else {})

    def open_stream(self, chunk: int) -> Stream | None:
        """Return a new stream; ``None`` for a vocoder without streams."""
        try:
            return self.system.stream(self._options, chunk=chunk)
        except ConfigError:
            return None

    def _make(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.system.synthesize(inputs["features"], inputs.get("f0"), options=self._options)


class GeneratorContender(_ModelContender):
    """A generator of waveforms, without prompt."""

    kind = "generator"

    def __init__(self, name: str, system: WaveformGenerator, precision: str, changes: dict[str, Any]) -> None:
        super().__init__(name, system, precision, changes)
        self.system = system

    def inputs(self, seconds: float) -> int:
        """Return the number of samples."""
        return max(1, round(seconds * self.sample_rate))

    def _make(self, inputs: int) -> Tensor:
        return self.system.generate(inputs, options=self._options).audio


class CodeContender(Contender):
    """An autoregressive model that draws one sequence, sample by sample.

    Args:
        name: in tables.
        model: the model, in evaluation mode.
        precision: ``fp32`` alone.
    """

    kind = "generator"

    def __init__(self, name: str, model: Sashimi, precision: str = "fp32") -> None:
        if precision != "fp32":
            raise ConfigError(f"{name}: an autoregressive model steps in fp32; leave out --precision")
        self.name, self.model, self.network = name, model, model
        self.sample_rate, self.device = model.sample_rate, model.device

    def inputs(self, seconds: float) -> tuple[int, Stepper]:
        """Return the number of samples, and a stepper that continues where the previous run stopped."""
        return max(1, round(seconds * self.sample_rate)), item_stepper(self.model, [0])

    def run(self, inputs: tuple[int, Stepper]) -> Tensor:
        """Draw the samples."""
        length, stepper = inputs
        return generate(self.model, length, stepper=stepper).audio

    def first_run(self, inputs: tuple[int, Stepper]) -> Tensor:
        """Draw the samples after preparing a stepper."""
        return generate(self.model, inputs[0]).audio

    def counting(self, seconds: float) -> tuple[tuple[int, Stepper], float]:
        """Return some periods of the slowest tier, stepped in PyTorch: the counter cannot see into the fused step."""
        length = 4 * math.prod(self.model.config.pool)
        labels, guidance = item_labels(self.model, 0, [0]), self.model.config.sampling.guidance
        return (length, PlainStepper(self.model, labels=labels, guidance=guidance)), length / self.sample_rate
