"""The step graph of a gray box: its stages node by node, in float64 like their states."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from effects.models.differentiable_recursions import LN_9
from effects.models.graybox import Blend, Dynamics, Filter, GrayBox, Shaper, Stage
from effects.runtimes.onnx.graph import Graph, StateTensor
from effects.runtimes.onnx.parts import DOUBLE, END, FLOAT, Rows, add_output, integers
from effects.runtimes.onnx.recursions import ballistics, two_poles

__all__ = ["build_graybox"]

_DB = math.log(10) / 20


def build_graybox(model: GrayBox, graph: Graph, max_block: int) -> None:
    """Write a gray box to ``graph``; blocks of any length are possible, ``max_block`` is not used."""
    rows = Rows(graph, model.config.audio_channels)
    stages = _Stages(graph, rows, model.config.audio_channels)
    x = stages.dry
    for number, (stage, parameters) in enumerate(zip(model.stages, _add_parameters(graph, model), strict=True)):
        x = stages.add(number, stage, x, parameters)
    add_output(graph, graph.op("Cast", x, to=FLOAT), model.config.audio_channels)


def _add_parameters(graph: Graph, model: GrayBox) -> list[str]:
    """Return the parameters (P,) of each stage."""
    if graph.knobs is None:
        nothing = torch.zeros(0)
        total = graph.constant(_exact(model.projection(model.hidden(nothing)) + model.direct(nothing)))
    else:
        knobs = x = graph.op("Squeeze", graph.op("Cast", graph.knobs, to=DOUBLE), integers(0))
        for layer in model.hidden:
            x = _linear(graph, x, layer) if isinstance(layer, nn.Linear) else graph.op("Tanh", x)
        direct = graph.op("MatMul", knobs, _exact(model.direct.weight.T))
        total = graph.op("Add", _linear(graph, x, model.projection), direct)
    return graph.ops("Split", total, integers(*model.sizes), names=len(model.sizes), axis=0)


class _Stages:
    """Writes stages, from rows (T, C) and parameters (P,) to rows."""

    def __init__(self, graph: Graph, rows: Rows, channels: int) -> None:
        self._graph, self._rows, self._channels = graph, rows, channels
        self.dry = graph.op("Cast", rows.audio, to=DOUBLE)
        self._writers: dict[type, Callable[..., str]] = {
            Dynamics: self._add_dynamics,
            Filter: self._add_filter,
            Shaper: self._add_shaper,
            Blend: self._add_blend,
        }

    def add(self, number: int, stage: Stage, x: str, parameters: str) -> str:
        """Add a stage and return its output."""
        return self._writers[type(stage)](number, stage, x, parameters)

    def _add_dynamics(self, number: int, stage: Dynamics, x: str, parameters: str) -> str:
        op = self._graph.op
        threshold, slope, knee, attack, release, makeup = self._split(parameters, 6)
        level = op("Mul", op("Log", op("Add", op("Abs", x), np.float64(1e-8))), np.float64(1 / _DB))
        width = op("Mul", op("Exp", self._limit(knee, 6)), np.float64(0.3))
        threshold = self._affine(threshold, 20, -20)
        over = op("Mul", width, op("Softplus", op("Div", op("Sub", level, threshold), width)))
        gain = op("Mul", over, self._affine(slope, -1, -0.5))
        fall, rise = (self._coefficient(time, stage.sample_rate) for time in (attack, release))
        state = self._graph.state(f"{number}.gain_db", self._channels, dtype="float64")
        gain = ballistics(self._graph, gain, fall, rise, state.input, state.output)
        return op("Mul", x, op("Exp", op("Mul", op("Add", gain, makeup), np.float64(_DB))))

    def _coefficient(self, time: str, sample_rate: int) -> str:
        decay = self._graph.op("Exp", self._graph.op("Neg", self._limit(time, 9)))
        return self._graph.op("Exp", self._graph.op("Mul", decay, np.float64(-LN_9 / (sample_rate * 0.01))))

    def _add_filter(self, number: int, stage: Filter, x: str, parameters: str) -> str:
        graph, op = self._graph, self._graph.op
        coefficients = self._add_coefficients(stage, parameters)
        # The last outputs of a section are the last inputs of the next one.
        states = [
            graph.state(f"{number}.memory.{place}", 2, self._channels, dtype="float64")
            for place in range(stage.num_sections + 1)
        ]
        for section, state, following in zip(coefficients, states[:-1], states[1:], strict=True):
            b0, b1, b2, a1, a2 = section
            known = self._remember(state, x)
            one, two = (op("Slice", known, integers(2 - n), integers(-n), integers(0)) for n in (1, 2))
            moving = op("Add", op("Add", op("Mul", b0, x), op("Mul", b1, one)), op("Mul", b2, two))
            x = two_poles(graph, self._rows, moving, a1, a2, following.input)
        self._remember(states[-1], x)
        return x

    def _remember(self, state: StateTensor, x: str) -> str:
        """Return ``x`` preceded by the last two samples; store the last two of the result."""
        known = self._graph.op("Concat", state.input, x, axis=0)
        self._graph.op("Slice", known, integers(-2), integers(END), integers(0), name=state.output)
        return known

    def _add_coefficients(self, stage: Filter, parameters: str) -> list[list[str]]:
        """Return b0, b1, b2, a1 and a2, (1,) each, of every section; all sections are computed at once."""
        op, one = self._graph.op, np.float64(1)
        table = op("Transpose", op("Reshape", parameters, integers(stage.num_sections, 5)), perm=[1, 0])
        frequency, resonance, low, band, high = self._split(table, 5)
        frequency = op("Exp", op("Mul", self._limit(frequency, 9), np.float64(2)))
        frequency = op("Mul", frequency, np.array([stage.centres]))
        frequency = op("Clip", frequency, np.float64(2.0), np.float64(0.49 * stage.sample_rate))
        angle = op("Mul", frequency, np.float64(math.pi / stage.sample_rate))
        g = op("Div", op("Sin", angle), op("Sin", op("Sub", np.float64(math.pi / 2), angle)))
        damping = op("Mul", op("Mul", op("Exp", op("Neg", self._limit(resonance, 4))), np.float64(math.sqrt(2))), g)
        square = op("Mul", g, g)
        low, band, high = (op("Add", part, one) for part in (low, band, high))
        low, band = op("Mul", low, square), op("Mul", band, damping)
        middle, both = op("Sub", low, high), op("Add", low, high)
        about, excess = op("Add", square, one), op("Sub", square, one)
        terms = [
            op("Add", both, band),
            op("Add", middle, middle),
            op("Sub", both, band),
            op("Add", excess, excess),
            op("Sub", about, damping),
        ]
        scale = op("Add", about, damping)
        table = op("Transpose", op("Div", op("Concat", *terms, axis=0), scale), perm=[1, 0])
        flat = self._split(op("Reshape", table, integers(-1)), 5 * stage.num_sections)
        return [flat[start : start + 5] for start in range(0, len(flat), 5)]

    def _add_shaper(self, number: int, stage: Shaper, x: str, parameters: str) -> str:
        graph, op, count = self._graph, self._graph.op, len(stage.slopes)
        linear, sizes, slopes, offsets = graph.ops("Split", parameters, integers(1, *3 * [count]), names=4, axis=0)
        starts = _exact(stage.slopes)
        steep = op("Mul", op("Exp", slopes), starts)
        sizes = op("Mul", sizes, 1 / np.sqrt(starts))
        bent = op("Tanh", op("Add", op("Mul", op("Unsqueeze", x, integers(2)), steep), offsets))
        bent = op("MatMul", op("Sub", bent, op("Tanh", offsets)), sizes)
        return op("Add", op("Mul", x, self._affine(linear, 1, 1)), bent)

    def _add_blend(self, number: int, stage: Blend, x: str, parameters: str) -> str:
        wet, added = self._split(parameters, 2)
        wet = self._graph.op("Mul", x, self._affine(wet, 1, 1))
        return self._graph.op("Add", wet, self._graph.op("Mul", self.dry, added))

    def _split(self, parameters: str, count: int) -> list[str]:
        return self._graph.ops("Split", parameters, integers(*count * [1]), names=count, axis=0)

    def _limit(self, x: str, bound: float) -> str:
        return self._graph.op("Clip", x, np.float64(-bound), np.float64(bound))

    def _affine(self, x: str, factor: float, shift: float) -> str:
        scaled = x if factor == 1 else self._graph.op("Mul", x, np.float64(factor))
        return self._graph.op("Add", scaled, np.float64(shift))


def _linear(graph: Graph, x: str, layer: nn.Linear) -> str:
    # On vectors, since older runtimes fuse a matrix product and tanh to an operator that lacks double precision.
    return graph.op("Add", graph.op("MatMul", x, _exact(layer.weight.T)), _exact(layer.bias))


def _exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()
