"""Compiled programs over rows: the steps of a convolutional network, carried out for the next samples of a stream.

A row contains the channels of one sample, padded to whole vectors. All rows of a stream lie in one flat memory: pasts,
to which new rows are appended, and work rows of the present samples. A step reads and writes them; one call carries out
all steps, since calls from Python would cost more than the steps of a small network. Each sum has a fixed order, so
blocks of any size give the same bits.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from typing import NamedTuple, get_args

from numba import njit

from effects.models import activations
from effects.models.activations import FAST_TANH, ActivationName
from effects.runtimes import convolutions
from effects.runtimes.convolutions import convolution
from vocoders.core import vectors
from vocoders.core.compiling import compiled
from vocoders.core.vectors import bounded, exp, fma, load, magnitude, positive_part, sigmoid, store

__all__ = [
    "ADD",
    "BLEND",
    "CONVOLVE",
    "FILL",
    "FUNCTIONS",
    "LANES",
    "MODULATE",
    "MULTIPLY",
    "SUM",
    "Step",
    "run_program",
]

#: Widths of rows are 4, 8 or multiples of this; values for channels are repeated to fill as many lanes.
LANES = 16

# Kinds of steps.
FILL, SUM, CONVOLVE, ADD, MULTIPLY, MODULATE, BLEND, ACTIVATE = range(8)
#: Kinds of steps that apply a function, by its name.
FUNCTIONS = {name: ACTIVATE + number for number, name in enumerate(get_args(ActivationName))}
(_TANH, _FAST_TANH, _HARD_TANH, _RELU, _LEAKY_RELU, _SIGMOID, _SILU, _HARD_SWISH, _LEAKY_HARD_TANH, _SOFTSIGN) = (
    FUNCTIONS.values()
)


_P, _Q, _R, _S, _U = FAST_TANH


class Step(NamedTuple):
    """A step y = f(x, z), by places in memory and in the weights.

    Attributes:
        kind: what is computed.
        y: first row of the output.
        y_width: its width.
        y_moves: 1 if the rows belong to a past, and move with the stream.
        x: first row of the input.
        x_width: its width.
        x_moves: as ``y_moves``.
        z: first row of a second input, of the width of the output.
        z_moves: as ``y_moves``.
        weights: start of the step's weights.
        taps: number of taps.
        dilation: rows between taps.
        inputs: channels of the input that are read.
    """

    kind: int
    y: int
    y_width: int
    y_moves: int
    x: int = 0
    x_width: int = 0
    x_moves: int = 0
    z: int = 0
    z_moves: int = 0
    weights: int = 0
    taps: int = 0
    dilation: int = 0
    inputs: int = 0


_convolve_4, _convolve_8, _convolve_16 = (convolution(lanes, adds=True) for lanes in (4, 8, 16))


@njit
def _convolve(weights, weight, x, at, row, step, taps, inputs, y, to, width, length):
    if width == 4:
        _convolve_4(weights, weight, x, at, row, step, taps, inputs, y, to, width, length)
    elif width == 8:
        _convolve_8(weights, weight, x, at, row, step, taps, inputs, y, to, width, length)
    else:
        for channel in range(0, width, 16):
            first = weight + channel * taps * inputs
            _convolve_16(weights, first, x, at, row, step, taps, inputs, y, to + channel, width, length)


@njit
def _tanh(x):
    return 1.0 - 2.0 / (1.0 + exp(2.0 * x))


@njit
def _fast_tanh(x):
    size, square = magnitude(x), x * x
    above = x * (_P + _P * size + (_Q + _R * size) * square)
    below = _S + (_S + square) * magnitude(x + _U * x * size)
    return above / below


@njit
def _leaky_relu(x, slopes):
    positive = positive_part(x)
    return fma(slopes, x - positive, positive)


@njit
def _leaky_hard_tanh(x, values, at):
    low, high = load(values, at, 16), load(values, at + 16, 16)
    below = positive_part(low - x)
    above = positive_part(x - high)
    middle = x + below - above
    return middle - load(values, at + 32, 16) * below + load(values, at + 48, 16) * above


@njit
def _apply(kind, weights, at, memory, x, y, count, period):
    """Apply a function to ``count`` vectors; values of channels repeat after ``period`` numbers."""
    for n in range(0, 16 * count, 16):
        value = load(memory, x + n, 16)
        if kind == _TANH:
            value = _tanh(value)
        elif kind == _LEAKY_RELU:
            value = _leaky_relu(value, load(weights, at + n % period, 16))
        elif kind == _RELU:
            value = positive_part(value)
        elif kind == _SIGMOID:
            value = sigmoid(value)
        elif kind == _SILU:
            value = value * sigmoid(value)
        elif kind == _FAST_TANH:
            value = _fast_tanh(value)
        elif kind == _HARD_TANH:
            value = bounded(value, -1.0, 1.0)
        elif kind == _HARD_SWISH:
            value = value * bounded(value + 3.0, 0.0, 6.0) / 6.0
        elif kind == _LEAKY_HARD_TANH:
            value = _leaky_hard_tanh(value, weights, at)
        elif kind == _SOFTSIGN:
            value = value / (1.0 + magnitude(value))
        store(memory, y + n, value)


@njit
def _combine(kind, weights, at, memory, x, z, y, count, period):
    """Combine ``count`` vectors of rows of equal width."""
    for n in range(0, 16 * count, 16):
        if kind == FILL:
            value = load(weights, at + n % period, 16)
        elif kind == SUM:
            value = load(weights, at + n % period, 16) + load(memory, x + n, 16)
        elif kind == ADD:
            value = load(memory, y + n, 16) + load(memory, x + n, 16)
        elif kind == MULTIPLY:
            value = load(memory, y + n, 16) * load(memory, x + n, 16)
        elif kind == MODULATE:
            value = fma(load(memory, y + n, 16), load(memory, x + n, 16), load(memory, z + n, 16))
        else:  # BLEND
            plain = load(memory, z + n, 16)
            value = fma(load(memory, x + n, 16), load(memory, y + n, 16) - plain, plain)
        store(memory, y + n, value)


@njit
def _run_steps(memory, weights, steps, offset, length):
    """Carry out all steps for the next ``length`` samples of one stream."""
    for number in range(len(steps)):
        step = steps[number]
        kind, width, x_width = step[0], step[2], step[5]
        y = step[1] + step[3] * offset * width
        x = step[4] + step[6] * offset * x_width
        z = step[7] + step[8] * offset * width
        if kind == CONVOLVE:
            taps, dilation, inputs = step[10], step[11], step[12]
            _convolve(weights, step[9], memory, x, x_width, dilation * x_width, taps, inputs, memory, y, width, length)
            continue
        # Rows are contiguous; what lies after them is not in use yet.
        count, period = (length * width + 15) // 16, max(width, 16)
        if kind >= ACTIVATE:
            _apply(kind, weights, step[9], memory, x, y, count, period)
        else:
            _combine(kind, weights, step[9], memory, x, z, y, count, period)


@compiled(activations, convolutions, vectors)
def run_program(memory, weights, steps, pasts, places, x, y, offset, room, most):
    """Run a program over the next samples of a stream.

    Args:
        memory: memory of each item, (B, M) float32.
        weights: all weights, flat, float32.
        steps: rows of :class:`Step`, int64.
        pasts: first place, number of rows and width of each past, (pasts, 3) int64.
        places: place and width of the input rows, then of the output rows, (4,) int64.
        x: input (B, n, T).
        y: output (B, T), written.
        offset: number of rows that the stream has moved on in its pasts.
        room: free rows of each past.
        most: number of work rows.

    Returns:
        The next offset.
    """
    batch, channels, length = x.shape
    done = 0
    while done < length:
        count = min(length - done, most)
        if offset + count > room:
            for b in range(batch):
                for p in range(len(pasts)):
                    place, rows, width = pasts[p]
                    for i in range(place, place + rows * width):
                        memory[b, i] = memory[b, i + offset * width]
            offset = 0
        for b in range(batch):
            own = memory[b]
            for n in range(count):
                for channel in range(channels):
                    own[places[0] + n * places[1] + channel] = x[b, channel, done + n]
            _run_steps(own, weights, steps, offset, count)
            for n in range(count):
                y[b, done + n] = own[places[2] + n * places[3]]
        offset += count
        done += count
    return offset
