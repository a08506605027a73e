"""PeriodWave as ONNX: the whole flow from features and noise to audio, and the parts of one step.

The flow is a loop over calls of the velocity. Every solver here is one: call k is at time t_k and at the point that the
call before it gave; its velocity counts w_k in the result of the step, and the next point is a_k along it. A graph with
16 steps is then as small as one with a single step.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.core.graphs.joining import JoinedGraph
from vocoders.core.graphs.plain import plain_copy
from vocoders.core.graphs.tracing import GraphPlan, Port, trace
from vocoders.flow import time_grid
from vocoders.frontends.graphs import StartGraph, log_mel_plan, real_valued, refinement_plan
from vocoders.periodwave.base import FlowVocoder, freeu_of
from vocoders.periodwave.estimator import Estimator, VelocityOfTensors
from vocoders.periodwave.model import PeriodWave
from vocoders.periodwave.multiband import PeriodWaveMB
from vocoders.periodwave.unet import PLAIN, FreeU

__all__ = ["graphs", "velocity_plan"]

# Items and frames of the trials, and of the example for tracing.
_SHAPES = ((1, 24), (3, 11))
_EXAMPLE = (2, 17)
# Calls in a step of each solver: the share of the step at which it is, its weight, and the way to the next point.
_CALLS = {
    "euler": [(0, 1, 0)],
    "midpoint": [(0, 0, 1 / 2), (1 / 2, 1, 0)],
    "heun": [(0, 1 / 2, 1), (1, 1 / 2, 0)],
    "rk4": [(0, 1 / 6, 1 / 2), (1 / 2, 1 / 3, 1 / 2), (1 / 2, 1 / 3, 1), (1, 1 / 6, 0)],
}


def graphs(model: PeriodWave | PeriodWaveMB, options: Any) -> tuple[GraphPlan, ...]:
    """Return the graphs of an export: synthesis with all steps, the parts of a step, front end, mel refinement.

    Args:
        model: the model.
        options: solver, steps and temperature in the graph of the synthesis.

    Raises:
        ConfigError: for a model that lacks some of its bands.
    """
    if isinstance(model, PeriodWaveMB) and not model.is_complete:
        raise ConfigError("the model has some of its bands alone, and no ONNX graph; join the models of all bands")
    plain = _plain(model)
    plans = [_synthesis_plan(plain, options)]
    if isinstance(plain, PeriodWave):
        plans += [_condition_plan(plain), _velocity_plan(plain, plain.estimator, freeu_of(options))]
    if model.mel is not None:
        plans += [log_mel_plan(model.log_mel), refinement_plan(model.mel_consistency)]
    return tuple(plans)


def velocity_plan(model: PeriodWave | PeriodWaveMB, part: VelocityOfTensors) -> GraphPlan:
    """Return the graph of one call of an estimator, for runtimes; ``part`` is it, as a function of tensors."""
    plain = _plain(model)
    if isinstance(plain, PeriodWave):
        return _velocity_plan(plain, plain.estimator, PLAIN)
    assert isinstance(model, PeriodWaveMB)
    names = [name for name, network in model.networks.items() if network.estimator is part.estimator]
    return _band_plan(plain, plain.networks[names[0]].estimator, list(model.networks).index(names[0]))


class _Flow(nn.Module):
    def __init__(self, model: FlowVocoder[Any], options: Any) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, features: Tensor, noise: Tensor, f0: Tensor | None = None) -> Tensor:
        excitation = noise if f0 is None else _excitation(self.model, f0, noise, self.options.temperature)
        return self.model._flow(features, excitation, sampling=self.options, report=lambda _: None)


class _Start(nn.Module):
    def __init__(self, model: FlowVocoder[Any], temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        return self.model.start(features, noise, self.temperature)


class _MelConsistentStart(nn.Module):
    def __init__(self, model: PeriodWave, temperature: float) -> None:
        super().__init__()
        self.model: Any = real_valued(model)
        self.start, self.temperature = StartGraph(self.model.mel_consistent), temperature

    def forward(self, features: Tensor, noise: Tensor, f0: Tensor) -> Tensor:
        return self.start(_excitation(self.model, f0, noise, self.temperature), features)


class _Filter(nn.Module):
    """Division or multiplication by the envelope."""

    def __init__(self, model: Any, name: str) -> None:
        super().__init__()
        self.shaping, self.name = real_valued(model.shaping), name

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        return getattr(self.shaping, self.name)(x, features)


def _excitation(model: Any, f0: Tensor, noise: Tensor, temperature: float) -> Tensor:
    return model.mel_consistent.excitation_of(f0, noise, temperature * model.config.noise_scale)


class _Condition(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        encoded = self.model.encode(features)
        return encoded if isinstance(encoded[0], Tensor) else sum(encoded, ())


class _End(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        # An input that is not used would be lost.
        if isinstance(self.model, PeriodWaveMB):
            return self.model.bands.inverse(x) + 0 * features[:1, :1, :1]
        return self.model._to_audio(x, features) + 0 * features[:1, :1, :1]


def _synthesis_plan(model: Any, options: Any) -> GraphPlan:
    samples = ("batch", 1, "samples")
    flow = _Flow(model, options)
    inputs = (
        _features(model),
        Port("noise", samples, f"standard normal; samples: frames * {model.hop_length}", "normal"),
    )
    if _has_f0(model):
        inputs += (Port("f0", ("batch", 1, "frames"), "in Hz, 0 where unvoiced; held for the samples of a frame"),)
    output = Port("audio", samples, f"at {model.sample_rate} Hz; not limited to [-1, 1]")
    return GraphPlan(
        "synthesis",
        flow,
        flow,
        inputs,
        (output,),
        _all_inputs(model, *_EXAMPLE),
        tuple(_all_inputs(model, *shape) for shape in _SHAPES),
        "features and noise to audio by all steps of the flow, before mel refinement",
        assemble=partial(_assemble, model, options, inputs, output),
    )


def _assemble(model: Any, options: Any, inputs: Sequence[Port], output: Port) -> bytes:
    """Return the graph of the flow."""
    graph, freeu = JoinedGraph(), freeu_of(options)
    drawn, real = _all_inputs(model, *_EXAMPLE), real_valued(model)
    given = {name: name for name in drawn}
    make = _MelConsistentStart(model, options.temperature) if _has_f0(model) else _Start(real, options.temperature)
    with torch.no_grad():
        start = make(**drawn)
    condition = graph.part(_trace(_Condition(model), {"features": drawn["features"]}), {"features": "features"})
    (x,) = graph.part(_trace(make, drawn), given)
    if isinstance(model, PeriodWave):
        times = time_grid(options.steps, options.sway)
        call = _velocity_call(graph, model, model.estimator, condition, freeu)
        if _has_f0(model):
            call = _between_filters(graph, model, call, {"x": start, "features": drawn["features"]})
        x = _solve(graph, x, times, options.solver, call)
    else:
        x = _draw_bands(graph, model, x, condition, options, freeu)
    ends = _trace(_End(real), {"x": start, "features": drawn["features"]})
    (audio,) = graph.part(ends, {"x": x, "features": "features"})
    return graph.finish(model.family, inputs, {output: audio})


def _draw_bands(
    graph: JoinedGraph, model: PeriodWaveMB, x: str, condition: Sequence[str], options: Any, freeu: FreeU
) -> str:
    """Add the flow of each band, given the lower ones, and return the name of all bands."""
    steps, periods = options.steps_of_bands(model.config.num_bands), len(model.config.periods)
    drawn = ""
    for band, network in enumerate(model.networks.values()):
        edges = [graph.constant([value], "int64") for value in (band, band + 1, 1)]
        own = graph.op("Slice", x, *edges)
        conditions = [drawn] * (band > 0) + list(condition[band * periods : (band + 1) * periods])
        call = _velocity_call(graph, model, network.estimator, conditions, freeu, band)
        times = time_grid(steps[band], options.sway)
        found = _solve(graph, own, times, options.solver, call)
        drawn = graph.op("Concat", drawn, found, axis=1) if band else found
    return drawn


def _velocity_call(
    graph: JoinedGraph, model: Any, estimator: Estimator, condition: Sequence[str], freeu: FreeU, band: int = 0
) -> Any:
    """Return a function that adds a call of an estimator at the point and time with the given names."""
    plan = _velocity_plan(model, estimator, freeu, band)
    content = trace(plan)
    names = [port.name for port in plan.inputs[2:]]

    def call(x: str, t: str) -> str:
        (velocity,) = graph.part(content, {"x": x, "t": t, **dict(zip(names, condition, strict=True))})
        return velocity

    return call


def _between_filters(graph: JoinedGraph, model: PeriodWave, call: Any, example: dict[str, Tensor]) -> Any:
    """Return a call whose network sees the state divided by the envelope, and whose velocity is multiplied by it."""
    before, after = (_trace(_Filter(model, name), example) for name in ("divide", "multiply"))

    def velocity(x: str, t: str) -> str:
        (seen,) = graph.part(before, {"x": x, "features": "features"})
        (found,) = graph.part(after, {"x": call(seen, t), "features": "features"})
        return found

    return velocity


def _has_f0(model: Any) -> bool:
    """Return whether the start of the flow is made of F0."""
    return isinstance(model, PeriodWave) and model.mel_consistent is not None


def _solve(graph: JoinedGraph, x: str, times: Tensor, solver: str, call: Any) -> str:
    """Add the loop over the calls of a solver, and return the name of the state after it."""
    calls = _CALLS[solver]
    steps = torch.diff(times.double())
    rows = [(start + h * at, h * weight, h * way) for start, h in zip(times[:-1].double(), steps, strict=True)
            for at, weight, way in calls]  # fmt: skip
    at, weights, ways = (graph.constant([float(row[column]) for row in rows]) for column in range(3))
    ends = graph.constant([(index + 1) % len(calls) == 0 for index in range(len(rows))], "bool")

    def step(index: str, start: str, point: str, total: str) -> list[str]:
        t, weight, way, end = (graph.op("Gather", table, index, axis=0) for table in (at, weights, ways, ends))
        velocity = call(point, t)
        total = graph.op("Add", total, graph.op("Mul", weight, velocity))
        further = graph.op("Add", start, graph.op("Mul", way, velocity))
        return [graph.op("Where", end, total, start), graph.op("Where", end, total, further), total]

    return graph.loop(len(rows), [x, x, x], step)[0]


def _condition_plan(model: PeriodWave) -> GraphPlan:
    inputs = [{"features": _inputs(model, *shape)["features"]} for shape in (_EXAMPLE, *_SHAPES)]
    return GraphPlan(
        "condition",
        _Condition(model),
        model.encode,
        (_features(model),),
        _conditions(model, model.estimator),
        inputs[0],
        tuple(inputs[1:]),
        "condition of the velocity, once for all steps",
    )


def _velocity_plan(model: Any, estimator: Estimator, freeu: FreeU, band: int = 0) -> GraphPlan:
    samples = ("batch", 1, "samples")
    lower = (Port("lower", ("batch", band, "samples"), "the bands below"),) * (band > 0)
    conditions = _conditions(model, estimator)

    def inputs(batch: int, frames: int) -> dict[str, Tensor]:
        drawn = _inputs(model, batch, frames)
        with torch.no_grad():
            encoded = model.encode(drawn["features"])
            x = model.prior(drawn["features"], drawn["noise"])
        own = encoded if isinstance(encoded[0], Tensor) else encoded[band]
        named = {port.name: item for port, item in zip(conditions, own, strict=True)}
        below = {"lower": x[:, :band]} if band else {}
        return {"x": x[:, band : band + 1], "t": torch.tensor(0.3), **below, **named}

    module = VelocityOfTensors(estimator, freeu, band)
    return GraphPlan(
        "velocity",
        module,
        module,
        (
            Port("x", samples, "state of the flow"),
            Port("t", (), "time, 0 (noise) to 1 (audio)"),
            *lower,
            *conditions,
        ),
        (Port("velocity", samples, "derivative of the state"),),
        inputs(*_EXAMPLE),
        tuple(inputs(*shape) for shape in _SHAPES),
        "velocity of the flow: x + step * velocity is an Euler step",
    )


def _band_plan(model: PeriodWaveMB, estimator: Estimator, place: int) -> GraphPlan:
    """Return the graph of the velocity of one band, the lower bands being further channels of its input."""
    conditions, channels = _conditions(model, estimator), estimator.in_channels

    def inputs(batch: int, frames: int) -> dict[str, Tensor]:
        drawn = _inputs(model, batch, frames)
        with torch.no_grad():
            own = model.encode(drawn["features"])[place]
        x = drawn["noise"].unflatten(-1, (model.config.num_bands, -1))[:, 0, :channels]
        named = {port.name: item for port, item in zip(conditions, own, strict=True)}
        return {"x": x, "t": torch.tensor(0.3), **named}

    module = VelocityOfTensors(estimator)
    x = Port("x", ("batch", channels, "samples"), "state of the flow, and the bands below")
    velocity = Port("velocity", ("batch", 1, "samples"), "derivative of the state")
    examples = [inputs(*shape) for shape in (_EXAMPLE, *_SHAPES)]
    ports = (x, Port("t", (), "time, 0 (noise) to 1 (audio)"), *conditions)
    return GraphPlan(f"velocity-{place}", module, module, ports, (velocity,), examples[0], tuple(examples[1:]), "")


def _trace(module: nn.Module, inputs: dict[str, Tensor]) -> bytes:
    """Return the graph of a part, whose axes are all free but those of channels."""
    ports = tuple(Port(name, ("batch", tensor.shape[1], f"length_{name}"), "") for name, tensor in inputs.items())
    return trace(GraphPlan("part", module, module, ports, (), inputs, ()))


def _plain(model: Any) -> Any:
    """Return a copy with plain weights, which processes periods one after another."""
    made = plain_copy(model)
    for part in made.modules():
        if isinstance(part, Estimator):
            part.period_batching = "loop"
    return made


def _features(model: FlowVocoder[Any]) -> Port:
    return Port("features", ("batch", model.num_features, "frames"), model.fingerprint)


def _conditions(model: Any, estimator: Estimator) -> tuple[Port, ...]:
    width = model.config.hidden_channels
    return tuple(
        Port(f"condition_{period}", ("batch", width, f"rows_{period}"), f"condition of period {period}")
        for period in estimator.periods
    )


def _all_inputs(model: FlowVocoder[Any], batch: int, frames: int) -> dict[str, Tensor]:
    """Return the inputs of the whole synthesis."""
    drawn = _inputs(model, batch, frames)
    if _has_f0(model):
        contour = torch.linspace(90.0, 260.0, frames).expand(batch, 1, frames).clone()
        contour[..., : frames // 4] = 0
        drawn["f0"] = contour
    return drawn


def _inputs(model: FlowVocoder[Any], batch: int, frames: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(frames)
    tilt = torch.linspace(-1.0, -6.0, model.num_features)[None, :, None]
    return {
        "features": tilt + 0.5 * torch.randn(batch, model.num_features, frames, generator=generator),
        "noise": torch.randn(batch, 1, frames * model.hop_length, generator=generator),
    }
