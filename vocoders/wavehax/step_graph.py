"""A step of a causal Wavehax as ONNX: one frame in, its samples and the memory out, with the harmonic prior inside."""

import torch
from torch import Tensor, nn

from vocoders.core.graphs.tracing import GraphPlan, Port
from vocoders.frontends.graphs import real_valued
from vocoders.frontends.harmonic import running_cycles
from vocoders.wavehax.model import Wavehax
from vocoders.wavehax.step import CausalStep

__all__ = ["step_plan"]

# Items of the trials, and the number of the frame that they compute.
_TRIALS = ((1, 12), (3, 4))


class _Step(nn.Module):
    def __init__(self, model: Wavehax) -> None:
        super().__init__()
        self.step = CausalStep(model)

    def forward(
        self, features: Tensor, f0: Tensor, noise: Tensor, phase: Tensor, frame: Tensor, total: Tensor, *memory: Tensor
    ) -> tuple[Tensor, ...]:
        model = self.step.model
        # After the last frame there is silence, without noise.
        prior = model.prior(f0, noise, phase) * (frame < total).to(noise.dtype)
        audio, *memory = self.step(features, prior, frame, total, *memory)
        phase = running_cycles(f0[:, 0].float(), model.hop_length, model.sample_rate, phase)[:, -1:]
        return audio, phase - torch.floor(phase), *memory


def step_plan(model: Wavehax) -> GraphPlan:
    """Return the graph of a step of a model with ``look_ahead``."""
    step, hop = CausalStep(model), model.hop_length
    memory = step.initial_state(1)
    names = [f"memory_{index}" for index in range(len(memory))]
    kept = [("batch", *tensor.shape[1:]) for tensor in memory]
    end = "number of frames, once it is known; before that any larger number"
    inputs = (
        Port("features", ("batch", model.num_features, 1), model.config.mel.fingerprint),
        Port("f0", ("batch", 1, 1), "in Hz, 0 where unvoiced"),
        Port("noise", ("batch", 1, hop), "standard normal", "normal"),
        Port(
            "phase", ("batch", 1), "phase of the fundamental in cycles; at first a number from 0 to 1", dtype="float64"
        ),
        Port(
            "frame",
            (),
            "number of the frame, from 0 on; frames after the last one hold zeros and flush the memory",
            dtype="int64",
        ),
        Port("total", (), end, dtype="int64"),
        *(Port(name, shape, "memory; at first zeros") for name, shape in zip(names, kept, strict=True)),
    )
    outputs = (
        Port("audio", ("batch", 1, hop), f"at {model.sample_rate} Hz, delayed by the latency"),
        Port("next_phase", ("batch", 1), "phase of the next step", dtype="float64"),
        *(Port(f"next_{name}", shape, "memory of the next step") for name, shape in zip(names, kept, strict=True)),
    )
    trials = [_inputs(model, *trial) for trial in ((2, 6), *_TRIALS)]
    return GraphPlan(
        "step",
        _Step(real_valued(model)),
        _Step(model),
        inputs,
        outputs,
        trials[0],
        tuple(trials[1:]),
        "one frame of a stream",
        "stream",
        facts={"latency": step.latency},
    )


def _inputs(model: Wavehax, batch: int, frame: int) -> dict[str, Tensor]:
    """Return the inputs of a step in the middle of a stream."""
    generator = torch.Generator().manual_seed(batch)
    step, state = _Step(model), CausalStep(model).initial_state(batch)
    phase, total = torch.rand(batch, 1, generator=generator).double(), torch.tensor(2**40)
    names = ("features", "f0", "noise", "phase", "frame", "total", *(f"memory_{index}" for index in range(len(state))))
    with torch.no_grad():
        for index in range(frame + 1):
            features = -3 + torch.randn(batch, model.num_features, 1, generator=generator)
            f0 = 120.0 + 10 * torch.arange(batch).view(-1, 1, 1) * (index % 5 > 0)
            noise = torch.randn(batch, 1, model.hop_length, generator=generator)
            values = (features, f0, noise, phase, torch.tensor(index), total, *state)
            _, phase, *state = step(*values)
    return dict(zip(names, values, strict=True))
