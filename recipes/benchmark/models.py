"""Our own models as systems: vocoders from features, and the autoregressive model from nothing."""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recipes.benchmark.system import System
from vocoders.core.errors import ConfigError
from vocoders.flow import calls_per_step

if TYPE_CHECKING:
    from vocoders.sashimi.runtimes import Stepper

__all__ = ["CodeGenerator", "Vocoder"]


class Vocoder(System):
    """A vocoder with its options of sampling.

    Args:
        name: in tables.
        model: the model, in evaluation mode.
        precision: ``fp32``, or ``bf16`` by autocast.
        changes: of the model's sampling (``steps``, ``solver``); without effect on models that draw no samples.
    """

    kind = "vocoder"

    def __init__(self, name: str, model: Any, precision: str = "fp32", changes: dict[str, Any] | None = None) -> None:
        self.name, self.network, self.precision = name, model, precision
        self.sample_rate = model.sample_rate
        self.device = next(model.parameters()).device
        self._options: dict[str, Any] = {}
        if getattr(model, "uses_sampling", False):
            sampling = type(model.config.sampling).from_dict(model.config.sampling.to_dict() | (changes or {}))
            self._options = {"sampling": sampling}
            if isinstance(sampling.steps, int):
                self.calls = sampling.steps * calls_per_step(sampling.solver)

    def inputs(self, seconds: float) -> dict[str, Any]:
        """Return features of a tone with vibrato; what they say does not change the time."""
        model = self.network
        mel = model.config.mel
        if mel is None:
            return {"num_samples": round(seconds * model.sample_rate)}
        frames = max(1, round(seconds * model.sample_rate / model.hop_length))
        features = torch.full((1, mel.n_mels, frames), -4.0, device=self.device)
        if not getattr(model, "uses_f0", False):
            return {"features": features}
        f0 = 150 + 20 * torch.sin(torch.arange(frames, device=self.device) / 20)
        return {"features": features, "f0": f0.view(1, 1, -1)}

    def run(self, inputs: dict[str, Any]) -> Tensor:
        """Synthesise once."""
        return self._run(inputs, self.precision)

    def snr(self, seconds: float) -> float | None:
        """Return the distance in dB of the waveform to that of full precision."""
        if self.precision == "fp32":
            return None
        inputs = self.inputs(seconds)
        exact = self._run(inputs, "fp32").double()
        error = self._run(inputs, self.precision).double() - exact
        return float(10 * torch.log10(exact.square().sum() / error.square().sum()))

    def _run(self, inputs: dict[str, Any], precision: str) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            return self.network.synthesize(**inputs, **self._options)


class CodeGenerator(System):
    """An autoregressive model that draws one sequence, sample by sample.

    Args:
        name: in tables.
        model: the model, in evaluation mode.
        precision: ``fp32`` alone.
    """

    kind = "generator"

    def __init__(self, name: str, model: Any, precision: str = "fp32") -> None:
        if precision != "fp32":
            raise ConfigError(f"{name}: an autoregressive model steps in fp32; leave out --precision")
        self.name, self.network, self.sample_rate = name, model, model.sample_rate
        self.device = next(model.parameters()).device

    def inputs(self, seconds: float) -> "tuple[int, Stepper]":
        """Return the number of samples and a step, which goes on where the run before has left it."""
        from vocoders.sashimi.sampler import item_stepper

        return max(1, round(seconds * self.sample_rate)), item_stepper(self.network, [0])

    def run(self, inputs: "tuple[int, Stepper]") -> Tensor:
        """Draw that many samples."""
        from vocoders.sashimi.sampler import generate

        length, stepper = inputs
        return generate(self.network, length, stepper=stepper).audio

    def first_run(self, inputs: "tuple[int, Stepper]") -> Tensor:
        """Draw that many samples with a step that has to be prepared first."""
        from vocoders.sashimi.sampler import generate

        return generate(self.network, inputs[0]).audio

    def counting(self, seconds: float) -> "tuple[tuple[int, Stepper], float]":
        """Return some periods of the slowest tier, step by step in PyTorch: no counter sees into the fused step."""
        from vocoders.sashimi.runtimes.plain import PlainStepper
        from vocoders.sashimi.sampler import item_labels

        length = 4 * math.prod(self.network.config.pool)
        labels, guidance = item_labels(self.network, 0, [0]), self.network.config.sampling.guidance
        return (length, PlainStepper(self.network, labels=labels, guidance=guidance)), length / self.sample_rate
