"""Compiled loops over time: what depends on its own last output.

Each loop goes sample by sample in float64, so that a stream in any division into blocks gives the same bits.
"""

import math

import numba
import numpy as np

__all__ = ["biquad", "delay_line", "gain_smoother"]

_LN_9 = math.log(9.0)


@numba.njit(cache=True)
def gain_smoother(x, threshold, ratio, attack, release, sample_rate, gain_db, started):
    """Compress (B, C, T) with a hard knee; return the output and the last gains (B, C) in dB.

    The level is that of single samples; the gain is smoothed in dB with a coefficient for falling and one for rising
    gain. Time constants are 10 to 90 % rise times, hence the logarithm of 9.

    Args:
        x: audio (B, C, T).
        threshold: (B,) in dB.
        ratio: (B,).
        attack: (B,) in seconds.
        release: (B,) in seconds.
        sample_rate: in Hz.
        gain_db: gain (B, C) in dB at the sample before; not changed.
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


@numba.njit(cache=True)
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


@numba.njit(cache=True)
def delay_line(x, delay, feedback, line):
    """Return what comes out of delay lines that (B, C, T) and their own output, times ``feedback``, go into.

    Args:
        x: audio (B, C, T).
        delay: (B,) in samples, from 1 to ``N - 1``; between samples the line is interpolated linearly.
        feedback: (B,).
        line: what went in last, (B, C, N), newest at the end; not changed.

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
