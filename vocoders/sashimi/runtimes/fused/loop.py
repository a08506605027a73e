"""The loop over the samples of a SaShiMi model on CPUs, compiled by numba: the tiers due, then the draw."""

import numpy as np
from numba import njit

from vocoders.core import packed_memory, vectors
from vocoders.core.compiling import compiled
from vocoders.core.vectors import address, fma, load, splat, store
from vocoders.sashimi.runtimes.fused import kernels, layout
from vocoders.sashimi.runtimes.fused.kernels import ADD, GATE, GELU, SET, advance_system, draw, linear, normalise
from vocoders.sashimi.runtimes.fused.layout import OUTPUT, WIDE, Memory

__all__ = ["run"]


@njit
def _addresses(memory):
    """Return the memory with the addresses of its arrays, whose references numba does not count at every call."""
    return Memory(
        address(memory.params),
        address(memory.integers),
        address(memory.state),
        address(memory.work),
        address(memory.labels),
        memory.normed,
        memory.middle,
        memory.spare,
        memory.logits,
    )


@njit
def _advance_block(memory, tables, block, tier, place, batch):
    """Advance the residual stream at ``place`` through one block."""
    width = tier.width
    normalise(memory, tables.norms[block.norm], place, memory.normed, batch)
    first = tables.linears[block.first]
    if block.second >= 0:
        linear(memory, first, GELU, memory.normed, memory.middle, first.outputs, batch)
        linear(memory, tables.linears[block.second], ADD, memory.middle, place, width, batch)
        return
    advance_system(memory, block, memory.normed, memory.middle, width, batch)
    linear(memory, first, GATE if block.is_gated else ADD, memory.middle, place, width, batch)


@njit
def _copy(work, source, target, count):
    for i in range(0, count, WIDE):
        store(work, target + i, load(work, source + i, WIDE))


@njit
def _add(work, source, target, count):
    for i in range(0, count, WIDE):
        store(work, target + i, load(work, target + i, WIDE) + load(work, source + i, WIDE))


@njit
def _descend(memory, tables, deepest, counts, batch):
    """Take a sample from the fastest tier down to the deepest one that is due.

    Each tier but the lowest appends it to the frame of its pool, and adds a queued output of the tier below.
    """
    work = memory.work
    for index in range(deepest + 1):
        tier = tables.tiers[index]
        size = tier.width * batch
        if tier.pool < 0:
            _copy(work, tier.stream, tier.entry, size)
            break
        for position, number in enumerate(range(tier.down_first, tier.down_last)):
            _copy(work, tier.stream, tier.kept + position * size, size)
            _advance_block(memory, tables, tables.blocks[number], tier, tier.stream, batch)
        position = counts[index]
        for item in range(batch):
            stream = tier.stream + item * tier.width
            slot = (item * tier.factor + position) * tier.width
            _copy(work, stream, tier.frame + slot, tier.width)
            _add(work, tier.queue + slot, stream, tier.width)
        _copy(work, tier.stream, tier.entry, size)
        if index < deepest:
            below = tables.tiers[index + 1]
            linear(memory, tables.linears[tier.pool], SET, tier.frame, below.stream, below.width, batch)


@njit
def _ascend(memory, tables, deepest, batch):
    """Process the output of the deepest tier upwards: every tier queues a frame of outputs for the tier above."""
    work = memory.work
    for index in range(deepest, -1, -1):
        tier = tables.tiers[index]
        size = tier.width * batch
        kept = tier.down_last - tier.down_first
        for number in range(tier.up_first, tier.up_last):
            _advance_block(memory, tables, tables.blocks[number], tier, tier.stream, batch)
            if kept > 0:
                kept -= 1
                _add(work, tier.kept + kept * size, tier.stream, size)
        if tier.adds_entry:
            _add(work, tier.entry, tier.stream, size)
        if index > 0:
            above = tables.tiers[index - 1]
            row = tables.linears[above.unpool]
            linear(memory, row, SET, tier.stream, above.queue, row.outputs, batch)


@njit
def _guide(work, own, mean, width, guidance):
    """Replace the logits at ``own`` by mean + guidance (own - mean)."""
    weight = splat(np.float32(guidance), WIDE)
    for i in range(0, width, WIDE):
        base = load(work, mean + i, WIDE)
        store(work, own + i, fma(load(work, own + i, WIDE) - base, weight, base))


@compiled(kernels, layout, packed_memory, vectors)
def run(memory, tables, counts, codes, uniforms, forced, drawn, scores, logits, temperature, top_p, guidance):
    """Advance all items by some samples.

    Args:
        memory: arrays and positions in them.
        tables: norms, linears, blocks and tiers.
        counts: int64 (tiers - 1), number of samples in the unfinished frame of every tier; updated.
        codes: int64 (B,), the next codes to read; updated. (2 B,) if each item has a second sequence for guidance.
        uniforms: float64 (B, n), numbers in [0, 1).
        forced: int64 (B, n), codes to take instead of drawn ones, or (B, 0).
        drawn: int64 (B, n), the codes; written.
        scores: float64 (B,), sums of log-probabilities of the drawn codes; added to.
        logits: float32 (B, n, num_codes), written, or (B, 0, num_codes).
        temperature: 0 takes the most probable code.
        top_p: least probability of the codes that are kept.
        guidance: where there are second sequences, logits are second + guidance (first - second).
    """
    numbers = memory.work
    memory = _addresses(memory)
    params, work = memory.params, memory.work
    items, length = drawn.shape
    batch = codes.size
    num_codes = logits.shape[2]
    lowest = tables.tiers.size - 1
    top = tables.tiers[0]
    head = tables.linears[tables.head]
    item_size = OUTPUT.size * head.outputs
    for t in range(length):
        deepest = 0
        while deepest < lowest and counts[deepest] == tables.tiers[deepest].factor - 1:
            deepest += 1
        for item in range(batch):
            for i in range(0, top.width, WIDE):
                row = tables.embedding + codes[item] * top.width + i
                store(work, top.stream + item * top.width + i, load(params, row, WIDE))
        _descend(memory, tables, deepest, counts, batch)
        _ascend(memory, tables, deepest, batch)
        for index in range(min(deepest + 1, lowest)):
            counts[index] = (counts[index] + 1) % tables.tiers[index].factor
        normalise(memory, tables.norms[tables.final_norm], top.stream, memory.normed, batch)
        linear(memory, head, SET, memory.normed, memory.logits, item_size, batch)
        for item in range(items):
            start = memory.logits + item * item_size
            if batch > items:
                _guide(work, start, start + items * item_size, head.outputs, guidance)
            if logits.shape[1]:
                logits[item, t] = numbers[start : start + num_codes]
            if forced.shape[1]:
                code = forced[item, t]
            else:
                code, score = draw(memory, start, num_codes, uniforms[item, t], temperature, top_p)
                scores[item] += score
            codes[item] = drawn[item, t] = code
            if batch > items:
                codes[items + item] = code
