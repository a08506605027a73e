"""Compiled loops over time, for recursions on the output.

Each loop runs sample by sample in float64, so that any division of a stream into blocks gives the same bits.
"""

import math

import numpy as np
from numba import njit

from vocoders.core.compiling import compiled

__all__ = ["biquad", "delay_line", "flanger_line", "gain_smoother", "phaser_line"]

_LN_9 = math.log(9.0)


@compiled()
def gain_smoother(x, threshold, ratio, attack, release, sample_rate, gain_db, started):
    """Compress (B, C, T) with a hard knee; return the output and the last gains (B, C) in dB.

    The level is that of single samples; the gain is smoothed in dB with separate coefficients for falling and rising
    gain. Time constants are 10 to 90 % rise times, hence the logarithm of 9.

    Args:
        x: audio (B, C, T).
        threshold: (B,) in dB.
        ratio: (B,).
        attack: (B,) in seconds.
        release: (B,) in seconds.
        sample_rate: in Hz.
        gain_db: gain (B, C) in dB at the previous sample; not changed.
        started: (B,), 0 where the first sample of ``x`` is the first of its stream, which is never compressed.
    """
    batch, channels, length = x.shape
    y = np.empty_like(x)
    last = np.empty_like(gain_db)
    for b in range(batch):
        falling = math.exp(-_LN_9 / (sample_rate * attack[b]))
        rising = math.exp(-_LN_9 / (sample_rate * release[b]))
        for c in range(channels):
            smooth = gain_db[b, c]
            for n in range(length):
                level = max(-96.0, 20.0 * math.log10(abs(x[b, c, n]) + 1e-8))
                gain = 0.0
                if level > threshold[b]:
                    gain = threshold[b] + (level - threshold[b]) / ratio[b] - level
                if n > 0 or started[b]:
                    keep = falling if gain < smooth else rising
                    smooth = (1.0 - keep) * gain + keep * smooth
                y[b, c, n] = x[b, c, n] * 10.0 ** (smooth / 20.0)
            last[b, c] = smooth
    return y, last


@compiled()
def biquad(x, coefficients, memory):
    """Filter (B, C, T) by one second-order section for each item, in transposed direct form II.

    Args:
        x: audio (B, C, T).
        coefficients: (B, 5): b0, b1, b2, a1, a2, with a0 = 1.
        memory: (B, C, 2); not changed.

    Returns:
        Audio (B, C, T) and the new memory (B, C, 2).
    """
    batch, channels, length = x.shape
    y = np.empty_like(x)
    last = np.empty_like(memory)
    for b in range(batch):
        b0, b1, b2, a1, a2 = coefficients[b]
        for c in range(channels):
            first, second = memory[b, c, 0], memory[b, c, 1]
            for n in range(length):
                sample = x[b, c, n]
                filtered = b0 * sample + first
                first = b1 * sample - a1 * filtered + second
                second = b2 * sample - a2 * filtered
                y[b, c, n] = filtered
            last[b, c, 0], last[b, c, 1] = first, second
    return y, last


@compiled()
def delay_line(x, delay, feedback, line):
    """Return the output of delay lines, whose input is (B, C, T) plus ``feedback`` times their output.

    Args:
        x: audio (B, C, T).
        delay: (B,) in samples, from 1 to ``N - 1``; fractional delays are interpolated linearly.
        feedback: (B,).
        line: last inputs of the line, (B, C, N), newest at the end; not changed.

    Returns:
        The delayed audio (B, C, T) and the new line (B, C, N).
    """
    batch, channels, length = x.shape
    size = line.shape[2]
    y = np.empty_like(x)
    last = np.empty_like(line)
    written = np.empty(size + length)
    for b in range(batch):
        whole = int(delay[b])
        part = delay[b] - whole
        for c in range(channels):
            written[:size] = line[b, c]
            for n in range(length):
                newer = size + n - whole
                delayed = (1.0 - part) * written[newer] + part * written[newer - 1]
                written[size + n] = x[b, c, n] + feedback[b] * delayed
                y[b, c, n] = delayed
            last[b, c] = written[length:]
    return y, last


