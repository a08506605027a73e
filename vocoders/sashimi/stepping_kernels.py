"""Operations of one SaShiMi step on CPUs, compiled by numba: norms, state-space systems, matrix products, draws.

All numbers live in a few flat arrays (:class:`~vocoders.sashimi.stepping_packing.Program`); rows of tables say where.
Every vector of channels is filled up with zeros to a multiple of 64. An item's numbers come from the same operations
in the same order whatever the size of the batch, so a batch changes no item.
"""

import numpy as np
from numba import njit

from vocoders.layers.vectors import (
    exp,
    fma,
    gelu,
    kept,
    largest,
    load,
    load_integers,
    sigmoid,
    splat,
    store,
    total,
)

__all__ = ["ADD", "GATE", "GELU", "SET", "advance_system", "draw", "linear", "normalise"]

# What becomes of a matrix product: kept, through GELU, added to the target, or gated and then added.
SET, GELU, ADD, GATE = range(4)


@njit
def normalise(memory, norm, source, target, batch):
    """Normalise items: rate * (gain * (x - mean) + shift) + bias of their label, with rate = 1 / deviation."""
    params, work = memory.params, memory.work
    width, share = norm.width, np.float32(norm.share)
    for item in range(batch):
        x, y = source + item * width, target + item * width
        bias = norm.bias + memory.labels[item] * width
        sums = load(work, x, 64)
        for i in range(64, width, 64):
            sums = sums + load(work, x + i, 64)
        mean = total(sums) * share
        squares = splat(0.0, 64)
        for i in range(0, width, 64):
            # The mask holds 1 for channels and 0 for what fills up the width.
            centred = (load(work, x + i, 64) - mean) * load(params, norm.start + 3 * i, 64)
            squares = fma(centred, centred, squares)
            store(work, y + i, centred)
        variance = total(squares) * share + np.float32(norm.epsilon)
        rate = np.float32(1) / np.sqrt(variance) if variance > 0 else np.float32(1)
        for i in range(0, width, 64):
            row = norm.start + 3 * i
            scaled = fma(load(work, y + i, 64), load(params, row + 64, 64), load(params, row + 128, 64))
            store(work, y + i, fma(scaled, splat(rate, 64), load(params, bias + i, 64)))


def _products(read):
    """Return functions for a tile of 64 outputs, of one item and of four; ``read`` loads weights of some format."""

    @njit
    def one(weights, start, work, x, inputs):
        sums = splat(0.0, 64)
        for i in range(inputs):
            sums = fma(read(weights, start + 64 * i, 64), splat(work[x + i], 64), sums)
        return sums

    @njit
    def four(weights, start, work, x, step, inputs):
        a = b = c = d = splat(0.0, 64)
        for i in range(inputs):
            column = read(weights, start + 64 * i, 64)
            a = fma(column, splat(work[x + i], 64), a)
            b = fma(column, splat(work[x + step + i], 64), b)
            c = fma(column, splat(work[x + 2 * step + i], 64), c)
            d = fma(column, splat(work[x + 3 * step + i], 64), d)
        return a, b, c, d

    return one, four


_one_float, _four_float = _products(load)
_one_integer, _four_integer = _products(load_integers)


@njit
def _finish(memory, row, tile, mode, sums, target, item):
    """Scale a tile of products, add the bias, and put it where ``mode`` says."""
    params, work = memory.params, memory.work
    y = fma(sums, load(params, row.scale + 2 * tile, 64), load(params, row.scale + 2 * tile + 64, 64))
    if mode == SET:
        store(work, target + tile, y)
    elif mode == GELU:
        store(work, target + tile, gelu(y))
    elif mode == ADD:
        store(work, target + tile, load(work, target + tile, 64) + y)
    elif tile & 64:
        # Tiles of values and of gates take turns.
        value = load(work, memory.spare + 64 * item, 64)
        place = target + (tile >> 1) - 32
        store(work, place, fma(value, sigmoid(y), load(work, place, 64)))
    else:
        store(work, memory.spare + 64 * item, y)


