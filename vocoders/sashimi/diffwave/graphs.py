"""DiffWave-SaShiMi as ONNX: the whole sampler from noise to audio, and the estimate of the noise at one step.

The kernels of the state-space layers are constants. A graph convolves by Fourier transforms of the next power of two,
so the length of the audio is free.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.graphs.joining import JoinedGraph
from vocoders.core.graphs.plain import plain_copy
from vocoders.core.graphs.tracing import GraphPlan, Port, trace
from vocoders.frontends.graphs import log_mel_plan
from vocoders.layers.s4 import S4Layer
from vocoders.sashimi.diffwave.blocks import DiffusionBlock
from vocoders.sashimi.diffwave.diffusion import DiffusionSchedule
from vocoders.sashimi.diffwave.model import DiffwaveSashimi

__all__ = ["graphs"]

# Items and frames (of 64 samples without a mel) of the example and of the trials.
_EXAMPLE, _TRIALS = (2, 11), ((1, 24), (3, 7))
_UNCONDITIONAL_HOP = 64
# Longest kernel of a model that does not limit its kernels, in units of the length in training, and without one.
_LONGEST, _LONGEST_SAMPLES = 4, 1 << 16
# A kernel ends where all that follows is below this fraction of its peak.
_NOTHING = 1e-7


def graphs(model: DiffwaveSashimi, options: Any) -> tuple[GraphPlan, ...]:
    """Return the graphs of an export: the sampler with its schedule, one estimate, and the front end if there is one.

    Args:
        model: the model.
        options: ``betas``, the schedule of the sampler.
    """
    own = plain_copy(model)
    schedule = model.schedule if options.betas is None else model.schedule.reduced(options.betas)
    plans = [_sampler_plan(own, schedule), _estimate_plan(own)]
    if own.log_mel is not None:
        plans.append(log_mel_plan(own.log_mel))
    return tuple(plans)


class _Transform(torch.autograd.Function):
    """The discrete Fourier transform of (..., N, 1 or 2) real or complex numbers, as the operator of ONNX."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Tensor, inverse: bool) -> Tensor:
        z = torch.view_as_complex(F.pad(x, (0, 2 - x.shape[-1])).contiguous())
        transform = torch.fft.ifft if inverse else torch.fft.fft
        return torch.view_as_real(transform(z, int(size)))

    @staticmethod
    def symbolic(g: Any, x: Any, size: Any, inverse: bool) -> Any:
        return g.op("DFT", x, size, axis_i=2, inverse_i=int(inverse))


class _Convolution(nn.Module):
    """The convolution of a state-space layer, with its skip, by the operator of ONNX: (B, H, L) -> the same."""

    def __init__(self, layer: S4Layer, kernel: Tensor) -> None:
        super().__init__()
        # The second kernel runs backwards from the next sample: its spectrum is conjugated.
        past = F.pad(kernel[0], (0, 1))
        past[:, 0] += layer.D.detach()
        future = F.pad(kernel[1], (1, 0)) if len(kernel) == 2 else torch.zeros_like(past)
        self.register_buffer("even", (past + future)[None, ..., None])
        self.register_buffer("odd", (past - future)[None, ..., None])
        self.layer = layer

    def forward(self, u: Tensor) -> Tensor:
        """Return the output of the layer."""
        own: Any = self
        # In a trace, sizes are tensors.
        least = torch.as_tensor(u.shape[-1] + own.even.shape[2]).double()
        size = (2.0 ** torch.ceil(torch.log(least) / torch.log(torch.tensor(2.0).double()))).long()
        real, imag = _Transform.apply(own.even, size, False)[..., 0], _Transform.apply(own.odd, size, False)[..., 1]
        spectrum = _Transform.apply(u[..., None], size, False)
        product = [
            spectrum[..., 0] * real - spectrum[..., 1] * imag,
            spectrum[..., 0] * imag + spectrum[..., 1] * real,
        ]
        y = _Transform.apply(torch.stack(product, dim=-1), size, True)[..., 0]
        return self.layer._output(y[..., : u.shape[-1]])


class _Estimate(nn.Module):
    """The estimate of the noise from (features,) noisy audio and steps."""

    def __init__(self, model: DiffwaveSashimi) -> None:
        super().__init__()
        self.model = model

    def forward(self, *given: Tensor) -> Tensor:
        *features, x, steps = given
        return self.model.network(x, steps, features[0] if features else None)


class _Sampler(nn.Module):
    """The audio from (features and) all the noise that is drawn."""

    def __init__(self, model: DiffwaveSashimi, schedule: DiffusionSchedule) -> None:
        super().__init__()
        self.model, self.schedule = model, schedule

    def forward(self, *given: Tensor) -> Tensor:
        *features, noise = given
        x = noise[0]
        for draw, index in enumerate(reversed(range(len(self.schedule))), 1):
            steps = self.schedule.steps[index].to(x).expand(x.shape[0])
            estimate = self.model(x, steps, features[0] if features else None)
            x = self.schedule.denoise(x, estimate, index, noise[draw])
        return x


def _sampler_plan(model: DiffwaveSashimi, schedule: DiffusionSchedule) -> GraphPlan:
    sampler, draws = _Sampler(model, schedule), len(schedule) + 1
    about = "standard normal: the start, then the noise of each step"
    if model.log_mel is not None:
        about += f"; samples: frames * {model.hop_length}"
    inputs = (*_features(model), Port("noise", (draws, "batch", 1, "samples"), about, "normal"))
    output = Port("audio", ("batch", 1, "samples"), f"at {model.sample_rate} Hz; not limited to [-1, 1]")

    def drawn(batch: int, frames: int) -> dict[str, Tensor]:
        given = _inputs(model, batch, frames)
        generator = torch.Generator().manual_seed(frames)
        noise = torch.randn(draws, *given.pop("x").shape, generator=generator)
        return given | {"noise": noise}

    return GraphPlan(
        "synthesis",
        sampler,
        sampler,
        inputs,
        (output,),
        drawn(*_EXAMPLE),
        tuple(drawn(*shape) for shape in _TRIALS),
        f"noise to audio in {len(schedule)} steps",
        assemble=partial(_assemble, model, schedule, inputs, output),
        facts=_facts(model),
    )


