"""SaShiMi as ONNX: one code and the states in, the logits of the next code and the next states out.

A tier below the first is computed when its frame is complete. The graph counts codes in the state ``position``, and
contains one branch for each number of tiers that a code completes.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.core.graphs.agreement import relative_error
from vocoders.core.graphs.joining import JoinedGraph
from vocoders.core.graphs.tracing import GraphPlan, Port, trace
from vocoders.layers.s4 import S4Layer
from vocoders.sashimi.blocks import FeedForward, ResidualBlock
from vocoders.sashimi.model import Sashimi

__all__ = ["graphs"]

# Codes of the verification, and items of its batch.
_LENGTH, _BATCH = 70, 3

Run = Callable[[Mapping[str, np.ndarray]], Sequence[np.ndarray]]


def graphs(model: Sashimi, options: Any) -> tuple[GraphPlan, ...]:
    """Return the step graph of an export; temperature and guidance are outside of it.

    Raises:
        ConfigError: for a network that reads the future.
    """
    del options
    if not model.config.is_causal:
        raise ConfigError("a bidirectional SaShiMi reads the future and has no step graph")
    still = copy.deepcopy(model).cpu().float().eval()
    steps = [_Step(still, depth) for depth in range(len(still.network.tiers.pools) + 1)]
    states = steps[0].states
    inputs = (Port("codes", ("batch",), "the last code of each item", dtype="int64"),)
    if model.labels:
        about = f"index of the label ({', '.join(model.labels)}); {len(model.labels)}: the mean of all"
        inputs += (Port("labels", ("batch",), about, dtype="int64"),)
    position = Port("position", (), "number of codes before this one", dtype="int64")
    outputs = (Port("logits", ("batch", model.quantiser.num_codes), "of the next code, in nats"),)
    entering, leaving = (position, *states), tuple(_next(port) for port in (position, *states))
    return (
        GraphPlan(
            "step",
            steps[0],
            steps[0],
            (*inputs, *entering),
            (*outputs, *leaving),
            _example(inputs, states, model),
            (),
            "one code: all states are 0 at the start, and the first code is that of silence",
            example_name="codes",
            assemble=partial(_assemble, steps, inputs, states, outputs, model),
            play=partial(_play, still, (*inputs, *entering)),
            vector=_vector(still),
            facts={
                "first_code": model.quantiser.zero_code,
                "decoding": model.quantiser.decode(torch.arange(model.quantiser.num_codes)).tolist(),
            },
        ),
    )


class _Step(nn.Module):
    """The network for a code that completes the frames of the first ``depth`` tiers.

    Attributes:
        states: its states, in the order of the arguments: for each state-space layer real and imaginary parts, and for
            each pool the inputs that have come and the outputs that are left.
    """

    def __init__(self, model: Sashimi, depth: int) -> None:
        super().__init__()
        self.model, self.depth, tiers = model, depth, model.network.tiers
        blocks = [*(list(part) for part in tiers.down), list(tiers.centre), *(list(part) for part in tiers.up)]
        self.recurrences = nn.ModuleDict()
        self.states: tuple[Port, ...] = ()
        for group, parts in enumerate(blocks):
            for index, block in enumerate(parts):
                if isinstance(block.layer, S4Layer):
                    name = f"{group}_{index}"
                    self.recurrences[name] = made = _Recurrence(block.layer)
                    self._add(f"recurrence_{name}", 2, *made.size)
        for tier, pool in enumerate(tiers.pools):
            channels = pool.linear.weight.shape[1] // pool.factor
            self._add(f"frame_{tier}", channels, pool.factor)
            self._add(f"queue_{tier}", channels, pool.factor)

    def _add(self, name: str, *sizes: int) -> None:
        self.states += (Port(f"state.{name}", ("batch", *sizes), "0 at the start"),)

    def forward(self, codes: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, and the next states."""
        labels = rest[0] if self.model.labels else None
        values = rest[1:] if self.model.labels else rest
        states = {port.name.removeprefix("state."): value for port, value in zip(self.states, values, strict=True)}
        x = self.model.embedding(codes)[..., None]
        y = self.model.network.norm(self._tier(0, x, states, labels))
        logits = self.model.head(y[..., 0])
        return logits, *(states[port.name.removeprefix("state.")] for port in self.states)

    def _tier(self, tier: int, x: Tensor, states: dict[str, Tensor], labels: Tensor | None) -> Tensor:
        tiers = self.model.network.tiers
        pools = len(tiers.pools)
        if tier == pools:
            y = x
            for index, block in enumerate(tiers.centre):
                y = self._block(block, f"{pools}_{index}", y, states, labels)
            return y + x if tiers.centre_skip else y
        kept = []
        for index, block in enumerate(tiers.down[tier]):
            kept.append(x)
            x = self._block(block, f"{tier}_{index}", x, states, labels)
        frame = torch.cat([states[f"frame_{tier}"][..., 1:], x], dim=-1)
        queue = states[f"queue_{tier}"]
        y = entry = x + queue[..., :1]
        queue = F.pad(queue[..., 1:], (0, 1))
        if tier < self.depth:
            below = self._tier(tier + 1, tiers.pools[tier](frame), states, labels)
            queue = tiers.unpools[tier].unfold(below)
        states[f"frame_{tier}"], states[f"queue_{tier}"] = frame, queue
        for index, block in enumerate(tiers.up[tier]):
            y = self._block(block, f"{pools + 1 + tier}_{index}", y, states, labels)
            if tiers.skips == "unet":
                y = y + kept.pop()
        return y + entry if tiers.skips == "tier" else y

    def _block(
        self, block: ResidualBlock, name: str, x: Tensor, states: dict[str, Tensor], labels: Tensor | None
    ) -> Tensor:
        u = block._read(x, labels)
        if isinstance(block.layer, FeedForward):
            return x + block.layer(u)
        key = f"recurrence_{name}"
        y, states[key] = self.recurrences[name](u[..., 0], states[key])
        return x + block.layer._output(y[..., None])