@njit
def linear(memory, row, mode, source, target, target_step, batch):
    """Multiply items by a matrix, which lies in tiles of 64 outputs: for each input the 64 weights side by side."""
    params, integers, work = memory.params, memory.integers, memory.work
    inputs = row.inputs
    for tile in range(0, row.outputs, 64):
        start = row.weight + tile * inputs
        item = 0
        while item < batch:
            x, y = source + item * inputs, target + item * target_step
            if batch - item >= 4:
                if row.is_integer:
                    a, b, c, d = _four_integer(integers, start, work, x, inputs, inputs)
                else:
                    a, b, c, d = _four_float(params, start, work, x, inputs, inputs)
                _finish(memory, row, tile, mode, a, y, item)
                _finish(memory, row, tile, mode, b, y + target_step, item + 1)
                _finish(memory, row, tile, mode, c, y + 2 * target_step, item + 2)
                _finish(memory, row, tile, mode, d, y + 3 * target_step, item + 3)
                item += 4
            else:
                if row.is_integer:
                    sums = _one_integer(integers, start, work, x, inputs)
                else:
                    sums = _one_float(params, start, work, x, inputs)
                _finish(memory, row, tile, mode, sums, y, item)
                item += 1


@njit
def advance_system(memory, block, source, target, width, batch):
    """Advance the state-space systems of a block by one sample: x' = x + change, y = GELU(2 Re(C x') + D u).

    What is stored is the change of a state and not its pole: near 1 a float32 pole has few digits of the decay.
    """
    for tile in range(0, width, 32):
        for item in range(batch):
            place = block.state + (tile * batch + 32 * item) * (2 * block.num_states + 1)
            u = load(memory.work, source + item * width + tile, 32)
            if block.is_tied:
                y = _tied(memory, block, block.system + tile * (3 + 4 * block.num_states), place, u)
            else:
                y = _untied(memory, block, block.system + tile * (1 + 10 * block.num_states), place, u)
            store(memory.work, target + item * width + tile, gelu(y))


@njit
def _tied(memory, block, start, place, u):
    """Systems with one A (diagonal minus rank one) and one B for all features, each with a step size of its own.

    With states in units of p, change = D (lambda x + (b / p) u - w), w = feedback sum |p|^2 Re(D x) + feed u and
    D = 2 / (2/dt - lambda): for each feature and state only D and C are read, all else is common. The sum belongs to
    the state before the step; it is found along with that state, and kept behind it.
    """
    params, state = memory.params, memory.state
    common, row, x = block.common, start + 96, place
    kept_sum = place + 64 * block.num_states
    w = load(params, start, 32) * load(state, kept_sum, 32) + load(params, start + 32, 32) * u
    y_real, y_imag = load(params, start + 64, 32) * u, splat(0.0, 32)
    sum_real = sum_imag = splat(0.0, 32)
    for _ in range(block.num_states):
        x_real, x_imag = load(state, x, 32), load(state, x + 32, 32)
        d_real, d_imag = load(params, row, 32), load(params, row + 32, 32)
        l_real, l_imag = splat(params[common + 1], 32), splat(params[common + 2], 32)
        e_real = fma(l_real, x_real, fma(splat(params[common + 3], 32), u, splat(0.0, 32) - w)) - l_imag * x_imag
        e_imag = fma(l_real, x_imag, splat(params[common + 4], 32) * u) + l_imag * x_real
        x_real = x_real + d_real * e_real - d_imag * e_imag
        x_imag = x_imag + d_real * e_imag + d_imag * e_real
        store(state, x, x_real)
        store(state, x + 32, x_imag)
        y_real = fma(load(params, row + 64, 32), x_real, y_real)
        y_imag = fma(load(params, row + 96, 32), x_imag, y_imag)
        weight = splat(params[common], 32)
        sum_real = fma(weight, d_real * x_real, sum_real)
        sum_imag = fma(weight, d_imag * x_imag, sum_imag)
        common, row, x = common + 8, row + 128, x + 64
    store(state, kept_sum, sum_real - sum_imag)
    return y_real - y_imag