@njit
def _swing(place, period, is_triangle):
    """Return a wave in [0, 1] with a period of ``period`` samples, which rises through its middle at ``place`` 0."""
    if not is_triangle:
        return (math.sin(place / period * 2 * math.pi) + 1) / 2
    ramp = 2 * place / period
    if 4 * place < period:
        return ramp + 0.5
    return 1.5 - ramp if 4 * place < 3 * period else ramp - 1.5


@njit
def _turn(phase, period, length):
    """Return the phase, 0 to 1, after ``length`` samples from ``phase``."""
    return (int(round(phase * period)) + length) % period / period


@compiled()
def phaser_line(x, longest, decay, period, is_triangle, phase, line):
    """Add to (B, C, T) the past output at a whole number of samples, modulated between 1 and ``longest``.

    Args:
        x: audio (B, C, T).
        longest: (B,) in samples, from 1 to ``N``.
        decay: (B,), factor of the delayed output.
        period: (B,), period of the modulation in samples.
        is_triangle: (B,), whether the modulation is a triangle instead of a sine.
        phase: (B,), phase of the modulation, 0 to 1; not changed.
        line: last outputs, (B, C, N), newest at the end; not changed.

    Returns:
        Audio (B, C, T), the new phase (B,) and the new line (B, C, N).
    """
    batch, channels, length = x.shape
    size = line.shape[2]
    y, last, turned = np.empty_like(x), np.empty_like(line), np.empty_like(phase)
    written = np.empty(size + length)
    for b in range(batch):
        # The shortest delay comes first, so the wave begins at its top.
        first = int(round(phase[b] * period[b])) + int(0.25 * period[b] + 0.5)
        turned[b] = _turn(phase[b], period[b], length)
        for c in range(channels):
            written[:size] = line[b, c]
            for n in range(length):
                swing = _swing((first + n) % period[b], period[b], is_triangle[b])
                delay = longest[b] + 1 - int(swing * (longest[b] - 1) + 1 + 0.5)
                written[size + n] = x[b, c, n] + decay[b] * written[size + n - delay]
            y[b, c] = written[size:]
            last[b, c] = written[length:]
    return y, turned, last


@compiled()
def flanger_line(x, shortest, longest, feedback, period, is_triangle, phase, line, delayed):
    """Return the output of delay lines whose delay is modulated between two values.

    Args:
        x: audio (B, C, T).
        shortest: (B,) in samples.
        longest: (B,) in samples, to ``N - 1``.
        feedback: (B,), factor of the last output that is fed back.
        period: (B,), period of the modulation in samples.
        is_triangle: (B,), whether the modulation is a triangle instead of a sine.
        phase: (B,), phase of the modulation, 0 to 1; not changed.
        line: last inputs of the line, (B, C, N), newest at the end; not changed.
        delayed: the last output (B, C); not changed.

    Returns:
        The delayed audio (B, C, T), the new phase (B,), line (B, C, N) and last output (B, C).
    """
    batch, channels, length = x.shape
    size = line.shape[2]
    y, last, turned, end = np.empty_like(x), np.empty_like(line), np.empty_like(phase), np.empty_like(delayed)
    written = np.empty(size + length)
    for b in range(batch):
        # The shortest delay comes first, so the wave begins at its bottom.
        first = int(round(phase[b] * period[b])) + int(0.75 * period[b] + 0.5)
        turned[b] = _turn(phase[b], period[b], length)
        for c in range(channels):
            written[:size] = line[b, c]
            output = delayed[b, c]
            for n in range(length):
                swing = _swing((first + n) % period[b], period[b], is_triangle[b])
                # torchaudio tabulates the delays in float32.
                delay = np.float32(swing * (longest[b] - shortest[b]) + shortest[b])
                whole = int(delay)
                written[size + n] = x[b, c, n] + feedback[b] * output
                newer, older = written[size + n - whole], written[size + n - whole - 1]
                output = newer + (older - newer) * (delay - whole)
                y[b, c, n] = output
            last[b, c], end[b, c] = written[length:], output
    return y, turned, last, end
