"""Recursions in a graph: those of :mod:`effects.models.differentiable_recursions`, in float64 on rows (T, C)."""

import numpy as np

from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import END, Rows, integers

__all__ = ["ballistics", "two_poles"]

# Powers of two, up to more than the samples of a call.
_POWERS = integers(*(1 << k for k in range(40)))


def ballistics(graph: Graph, gain_db: str, fall: str, rise: str, last: str, after: str) -> str:
    """Smooth a gain, with separate coefficients for falling and rising gain.

    Args:
        graph: graph to write to.
        gain_db: (T, C).
        fall: coefficient (1,).
        rise: coefficient (1,).
        last: smooth gain before the first sample, (C,).
        after: name of the last sample of the result.

    Returns:
        The smooth gain (T, C).
    """

    def step(before: str, gain: str) -> list[str]:
        above = graph.op("Sub", before, gain)
        coefficient = graph.op("Where", graph.op("Greater", above, np.float64(0)), fall, rise)
        left = graph.op("Mul", coefficient, above)
        return [graph.op("Add", gain, left), left]

    names = [after, f"left.{after}"]
    _, left = graph.ops("Scan", last, gain_db, names=names, body=graph.body(2, step), num_scan_inputs=1)
    return graph.op("Add", gain_db, left)


def two_poles(graph: Graph, rows: Rows, x: str, a1: str, a2: str, last: str) -> str:
    """Return ``y[n] = x[n] - a1 y[n - 1] - a2 y[n - 2]``, in as many steps as T has binary digits.

    With A(z) = 1 + a1 z^-1 + a2 z^-2, A(z) A(-z) = B(z^2) again has two coefficients, so 1 / A(z) = A(-z) / B(z^2).
    Each step filters with the three taps of A(-z), twice as far apart as in the previous step; when they are beyond the
    block, the remaining divisor is 1.

    Args:
        graph: graph to write to.
        rows: the input, for T.
        x: (T, C).
        a1: (1,).
        a2: (1,).
        last: y[-2] and y[-1], (2, C).
    """
    earlier, late = graph.ops("Split", last, integers(1, 1), names=2, axis=0)
    # Prepend two samples that bring a filter at rest to y[-2] and y[-1].
    known = graph.op("Concat", earlier, graph.op("Add", late, graph.op("Mul", a1, earlier)), x, axis=0)
    length = graph.op("Add", rows.count, integers(2))
    distances = graph.op("Compress", _POWERS, graph.op("Less", _POWERS, length))

    def step(y: str, b1: str, b2: str, distance: str) -> list[str]:
        near, far = (graph.op("Mul", distance, integers(-count)) for count in (1, 2))
        padded = graph.op("Pad", y, graph.op("Mul", distance, integers(2, 0, 0, 0)))
        one = graph.op("Slice", padded, distance, near, integers(0))
        two = graph.op("Slice", padded, integers(0), far, integers(0))
        y = graph.op("Sub", graph.op("Add", y, graph.op("Mul", b2, two)), graph.op("Mul", b1, one))
        squared = graph.op("Mul", b1, b1)
        b1 = graph.op("Sub", graph.op("Add", b2, b2), squared)
        return [y, b1, graph.op("Mul", b2, b2)]

    inputs = known, a1, a2, graph.op("Unsqueeze", distances, integers(1))
    y, *_ = graph.ops("Scan", *inputs, names=3, body=graph.body(4, step), num_scan_inputs=1)
    return graph.op("Slice", y, integers(2), integers(END), integers(0))
