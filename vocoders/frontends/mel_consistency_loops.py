"""Mel refinement in compiled loops, for CPUs: the numbers of :class:`MelConsistency`, some five times as fast.

The FFTs are torch's; what lies between them is one pass. Sixteen frames fill a vector, and each step of the update
reads only the bins under a filter. Blocks of frames are small enough for the cache, and nothing is allocated in the
loop over iterations.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from torch import Tensor

from vocoders.core import vectors
from vocoders.core.compiling import compiled
from vocoders.core.vectors import bounded, fma, load, splat, square_root, store

__all__ = ["Filters", "Frames", "Schedule", "iterate"]

_LANES = 16
# Frames that pass through all steps at once: a multiple of the lanes, small enough for the cache.
_BLOCK = 128
_LEAST, _MOST = 1e-9, 3e38


@dataclass(frozen=True)
class Filters:
    """The mel filters as bands: of bins for each mel, and of mels for each bin.

    Attributes:
        power: exponent of the magnitudes under the filters, 1 or 2.
        bins: first bin, bin after the last, and place of the first weight, for each mel, (n_mels, 3).
        weights: weights of the mels, one after the other.
        mels: the same for each bin, (n_fft // 2 + 1, 3); an empty band for a bin outside the range of the mel.
        shares: weights of the bins, divided by their sum.
    """

    power: int
    bins: np.ndarray
    weights: np.ndarray
    mels: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, basis: Tensor, power: int) -> "Filters":
        """Return the filters of a mel basis (n_mels, n_fft // 2 + 1)."""
        dense = basis.detach().cpu().numpy().astype(np.float32)
        sums = dense.sum(axis=0)
        shares = np.where(sums > 1e-6 * sums.max(), dense / np.maximum(sums, 1e-12), 0).astype(np.float32)
        return cls(power, *_bands(dense), *_bands(shares.T))


def _bands(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the band of each row (first, end, place of its first weight), and the weights of all bands."""
    bands, weights, place = np.zeros((len(matrix), 3), np.int64), [np.zeros(0, np.float32)], 0
    for row, values in enumerate(matrix):
        (held,) = values.nonzero()
        if held.size:
            bands[row] = held[0], held[-1] + 1, place
            weights.append(values[held[0] : held[-1] + 1])
            place += weights[-1].size
    return bands, np.ascontiguousarray(np.concatenate(weights))


@dataclass(frozen=True)
class Frames:
    """How frames lie in the audio.

    Attributes:
        window: (n_fft,), with zeros where it is shorter.
        hop: samples between frames.
        left: padding before the first sample, as in the STFT.
        right: padding after the last.
        is_reflected: whether the padding reflects the audio; else it is silent.
    """

    window: np.ndarray
    hop: int
    left: int
    right: int
    is_reflected: bool

    def reach(self, count: int) -> int:
        """Return the number of samples under ``count`` frames."""
        return (count - 1) * self.hop + self.window.size

    def inverse_weights(self, count: int, length: int) -> np.ndarray:
        """Return the inverse of the sum of squared windows, for the samples of the padded audio, (length,)."""
        summed = np.zeros(length, np.float32)
        _add_frames(np.broadcast_to(self.window, (count, self.window.size)), self.window, self.hop, summed)
        return 1 / np.maximum(summed, 1e-3)


@dataclass(frozen=True)
class Schedule:
    """Numbers of iterations and of updates in each, momentum, relaxation, and the largest factor of an update."""

    iterations: int
    updates: int
    momentum: float
    relaxation: float
    largest_ratio: float


def iterate(audio: Tensor, wanted: Tensor, filters: Filters, frames: Frames, schedule: Schedule) -> Tensor:
    """Return audio (T,) after the iterations towards the linear mel ``wanted`` (n_mels, F), T = F * hop."""
    length, count, left = audio.shape[-1], wanted.shape[-1], frames.left
    padded = torch.zeros(left + length + frames.right)
    signal = padded[left : left + length].copy_(audio)
    before = signal.numpy().copy()
    target, summed = _in_lanes(wanted), np.zeros(max(padded.numel(), frames.reach(count)), np.float32)
    inverse = frames.inverse_weights(count, summed.size)[left : left + length]
    cut = torch.empty(min(_BLOCK, count), frames.window.size)
    work = np.zeros((3, len(filters.mels) * _LANES), np.float32)
    for _ in range(schedule.iterations):
        if frames.is_reflected:
            _reflect(padded, left, length, frames.right)
        summed[:] = 0
        for first in range(0, count, _BLOCK):
            block, place = cut[: min(_BLOCK, count - first)], first * frames.hop
            _cut_frames(padded.numpy(), place, frames.window, frames.hop, block.numpy())
            spectrum = torch.fft.rfft(block)
            _scale(
                torch.view_as_real(spectrum).numpy(), target[first // _LANES :], filters.power, filters.bins,
                filters.weights, filters.mels, filters.shares, schedule.updates, schedule.largest_ratio, work,
            )  # fmt: skip
            improved = torch.fft.irfft(spectrum, frames.window.size).numpy()
            _add_frames(improved, frames.window, frames.hop, summed[place:])
        _move(summed[left:], inverse, schedule.momentum, schedule.relaxation, before, signal.numpy())
    return torch.from_numpy(before)


def _in_lanes(wanted: Tensor) -> np.ndarray:
    """Return (n_mels, F) as (F / lanes, n_mels, lanes); frames that fill the last block are silent."""
    bands, count = wanted.shape
    filled = np.zeros((bands, -(-count // _LANES), _LANES), np.float32)
    filled.reshape(bands, -1)[:, :count] = wanted.numpy()
    return np.ascontiguousarray(filled.transpose(1, 0, 2))


def _reflect(padded: Tensor, left: int, length: int, right: int) -> None:
    padded[:left] = padded[left + 1 : 2 * left + 1].flip(0)
    padded[left + length :] = padded[left + length - right - 1 : left + length - 1].flip(0)


@compiled()
def _cut_frames(signal, start, window, hop, frames):
    """Write windowed frames (F, n_fft) of a signal."""
    for frame in range(frames.shape[0]):
        place = start + frame * hop
        for i in range(window.size):
            frames[frame, i] = signal[place + i] * window[i]


@compiled()
def _add_frames(frames, window, hop, summed):
    """Overlap and add windowed frames (F, n_fft)."""
    for frame in range(frames.shape[0]):
        place = frame * hop
        for i in range(window.size):
            summed[place + i] += frames[frame, i] * window[i]


@compiled()
def _move(summed, inverse, momentum, relaxation, before, signal):
    """Write the next signal, and the result of this iteration to ``before``."""
    again, beyond = np.float32(momentum), np.float32(relaxation)
    for i in range(signal.size):
        now = signal[i] + beyond * (summed[i] * inverse[i] - signal[i])
        signal[i] = now + again * (now - before[i])
        before[i] = now


@njit
def _measure(spectrum, begin, held, power, mels, present, factors):
    """Write the magnitudes of the bins under filters, or their squares, and factors of 1."""
    for b in range(spectrum.shape[1]):
        if mels[b, 1] > mels[b, 0]:
            for lane in range(held):
                real, imaginary = spectrum[begin + lane, b, 0], spectrum[begin + lane, b, 1]
                present[b * _LANES + lane] = real * real + imaginary * imaginary
        squared = bounded(load(present, b * _LANES, _LANES), np.float32(_LEAST * _LEAST), np.float32(_MOST))
        store(present, b * _LANES, squared if power == 2 else square_root(squared))
        store(factors, b * _LANES, splat(np.float32(1), _LANES))


@njit
def _update(wanted, present, bins, weights, mels, shares, largest_ratio, ratios, factors):
    """Multiply magnitudes and factors by the shares that their mels have in the ratios of wanted and present mel."""
    smallest, greatest = np.float32(1 / largest_ratio), np.float32(largest_ratio)
    for m in range(bins.shape[0]):
        mel, place = splat(np.float32(0), _LANES), bins[m, 2]
        for b in range(bins[m, 0], bins[m, 1]):
            mel = fma(splat(weights[place], _LANES), load(present, b * _LANES, _LANES), mel)
            place += 1
        mel = bounded(mel, np.float32(_LEAST), np.float32(_MOST))
        store(ratios, m * _LANES, bounded(load(wanted, m * _LANES, _LANES) / mel, smallest, greatest))
    for b in range(mels.shape[0]):
        if mels[b, 1] > mels[b, 0]:
            factor, place = splat(np.float32(0), _LANES), mels[b, 2]
            for m in range(mels[b, 0], mels[b, 1]):
                factor = fma(splat(shares[place], _LANES), load(ratios, m * _LANES, _LANES), factor)
                place += 1
            store(present, b * _LANES, load(present, b * _LANES, _LANES) * factor)
            store(factors, b * _LANES, load(factors, b * _LANES, _LANES) * factor)


@compiled(vectors)
def _scale(spectrum, target, power, bins, weights, mels, shares, updates, largest_ratio, work):
    """Multiply the bins of a spectrum (F, n_fft // 2 + 1, 2) by the factors of the updates.

    ``target`` is the mel in lanes. ``work`` takes magnitudes, factors of bins, and ratios of mels.
    """
    present, factors, ratios = work[0], work[1], work[2]
    for begin in range(0, spectrum.shape[0], _LANES):
        wanted = target[begin // _LANES].reshape(-1)
        held = min(_LANES, spectrum.shape[0] - begin)
        _measure(spectrum, begin, held, power, mels, present, factors)
        for _ in range(updates):
            _update(wanted, present, bins, weights, mels, shares, largest_ratio, ratios, factors)
        for b in range(spectrum.shape[1]):
            if mels[b, 1] > mels[b, 0]:
                if power == 2:
                    store(factors, b * _LANES, square_root(load(factors, b * _LANES, _LANES)))
                for lane in range(held):
                    spectrum[begin + lane, b, 0] *= factors[b * _LANES + lane]
                    spectrum[begin + lane, b, 1] *= factors[b * _LANES + lane]
