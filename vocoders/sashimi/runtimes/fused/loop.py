"""The loop over samples of a SaShiMi model on CPUs, compiled by numba: tiers that are due, then the draw."""

import numpy as np
from numba import njit

from vocoders.core import packed_memory
from vocoders.core.compiling import compiled
from vocoders.layers import vectors
from vocoders.layers.vectors import clock, fma, load, splat, store
from vocoders.sashimi.runtimes.fused import kernels, layout
from vocoders.sashimi.runtimes.fused.kernels import ADD, GATE, GELU, SET, advance_system, draw, linear, normalise
from vocoders.sashimi.runtimes.fused.layout import OUTPUT, PROFILE_COLUMNS, WIDE

__all__ = ["run"]

# What time is spent on, by column of the profile; tiers are its rows.
NORM, SYSTEM, PRODUCT, POOL, HEAD, DRAW = range(len(PROFILE_COLUMNS))


@njit
def _count(profile, tier, kind, since):
    """Book the cycles since ``since``, if a profile is wanted, and return the time."""
    if profile.size == 0:
        return since
    now = clock()
    profile[tier, kind] += now - since
    return now


@njit
def _advance_block(memory, tables, block, tier, place, batch, profile, since):
    """Advance the residual stream at ``place`` through one block."""
    width = tier.width
    normalise(memory, tables.norms[block.norm], place, memory.normed, batch)
    since = _count(profile, tier.number, NORM, since)
    first = tables.linears[block.first]
    if block.second >= 0:
        linear(memory, first, GELU, memory.normed, memory.middle, first.outputs, batch)
        linear(memory, tables.linears[block.second], ADD, memory.middle, place, width, batch)
        return _count(profile, tier.number, PRODUCT, since)
    advance_system(memory, block, memory.normed, memory.middle, width, batch)
    since = _count(profile, tier.number, SYSTEM, since)
    linear(memory, first, GATE if block.is_gated else ADD, memory.middle, place, width, batch)
    return _count(profile, tier.number, PRODUCT, since)


@njit
def _copy(work, source, target, count):
    for i in range(0, count, WIDE):
        store(work, target + i, load(work, source + i, WIDE))


@njit
def _add(work, source, target, count):
    for i in range(0, count, WIDE):
        store(work, target + i, load(work, target + i, WIDE) + load(work, source + i, WIDE))


@njit
def _descend(memory, tables, deepest, counts, batch, profile, since):
    """Take a sample from the fastest tier down to the deepest one that is due.

    Each tier but the lowest puts it into the frame of its pool, and adds what the tier below has left for it.
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
            since = _advance_block(memory, tables, tables.blocks[number], tier, tier.stream, batch, profile, since)
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
            since = _count(profile, index, POOL, since)
    return since


@njit
def _ascend(memory, tables, deepest, batch, profile, since):
    """Take what the deepest tier has up again: every tier leaves a frame of outputs for the one above."""
    work = memory.work
    for index in range(deepest, -1, -1):
        tier = tables.tiers[index]
        size = tier.width * batch
        kept = tier.down_last - tier.down_first
        for number in range(tier.up_first, tier.up_last):
            since = _advance_block(memory, tables, tables.blocks[number], tier, tier.stream, batch, profile, since)
            if kept > 0:
                kept -= 1
                _add(work, tier.kept + kept * size, tier.stream, size)
        if tier.adds_entry:
            _add(work, tier.entry, tier.stream, size)
        if index > 0:
            above = tables.tiers[index - 1]
            row = tables.linears[above.unpool]
            linear(memory, row, SET, tier.stream, above.queue, row.outputs, batch)
        since = _count(profile, index, POOL, since)
    return since


@njit
def _guide(work, own, mean, width, guidance):
    """Replace the logits at ``own`` by mean + guidance (own - mean)."""
    weight = splat(np.float32(guidance), WIDE)
    for i in range(0, width, WIDE):
        base = load(work, mean + i, WIDE)
        store(work, own + i, fma(load(work, own + i, WIDE) - base, weight, base))


@compiled(kernels, layout, packed_memory, vectors)
def run(memory, tables, counts, codes, uniforms, forced, drawn, scores, logits, temperature, top_p, guidance, profile):
    """Advance all items by some samples.

    Args:
        memory: arrays and places in them.
        tables: norms, linears, blocks and tiers.
        counts: int64 (tiers - 1), samples of the unfinished frame of every tier; updated.
        codes: int64 (B,), the codes to read first; updated to those to read next. (2 B,) if each item has a second
            sequence that guides it.
        uniforms: float64 (B, n), numbers in [0, 1).
        forced: int64 (B, n), codes to take instead of drawn ones, or (B, 0).
        drawn: int64 (B, n), the codes; written.
        scores: float64 (B,), sums of log-probabilities of the drawn codes; added to.
        logits: float32 (B, n, num_codes), written, or (B, 0, num_codes).
        temperature: 0 takes the most probable code.
        top_p: least probability of the codes that are kept.
        guidance: where there are second sequences, logits are second + guidance (first - second).
        profile: int64 (tiers, 6), cycles spent, added to, or (0, 6).
    """
    params, work = memory.params, memory.work
    items, length = drawn.shape
    batch = codes.size
    num_codes = logits.shape[2]
    lowest = tables.tiers.size - 1
    top = tables.tiers[0]
    head = tables.linears[tables.head]
    item_size = OUTPUT.size * head.outputs
    since = clock()
    for t in range(length):
        deepest = 0
        while deepest < lowest and counts[deepest] == tables.tiers[deepest].factor - 1:
            deepest += 1
        for item in range(batch):
            for i in range(0, top.width, WIDE):
                row = tables.embedding + codes[item] * top.width + i
                store(work, top.stream + item * top.width + i, load(params, row, WIDE))
        since = _descend(memory, tables, deepest, counts, batch, profile, since)
        since = _ascend(memory, tables, deepest, batch, profile, since)
        for index in range(min(deepest + 1, lowest)):
            counts[index] = (counts[index] + 1) % tables.tiers[index].factor
        normalise(memory, tables.norms[tables.final_norm], top.stream, memory.normed, batch)
        linear(memory, head, SET, memory.normed, memory.logits, item_size, batch)
        since = _count(profile, 0, HEAD, since)
        for item in range(items):
            start = memory.logits + item * item_size
            if batch > items:
                _guide(work, start, start + items * item_size, head.outputs, guidance)
            if logits.shape[1]:
                logits[item, t] = work[start : start + num_codes]
            if forced.shape[1]:
                code = forced[item, t]
            else:
                code, score = draw(memory, start, num_codes, uniforms[item, t], temperature, top_p)
                scores[item] += score
            codes[item] = drawn[item, t] = code
            if batch > items:
                codes[items + item] = code
        since = _count(profile, 0, DRAW, since)
