"""The compiled loops of :mod:`effects.models.differentiable_recursions`, forward and backward, in float64."""

import numpy as np

from vocoders.core.compiling import compiled

__all__ = ["recur", "recur_backward", "smooth", "smooth_backward"]


@compiled()
def smooth(gain, fall, rise, last):
    """Compute ``ballistics``."""
    batch, channels, length = gain.shape
    smoothed = np.empty_like(gain)
    # Strides of parameters over time: 0 for constants.
    step = 1 if fall.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            s = last[b, c]
            for n in range(length):
                g = gain[b, c, n]
                a = fall[b, n * step] if g < s else rise[b, n * step]
                s = (1.0 - a) * g + a * s
                smoothed[b, c, n] = s
    return smoothed


@compiled()
def smooth_backward(gradient, gain, fall, rise, last, smooth):
    """Return the gradients of its four arguments, from that of ``smooth``, its output."""
    batch, channels, length = gain.shape
    to_gain, to_fall, to_rise = np.empty_like(gain), np.zeros_like(fall), np.zeros_like(rise)
    to_last = np.zeros_like(last)
    step = 1 if fall.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            carried = 0.0
            for n in range(length - 1, -1, -1):
                before = smooth[b, c, n - 1] if n else last[b, c]
                falls = gain[b, c, n] < before
                a = fall[b, n * step] if falls else rise[b, n * step]
                total = gradient[b, c, n] + carried
                to_gain[b, c, n] = (1.0 - a) * total
                if falls:
                    to_fall[b, n * step] += total * (before - gain[b, c, n])
                else:
                    to_rise[b, n * step] += total * (before - gain[b, c, n])
                carried = a * total
            to_last[b, c] = carried
    return to_gain, to_fall, to_rise, to_last


@compiled()
def recur(x, a1, a2, last):
    """Compute ``two_poles``."""
    batch, channels, length = x.shape
    y = np.empty_like(x)
    step = 1 if a1.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            one, two = last[b, c, 0], last[b, c, 1]
            for n in range(length):
                now = x[b, c, n] - a1[b, n * step] * one - a2[b, n * step] * two
                y[b, c, n] = now
                two, one = one, now
    return y


@compiled()
def recur_backward(gradient, a1, a2, last, y):
    """Return the gradients of its four arguments, from that of its output ``y``."""
    batch, channels, length = y.shape
    to_x, to_a1, to_a2, to_last = np.empty_like(y), np.zeros_like(a1), np.zeros_like(a2), np.zeros_like(last)
    step = 1 if a1.shape[1] > 1 else 0
    for b in range(batch):
        for c in range(channels):
            # Gradients of the samples after n with respect to y[n] and y[n - 1].
            owed, owed_before = 0.0, 0.0
            for n in range(length - 1, -1, -1):
                one = y[b, c, n - 1] if n > 0 else last[b, c, 0]
                two = y[b, c, n - 2] if n > 1 else last[b, c, 1 - n]
                total = gradient[b, c, n] + owed
                to_x[b, c, n] = total
                to_a1[b, n * step] -= total * one
                to_a2[b, n * step] -= total * two
                owed = owed_before - a1[b, n * step] * total
                owed_before = -a2[b, n * step] * total
            to_last[b, c, 0], to_last[b, c, 1] = owed, owed_before
    return to_x, to_a1, to_a2, to_last
