"""Operations of one SaShiMi step on CPUs, compiled by numba: norms, state-space systems, matrix products, draws.

All numbers are in a few flat arrays (:class:`~vocoders.sashimi.runtimes.fused.layout.Memory`). Rows of tables give
their positions, and records the order of the vectors of a tile. Each item is computed by the same operations in the
same order for any batch size, so an item does not depend on the batch.
"""

import numpy as np
from numba import njit

from vocoders.core.vectors import (
    exp,
    fma,
    gelu,
    kept,
    largest,
    load,
    load_integers,
    number_at,
    repeat,
    sigmoid,
    splat,
    store,
    total,
    whole_number_at,
)
from vocoders.sashimi.runtimes.fused.layout import (
    ENDS,
    NORM,
    OUTPUT,
    STATE,
    TIED,
    TIED_COMMON,
    TIED_HEAD,
    TILE,
    UNTIED,
    UNTIED_HEAD,
    WIDE,
)

__all__ = ["ADD", "GATE", "GELU", "SET", "advance_system", "draw", "linear", "normalise"]

# Uses of a matrix product: stored, stored after GELU, added to the target, or gated and added.
SET, GELU, ADD, GATE = range(4)


@njit
def normalise(memory, norm, source, target, batch):
    """Normalise items: rate * (gain * (x - mean) + shift) + bias of the label, with rate = 1 / deviation."""
    params, work = memory.params, memory.work
    width, share = norm.width, np.float32(norm.share)
    for item in range(batch):
        x, y = source + item * width, target + item * width
        bias = norm.biases + whole_number_at(memory.labels, item) * width
        sums = load(work, x, WIDE)
        for i in range(WIDE, width, WIDE):
            sums = sums + load(work, x + i, WIDE)
        mean = total(sums) * share
        squares, row = splat(0.0, WIDE), norm.tiles
        for i in range(0, width, WIDE):
            # The mask is 1 for channels and 0 for padding.
            centred = (load(work, x + i, WIDE) - mean) * load(params, row + NORM.mask, WIDE)
            squares = fma(centred, centred, squares)
            store(work, y + i, centred)
            row += NORM.size
        variance = total(squares) * share + np.float32(norm.epsilon)
        rate = np.float32(1) / np.sqrt(variance) if variance > 0 else np.float32(1)
        row = norm.tiles
        for i in range(0, width, WIDE):
            gain, shift = load(params, row + NORM.gain, WIDE), load(params, row + NORM.shift, WIDE)
            scaled = fma(load(work, y + i, WIDE), gain, shift)
            store(work, y + i, fma(scaled, splat(rate, WIDE), load(params, bias + i, WIDE)))
            row += NORM.size


def _products(read):
    """Return functions for a tile of outputs, for one item and for four; ``read`` loads weights of one format."""

    @njit
    def one(weights, start, work, x, inputs):
        sums = splat(0.0, WIDE)
        for i in range(inputs):
            sums = fma(read(weights, start + WIDE * i, WIDE), repeat(work, x + i, WIDE), sums)
        return sums

    @njit
    def four(weights, start, work, x, step, inputs):
        a = b = c = d = splat(0.0, WIDE)
        for i in range(inputs):
            column = read(weights, start + WIDE * i, WIDE)
            a = fma(column, repeat(work, x + i, WIDE), a)
            b = fma(column, repeat(work, x + step + i, WIDE), b)
            c = fma(column, repeat(work, x + 2 * step + i, WIDE), c)
            d = fma(column, repeat(work, x + 3 * step + i, WIDE), d)
        return a, b, c, d

    return one, four


_one_float, _four_float = _products(load)
_one_integer, _four_integer = _products(load_integers)


@njit
def _finish(memory, row, tile, mode, sums, target, item):
    """Scale the products of tile number ``tile``, add the bias, and use them according to ``mode``."""
    params, work = memory.params, memory.work
    ends, place = row.ends + tile * ENDS.size, target + tile * WIDE
    y = fma(sums, load(params, ends + ENDS.scale, WIDE), load(params, ends + ENDS.bias, WIDE))
    if mode == SET:
        store(work, place, y)
    elif mode == GELU:
        store(work, place, gelu(y))
    elif mode == ADD:
        store(work, place, load(work, place, WIDE) + y)
    elif tile & 1:
        # Tiles of values and of gates alternate.
        value = load(work, memory.spare + WIDE * item, WIDE)
        place = target + (tile >> 1) * WIDE
        store(work, place, fma(value, sigmoid(y), load(work, place, WIDE)))
    else:
        store(work, memory.spare + WIDE * item, y)