@njit
def _untied(memory, block, start, place, u):
    """Systems of their own for every feature: change = (pole - 1) x + b u - left sum Re(right x).

    Diagonal ones have ``left`` 0.
    """
    params, state = memory.params, memory.state
    first = second = splat(0.0, 32)
    if block.has_feedback:
        row, x = start + 32, place
        for _ in range(block.num_states):
            first = fma(load(params, row, 32), load(state, x, 32), first)
            second = fma(load(params, row + 32, 32), load(state, x + 32, 32), second)
            row, x = row + 320, x + 64
    w = first - second
    first, second = load(params, start, 32) * u, splat(0.0, 32)
    row, x = start + 32, place
    for _ in range(block.num_states):
        x_real, x_imag = load(state, x, 32), load(state, x + 32, 32)
        d_real, d_imag = load(params, row + 128, 32), load(params, row + 160, 32)
        real = d_real * x_real - d_imag * x_imag + load(params, row + 192, 32) * u
        imag = d_real * x_imag + d_imag * x_real + load(params, row + 224, 32) * u
        if block.has_feedback:
            real = real - load(params, row + 64, 32) * w
            imag = imag - load(params, row + 96, 32) * w
        x_real, x_imag = x_real + real, x_imag + imag
        first = fma(load(params, row + 256, 32), x_real, first)
        second = fma(load(params, row + 288, 32), x_imag, second)
        store(state, x, x_real)
        store(state, x + 32, x_imag)
        row, x = row + 320, x + 64
    return first - second


@njit
def draw(memory, start, num_codes, uniform, temperature, top_p):
    """Draw a code from logits; return it and its log-probability at temperature 1, without top-p.

    The code is the first whose cumulated probability exceeds ``uniform``, a number in [0, 1). Temperature 0 takes the
    most probable one. Logits are replaced by their exponentials.
    """
    work = memory.work
    width = (num_codes + 63) // 64 * 64
    peak = largest(load(work, start, 64))
    for i in range(64, width, 64):
        peak = max(peak, largest(load(work, start + i, 64)))
    chosen = -1
    for code in range(num_codes):
        if temperature == 0 and work[start + code] == peak:
            chosen = code
            break
    logit = work[start + chosen] if chosen >= 0 else np.float32(0)
    for i in range(0, width, 64):
        store(work, start + width + i, exp(load(work, start + i, 64) - peak))
    normaliser = 0.0
    for code in range(num_codes):
        normaliser += work[start + width + code]
    if chosen < 0:
        least = _nucleus(work, start + width, width, top_p * normaliser) if top_p < 1 else np.float32(0)
        chosen = _invert(work, start, width, num_codes, peak, uniform, temperature, least)
        logit = work[start + chosen]
    return chosen, logit - peak - np.log(normaliser)


@njit
def _nucleus(work, start, width, wanted):
    """Return the greatest of the weights whose total, with all above them, reaches ``wanted``."""
    # Bisection over the weights' bits, which grow with them: from 0 (all are kept) to 1 (the most probable one).
    low, high = 0, 0x3F800001
    while high - low > 1:
        middle = (low + high) // 2
        threshold = np.int32(middle).view(np.float32)
        reached = splat(0.0, 64)
        for i in range(0, width, 64):
            reached = reached + kept(load(work, start + i, 64), threshold)
        if total(reached) >= wanted:
            low = middle
        else:
            high = middle
    return np.int32(low).view(np.float32)


@njit
def _invert(work, start, width, num_codes, peak, uniform, temperature, least):
    """Return the first code at which the distribution function of the kept codes exceeds ``uniform``."""
    weights = start + width
    inverse = np.float32(1 / temperature)
    for i in range(0, width, 64):
        weight = exp((load(work, start + i, 64) - peak) * inverse)
        store(work, weights + width + i, weight)
    goal = 0.0
    for code in range(num_codes):
        if work[weights + code] >= least:
            goal += work[weights + width + code]
    goal *= uniform
    reached, last = 0.0, 0
    for code in range(num_codes):
        if work[weights + code] >= least:
            reached += work[weights + width + code]
            last = code
            if reached > goal:
                break
    return last
