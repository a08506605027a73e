"""Steps on a GPU by recorded CUDA graphs, replayed without the overhead of interpreter and driver.

The tiers that run, and the shapes of the queues between them, repeat with a period of the product of the pools. There
is one graph for each of these phases, and each reads the state that the previous one has written.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vocoders.sashimi.runtimes.plain import PlainStepper
from vocoders.sashimi.runtimes.prompt import map_state, state_tensors

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi

__all__ = ["GraphStepper", "record_graph"]

# Runs a function once, and returns its result and a function that repeats it in place.
Recorder = Callable[[Callable[[], Any]], tuple[Any, Callable[[], None]]]


class GraphStepper(PlainStepper):
    """Replay recorded steps.

    Args:
        model: a causal model on a CUDA device.
        batch_size: number of sequences.
        prompt: int64 (L,) codes at the start of every sequence, or None.
        labels: int64 (B,), for a model with labels.
        guidance: see :class:`~vocoders.sashimi.options.CodeSampling`.
        record: function that records one step; :func:`record_graph` by default.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: "Sashimi",
        batch_size: int = 1,
        prompt: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        guidance: float = 1.0,
        record: Recorder | None = None,
    ) -> None:
        super().__init__(model, batch_size, prompt, labels=labels, guidance=guidance)
        record = record or record_graph
        self._read = self._codes.clone()
        self._phase = 0
        first = map_state(self._state, torch.clone)
        kept = map_state(first, torch.clone)
        state, self._graphs = first, []
        period = math.prod(model.config.pool)
        for phase in range(period):
            (logits, state), replay = record(self._one_step(state, first if phase == period - 1 else None))
            self._graphs.append((logits, replay))
        # Recording may have advanced the state.
        _overwrite(first, kept)

    def _one_step(self, state: Any, target: Any | None) -> Callable[[], tuple[Tensor, Any]]:
        def step() -> tuple[Tensor, Any]:
            logits, after = self._step(self._read, state)
            if target is not None:
                _overwrite(target, after)
            return logits, after

        return step

    def _advance(self, codes: Tensor) -> Tensor:
        self._read.copy_(codes)
        logits, replay = self._graphs[self._phase]
        self._phase = (self._phase + 1) % len(self._graphs)
        replay()
        return logits


def _overwrite(target: Any, source: Any) -> None:
    for old, new in zip(state_tensors(target), state_tensors(source), strict=True):
        old.copy_(new)


def record_graph(function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
    """Record a function as a CUDA graph; each replay writes its outputs to the same memory."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    # The first calls of libraries allocate memory and choose algorithms, and must not be recorded.
    with torch.cuda.stream(stream):
        for _ in range(2):
            function()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return outputs, graph.replay