@njit
def linear(memory, row, mode, source, target, target_step, batch):
    """Multiply items by a matrix in tiles of outputs, where the weights of each input are contiguous."""
    params, integers, work = memory.params, memory.integers, memory.work
    inputs = row.inputs
    for tile in range(row.outputs // WIDE):
        start = row.weights + tile * WIDE * inputs
        for item in range(0, batch // 4 * 4, 4):
            x, y = source + item * inputs, target + item * target_step
            if row.is_integer:
                a, b, c, d = _four_integer(integers, start, work, x, inputs, inputs)
            else:
                a, b, c, d = _four_float(params, start, work, x, inputs, inputs)
            _finish(memory, row, tile, mode, a, y, item)
            _finish(memory, row, tile, mode, b, y + target_step, item + 1)
            _finish(memory, row, tile, mode, c, y + 2 * target_step, item + 2)
            _finish(memory, row, tile, mode, d, y + 3 * target_step, item + 3)
        for item in range(batch // 4 * 4, batch):
            x, y = source + item * inputs, target + item * target_step
            if row.is_integer:
                sums = _one_integer(integers, start, work, x, inputs)
            else:
                sums = _one_float(params, start, work, x, inputs)
            _finish(memory, row, tile, mode, sums, y, item)


@njit
def advance_system(memory, block, source, target, width, batch):
    """Advance the state-space systems of a block by one sample: x' = x + change, y = GELU(2 Re(C x') + D u).

    The systems store the change of a state, not its pole: a float32 pole near 1 has few digits of the decay.
    """
    tied_size = TIED_HEAD.size + block.num_states * TIED.size
    untied_size = UNTIED_HEAD.size + block.num_states * UNTIED.size
    # A vector for the sum of the feedback follows the states.
    state_size = block.num_states * STATE.size + TILE
    for tile in range(width // TILE):
        for item in range(batch):
            place = block.state + (tile * batch + item) * state_size
            at = item * width + tile * TILE
            u = load(memory.work, source + at, TILE)
            if block.is_tied:
                y = _tied(memory, block, block.system + tile * tied_size, place, u)
            else:
                y = _untied(memory, block, block.system + tile * untied_size, place, u)
            store(memory.work, target + at, gelu(y))


@njit
def _tied(memory, block, start, place, u):
    """Advance systems with one A (diagonal minus rank one) and one B for all features, and a step size for each.

    With states in units of p, change = D (lambda x + (b / p) u - w), w = feedback sum |p|^2 Re(D x) + feed u and
    D = 2 / (2/dt - lambda): only D and C differ between features. The sum belongs to the state before the step; it is
    computed together with that state, and stored after it.
    """
    params, state = memory.params, memory.state
    common, row, x = block.common, start + TIED_HEAD.size, place
    kept_sum = place + STATE.size * block.num_states
    w = (
        load(params, start + TIED_HEAD.feedback, TILE) * load(state, kept_sum, TILE)
        + load(params, start + TIED_HEAD.feed, TILE) * u
    )
    y_real, y_imag = load(params, start + TIED_HEAD.skip, TILE) * u, splat(0.0, TILE)
    sum_real = sum_imag = splat(0.0, TILE)
    for _ in range(block.num_states):
        x_real, x_imag = load(state, x + STATE.real, TILE), load(state, x + STATE.imag, TILE)
        d_real, d_imag = load(params, row + TIED.inverse_real, TILE), load(params, row + TIED.inverse_imag, TILE)
        l_real = repeat(params, common + TIED_COMMON.eigenvalue_real, TILE)
        l_imag = repeat(params, common + TIED_COMMON.eigenvalue_imag, TILE)
        b_real = repeat(params, common + TIED_COMMON.input_real, TILE)
        b_imag = repeat(params, common + TIED_COMMON.input_imag, TILE)
        e_real = fma(l_real, x_real, fma(b_real, u, splat(0.0, TILE) - w)) - l_imag * x_imag
        e_imag = fma(l_real, x_imag, b_imag * u) + l_imag * x_real
        x_real = x_real + d_real * e_real - d_imag * e_imag
        x_imag = x_imag + d_real * e_imag + d_imag * e_real
        store(state, x + STATE.real, x_real)
        store(state, x + STATE.imag, x_imag)
        y_real = fma(load(params, row + TIED.output_real, TILE), x_real, y_real)
        y_imag = fma(load(params, row + TIED.output_imag, TILE), x_imag, y_imag)
        weight = repeat(params, common + TIED_COMMON.weight, TILE)
        sum_real = fma(weight, d_real * x_real, sum_real)
        sum_imag = fma(weight, d_imag * x_imag, sum_imag)
        common, row, x = common + TIED_COMMON.size, row + TIED.size, x + STATE.size
    store(state, kept_sum, sum_real - sum_imag)
    return y_real - y_imag


@njit
def _untied(memory, block, start, place, u):
    """Advance separate systems for every feature: change = (pole - 1) x + b u - left sum Re(right x).

    Diagonal systems have ``left`` 0.
    """
    params, state = memory.params, memory.state
    first = second = splat(0.0, TILE)
    if block.has_feedback:
        row, x = start + UNTIED_HEAD.size, place
        for _ in range(block.num_states):
            first = fma(load(params, row + UNTIED.right_real, TILE), load(state, x + STATE.real, TILE), first)
            second = fma(load(params, row + UNTIED.right_imag, TILE), load(state, x + STATE.imag, TILE), second)
            row, x = row + UNTIED.size, x + STATE.size
    w = first - second
    first, second = load(params, start + UNTIED_HEAD.skip, TILE) * u, splat(0.0, TILE)
    row, x = start + UNTIED_HEAD.size, place
    for _ in range(block.num_states):
        x_real, x_imag = load(state, x + STATE.real, TILE), load(state, x + STATE.imag, TILE)
        d_real, d_imag = load(params, row + UNTIED.change_real, TILE), load(params, row + UNTIED.change_imag, TILE)
        real = d_real * x_real - d_imag * x_imag + load(params, row + UNTIED.input_real, TILE) * u
        imag = d_real * x_imag + d_imag * x_real + load(params, row + UNTIED.input_imag, TILE) * u
        if block.has_feedback:
            real = real - load(params, row + UNTIED.left_real, TILE) * w
            imag = imag - load(params, row + UNTIED.left_imag, TILE) * w
        x_real, x_imag = x_real + real, x_imag + imag
        first = fma(load(params, row + UNTIED.output_real, TILE), x_real, first)
        second = fma(load(params, row + UNTIED.output_imag, TILE), x_imag, second)
        store(state, x + STATE.real, x_real)
        store(state, x + STATE.imag, x_imag)
        row, x = row + UNTIED.size, x + STATE.size
    return first - second


@njit
def draw(memory, start, num_codes, uniform, temperature, top_p):
    """Draw a code from logits; return the code and its log-probability at temperature 1, without top-p.

    The code is the first whose cumulative probability exceeds ``uniform``, a number in [0, 1). Temperature 0 takes the
    most probable code. Logits are replaced by their exponentials.
    """
    work = memory.work
    width = (num_codes + WIDE - 1) // WIDE * WIDE
    start += OUTPUT.logits * width
    weights, tempered = start + OUTPUT.weights * width, start + OUTPUT.tempered * width
    peak = largest(load(work, start, WIDE))
    for i in range(WIDE, width, WIDE):
        peak = max(peak, largest(load(work, start + i, WIDE)))
    chosen = -1
    for code in range(num_codes):
        if temperature == 0 and number_at(work, start + code) == peak:
            chosen = code
            break
    logit = number_at(work, start + chosen) if chosen >= 0 else np.float32(0)
    for i in range(0, width, WIDE):
        store(work, weights + i, exp(load(work, start + i, WIDE) - peak))
    normaliser = 0.0
    for code in range(num_codes):
        normaliser += number_at(work, weights + code)
    if chosen < 0:
        least = _nucleus(work, weights, width, top_p * normaliser) if top_p < 1 else np.float32(0)
        inverse = np.float32(1 / temperature)
        for i in range(0, width, WIDE):
            store(work, tempered + i, exp((load(work, start + i, WIDE) - peak) * inverse))
        chosen = _invert(work, weights, tempered, num_codes, uniform, least)
        logit = number_at(work, start + chosen)
    return chosen, logit - peak - np.log(normaliser)


@njit
def _nucleus(work, start, width, mass):
    """Return the largest threshold for which the weights from it on sum to at least ``mass``."""
    # Bisection over the bit patterns, which are ordered like the weights: from 0 (keep all) to 1 (the most probable).
    low, high = 0, 0x3F800001
    while high - low > 1:
        middle = (low + high) // 2
        threshold = np.int32(middle).view(np.float32)
        reached = splat(0.0, WIDE)
        for i in range(0, width, WIDE):
            reached = reached + kept(load(work, start + i, WIDE), threshold)
        if total(reached) >= mass:
            low = middle
        else:
            high = middle
    return np.int32(low).view(np.float32)


@njit
def _invert(work, weights, tempered, num_codes, uniform, least):
    """Return the first code at which the distribution function of the kept codes exceeds ``uniform``."""
    goal = 0.0
    for code in range(num_codes):
        if number_at(work, weights + code) >= least:
            goal += number_at(work, tempered + code)
    goal *= uniform
    reached, last = 0.0, 0
    for code in range(num_codes):
        if number_at(work, weights + code) >= least:
            reached += number_at(work, tempered + code)
            last = code
            if reached > goal:
                break
    return last