def _assemble(model: DiffwaveSashimi, schedule: DiffusionSchedule, inputs: Sequence[Port], output: Port) -> bytes:
    """Return the graph of the sampler: a loop over the steps."""
    graph, content = JoinedGraph(), trace(_traced_plan(model))
    order = list(reversed(range(len(schedule))))
    weights = [float(schedule.beta[k] / torch.sqrt(1 - schedule.alpha_bar[k])) for k in order]
    rates = [float(1 / torch.sqrt(schedule.alpha[k])) for k in order]
    deviations = [float(schedule.sigma[k]) if k else 0.0 for k in order]
    tables = [graph.constant(values) for values in (weights, rates, deviations)]
    levels = graph.constant([[float(schedule.steps[k])] for k in order])
    one, given = graph.constant(1, "int64"), {port.name: port.name for port in inputs if port.name == "features"}

    def step(index: str, x: str) -> list[str]:
        weight, rate, deviation = (graph.op("Gather", table, index, axis=0) for table in tables)
        batch = graph.op("Shape", x, start=0, end=1)
        steps = graph.op("Expand", graph.op("Gather", levels, index, axis=0), batch)
        (estimate,) = graph.part(content, {"x": x, "steps": steps, **given})
        clean = graph.op("Mul", graph.op("Sub", x, graph.op("Mul", weight, estimate)), rate)
        noise = graph.op("Gather", "noise", graph.op("Add", index, one), axis=0)
        return [graph.op("Add", clean, graph.op("Mul", deviation, noise))]

    start = graph.op("Gather", "noise", graph.constant(0, "int64"), axis=0)
    (audio,) = graph.loop(len(order), [start], step)
    return graph.finish(model.family, inputs, {output: audio})


def _estimate_plan(model: DiffwaveSashimi) -> GraphPlan:
    plan = _traced_plan(model)
    about = "estimate of the noise in x; metadata.json has the schedule, with which one step is as in DDPM"
    return replace(plan, reference=_Estimate(model), about=about, facts=_facts(model))


def _traced_plan(model: DiffwaveSashimi) -> GraphPlan:
    """Return the plan of an estimate that can be traced."""
    example, *trials = (_estimate_inputs(model, *shape) for shape in (_EXAMPLE, *_TRIALS))
    estimate = _Estimate(_traceable(model))
    inputs = (
        *_features(model),
        Port("x", ("batch", 1, "samples"), "noisy audio"),
        Port("steps", ("batch",), f"diffusion step, 0 to {len(model.schedule) - 1}, whole or fractional"),
    )
    output = Port("noise", ("batch", 1, "samples"), "estimate of the noise")
    return GraphPlan("estimate", estimate, estimate, inputs, (output,), example, tuple(trials))


def _traceable(model: DiffwaveSashimi) -> DiffwaveSashimi:
    """Return a copy whose convolutions are those of the graph."""
    made = copy.deepcopy(model)
    for part in made.modules():
        if isinstance(part, DiffusionBlock):
            block: Any = part
            block.s4 = _Convolution(part.s4, _kernel(part.s4)[0])
    return made


def _kernel(layer: S4Layer) -> tuple[Tensor, bool]:
    """Return the kernel (1 or 2, H, K), and whether it is the whole one: limited by the model, or decayed."""
    stored = layer.kernel.kernel_length
    with torch.no_grad():
        if layer.longest is not None:
            return layer.kernel(layer.longest), True
        kernel = layer.kernel(_LONGEST * stored if stored else _LONGEST_SAMPLES)
    heard = (kernel.abs() > _NOTHING * kernel.abs().max()).any(dim=0).any(dim=0).nonzero()
    last = int(heard[-1]) + 1 if len(heard) else 1
    return kernel[..., :last], last < kernel.shape[-1]


def _facts(model: DiffwaveSashimi) -> dict[str, Any]:
    """Return the number of samples up to which the kernels are exact, null for any number."""
    blocks = [part for part in model.modules() if isinstance(part, DiffusionBlock)]
    if all(_kernel(block.s4)[1] for block in blocks):
        return {"exact_up_to_samples": None}
    length = model.config.kernel_length
    return {"exact_up_to_samples": _LONGEST * length if length else _LONGEST_SAMPLES}


def _features(model: DiffwaveSashimi) -> tuple[Port, ...]:
    if model.log_mel is None:
        return ()
    return (Port("features", ("batch", model.num_features, "frames"), model.fingerprint),)


def _inputs(model: DiffwaveSashimi, batch: int, frames: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(frames)
    hop = _UNCONDITIONAL_HOP if model.log_mel is None else model.hop_length
    x = torch.randn(batch, 1, frames * hop, generator=generator)
    if model.log_mel is None:
        return {"x": x}
    return {"features": torch.randn(batch, model.num_features, frames, generator=generator) - 4, "x": x}


def _estimate_inputs(model: DiffwaveSashimi, batch: int, frames: int) -> dict[str, Tensor]:
    steps = torch.linspace(0.5, len(model.schedule) - 1.5, batch)
    return _inputs(model, batch, frames) | {"steps": steps}