class _Recurrence(nn.Module):
    """The recurrence of a state-space layer with real numbers: u (B, H), state (B, 2, H, n) -> y (B, H), state."""

    def __init__(self, layer: S4Layer) -> None:
        super().__init__()
        with torch.no_grad():
            system = layer.initial_state(1).system
        parts = {"poles": system.poles, "entry": system.input, "exit": system.output[0]}
        if system.left is not None and system.right is not None:
            parts |= {"left": system.left, "right": system.right}
        self.has_low_rank = "left" in parts
        for name, value in parts.items():
            self.register_buffer(f"{name}_real", value.real.clone())
            self.register_buffer(f"{name}_imag", value.imag.clone())
        self.register_buffer("through", layer.D.detach().clone())
        self.size = tuple(system.input.shape)

    def forward(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output, and the state after it."""
        real, imag = state[:, 0], state[:, 1]
        own: Any = self
        # State and output are those of conjugate pairs: twice the real part stands for both.
        moved = own.poles_real * real - own.poles_imag * imag, own.poles_real * imag + own.poles_imag * real
        if self.has_low_rank:
            back = 2 * (own.right_real * real - own.right_imag * imag).sum(-1, keepdim=True)
            moved = moved[0] - own.left_real * back, moved[1] - own.left_imag * back
        real, imag = moved[0] + own.entry_real * u[..., None], moved[1] + own.entry_imag * u[..., None]
        y = 2 * (own.exit_real * real - own.exit_imag * imag).sum(-1)
        return y + own.through * u, torch.stack([real, imag], dim=1)


def _assemble(
    steps: Sequence[_Step], inputs: Sequence[Port], states: Sequence[Port], outputs: Sequence[Port], model: Sashimi
) -> bytes:
    """Return the step graph: branches by the number of tiers whose frame is complete."""
    graph = JoinedGraph()
    position = Port("position", (), "number of codes before this one", dtype="int64")
    made = (*outputs, *(_next(port) for port in states))
    example = _example(inputs, states, model)
    given = {port.name: port.name for port in (*inputs, *states)}
    after = graph.op("Add", "position", graph.constant(1, "int64"))

    def write(depth: int) -> Sequence[str]:
        plan = GraphPlan("step", steps[depth], steps[depth], (*inputs, *states), made, example, ())
        if depth == len(steps) - 1:
            return graph.part(trace(plan), given)
        total = math.prod(pool.factor for pool in model.network.tiers.pools[: depth + 1])
        left = graph.op("Mod", after, graph.constant(total, "int64"))
        goes_on = graph.op("Equal", left, graph.constant(0, "int64"))
        return graph.choose(goes_on, made, lambda: write(depth + 1), lambda: graph.part(trace(plan), given))

    names = write(0)
    results = dict(zip(made, names, strict=True)) | {_next(position): after}
    ordered = {port: results[port] for port in (*outputs, _next(position), *(_next(port) for port in states))}
    return graph.finish(model.family, (*inputs, position, *states), ordered)


def _next(port: Port) -> Port:
    name = f"next.{port.name.removeprefix('state.')}"
    return Port(name, port.axes, f"the next {port.name}", dtype=port.dtype)


def _example(inputs: Sequence[Port], states: Sequence[Port], model: Sashimi) -> dict[str, Tensor]:
    example = {port.name: torch.zeros(2, dtype=torch.int64) for port in inputs}
    return example | {port.name: torch.zeros(2, *port.axes[1:]) for port in states}  # pyright: ignore[reportCallIssue]


def _codes(model: Sashimi) -> tuple[Tensor, Tensor | None]:
    """Return codes (B, L) of a verification, and labels (B,)."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(model.quantiser.num_codes, (_BATCH, _LENGTH), generator=generator)
    return codes, torch.arange(_BATCH) % (len(model.labels) + 1) if model.labels else None


def _vector(model: Sashimi) -> dict[str, np.ndarray]:
    """Return codes and the logits for each of them, by the model's convolutions over the whole."""
    codes, labels = _codes(model)
    with torch.no_grad():
        logits = model(model.shift(codes), labels)
    arrays = {"codes": codes, "logits": logits} | ({} if labels is None else {"labels": labels})
    return {name: tensor.numpy() for name, tensor in arrays.items()}


def _play(model: Sashimi, inputs: Sequence[Port], run: Run) -> float:
    """Run the graph code by code, and return the relative error of all logits."""
    vector = _vector(model)
    states = {port.name: np.zeros([_BATCH, *port.axes[1:]], np.float32) for port in inputs if "state." in port.name}
    labels = {"labels": vector["labels"]} if "labels" in vector else {}
    found, last = [], np.full(_BATCH, model.quantiser.zero_code)
    for step, codes in enumerate(vector["codes"].T):
        given = {"codes": last, "position": np.array(step), **labels, **states}
        logits, _, *after = run({port.name: given[port.name] for port in inputs})
        states = dict(zip(states, after, strict=True))
        found.append(logits)
        last = codes
    return relative_error(np.stack(found, axis=1), vector["logits"])
