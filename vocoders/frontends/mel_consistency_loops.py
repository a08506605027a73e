"""Mel refinement in compiled loops, for CPUs: the numbers of :class:`MelConsistency`, many times as fast.

Sixteen frames fill a vector, from the cut of the signal to the overlapping sum, and each step of the update reads only
the bins under a filter. Such a block of frames stays in the cache of a thread. Blocks are the same for any number of
threads, so the result is too.
"""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor

from vocoders.core import lane_fft, vectors
from vocoders.core.compiling import compiled
from vocoders.core.lane_fft import LANES, forward, fourier_table, inverse
from vocoders.core.packed_memory import aligned
from vocoders.core.vectors import address, bounded, exp, fma, load, number_at, put, repeat, splat, square_root, store
from vocoders.core.workers import Workers
from vocoders.frontends.refinement_steps import RefinementStep

__all__ = ["Filters", "Frames", "iterate"]

_LEAST, _MOST = 1e-9, 3e38
# A thread gets at least so many blocks of frames, and samples: with less, one thread is faster.
_LEAST_BLOCKS, _LEAST_SAMPLES = 4, 16384


class Filters(NamedTuple):
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


class Frames(NamedTuple):
    """How frames lie in the audio.

    Attributes:
        window: (n_fft,), with zeros where it is shorter; n_fft is even.
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


def iterate(
    audio: Tensor, wanted: Tensor, filters: Filters, frames: Frames, steps: list[RefinementStep], largest_ratio: float
) -> Tensor:
    """Return audio (T,) after the steps towards the linear mel ``wanted`` (n_mels, F), T = F * hop."""
    blocks = _Blocks(filters, frames, wanted.numpy(), largest_ratio)
    left, stop = frames.left, frames.left + audio.shape[-1]
    padded = np.zeros(blocks.reach, np.float32)
    signal = padded[left:stop]
    signal[:] = audio.numpy()
    before = signal.copy()
    for step in steps:
        if frames.is_reflected:
            padded[:left] = padded[left + 1 : 2 * left + 1][::-1]
            padded[stop : stop + frames.right] = padded[stop - frames.right - 1 : stop - 1][::-1]
        blocks.project(padded, step)
        blocks.move(signal, before, step)
    return torch.from_numpy(before)


class _Blocks:
    """Frames in blocks, the threads that compute them, and the memory for it."""

    def __init__(self, filters: Filters, frames: Frames, wanted: np.ndarray, largest_ratio: float) -> None:
        (bands, self.count), size = wanted.shape, frames.window.size
        number, columns, held = -(-self.count // LANES), _columns(size, frames.hop), (size // 2 + 1) * LANES
        self.settings, self.left = (filters, frames, fourier_table(size), np.float32(largest_ratio)), frames.left
        self.workers = Workers(min(torch.get_num_threads(), max(1, number // _LEAST_BLOCKS)))
        self.target = np.zeros((bands, number * LANES), np.float32)
        self.target[:, : self.count] = wanted
        self.spectra, self.sums = aligned(number, 2 * held), aligned(number, columns * frames.hop)
        # The padded signal, and all samples under blocks.
        self.reach = max(
            frames.left + self.count * frames.hop + frames.right, ((number - 1) * LANES + columns) * frames.hop
        )
        self.summed, self.inverse_weights = np.zeros(self.reach, np.float32), np.zeros(self.reach, np.float32)
        _add_windows(frames.window**2, frames.hop, self.count, self.inverse_weights)
        self.inverse_weights = 1 / np.maximum(self.inverse_weights, 1e-3)
        # Of each thread: the other half of a transform, which holds magnitudes between transforms; the ratios of the
        # mels; and a block of samples, in columns.
        self.scratch = 2 * held + bands * LANES + columns * frames.hop

    def project(self, padded: np.ndarray, step: RefinementStep) -> None:
        """Sum the improved frames of a padded signal, each block for itself."""
        if step.kernel is None:
            self._run(_improve, padded, self.target, step.updates, self.count, self.sums)
            return
        kernel, (rows, columns) = step.kernel.numpy(), (size // 2 for size in step.kernel.shape)
        bands, frames = self.target.shape
        logs = np.empty((bands + 2 * rows, frames + 2 * columns), np.float32)
        self._run(_compare, padded, self.target, logs, rows, columns)
        end = columns + self.count
        inner = logs[rows : rows + bands, columns:end]
        np.log(inner, out=inner)
        logs[:, :columns], logs[:, end:] = logs[:, columns, None], logs[:, end - 1, None]
        logs[:rows], logs[rows + bands :] = logs[rows], logs[rows + bands - 1]
        self._run(_sharpen, logs, kernel, self.count, self.sums)

    def _run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function for all blocks, on all threads."""
        self.workers.run(
            function, *self.settings, *arguments, self.spectra, work=len(self.spectra), least=_LEAST_BLOCKS,
            scratch=self.scratch,
        )  # fmt: skip

    def move(self, signal: np.ndarray, before: np.ndarray, step: RefinementStep) -> None:
        """Write the next signal, and the result of this iteration to ``before``."""
        numbers = self.left, np.float32(step.relaxation), np.float32(step.momentum)
        memory = self.sums, self.settings[1].hop, self.summed, self.inverse_weights
        self.workers.run(_move, *memory, *numbers, before, signal, work=signal.size, least=_LEAST_SAMPLES)


def _columns(size: int, hop: int) -> int:
    """Return how many hops a block of frames of this size touches."""
    return LANES + (size - 1) // hop


_count_columns = njit(_columns)


@compiled()
def _add_windows(squares, hop, count, summed):
    """Add the squared windows of all frames."""
    for frame in range(count):
        for i in range(squares.size):
            summed[frame * hop + i] += squares[i]


@compiled()
def _move(sums, hop, summed, inverse_weights, left, beyond, again, before, signal, start, stop):
    """Write samples of the next signal, and of the result of this iteration to ``before``."""
    # Loops over slices have no negative indices, so LLVM makes vectors of them.
    total, weights = summed[left + start : left + stop], inverse_weights[left + start : left + stop]
    total[:] = 0
    for block in range(sums.shape[0]):
        first = block * LANES * hop - left - start
        low, high = max(0, first), min(total.size, first + sums.shape[1])
        if low < high:
            under, part = total[low:high], sums[block, low - first : high - first]
            for i in range(under.size):
                under[i] += part[i]
    now, then = signal[start:stop], before[start:stop]
    for i in range(now.size):
        projected = now[i] + beyond * (total[i] * weights[i] - now[i])
        now[i] = projected + again * (projected - then[i])
        then[i] = projected


@njit
def _places(spectrum, scratch, bins, bands):
    """Return addresses: real and imaginary part of a block, the other halves of its transform, ratios, samples."""
    held, other = 4 * LANES * bins, address(scratch)
    real, ratios = address(spectrum), other + 2 * held
    return real, real + held, other, other + held, ratios, ratios + 4 * LANES * bands


@njit
def _analyse(signal, frames, table, block, real, imag, other_real, other_imag, samples):
    """Write the spectrum of the frames of a block."""
    window, hop = frames.window, frames.hop
    columns = _count_columns(window.size, hop)
    first = block * LANES * hop
    for column in range(columns):
        for i in range(hop):
            put(samples, i * columns + column, signal[first + column * hop + i])
    for i in range(window.size):
        cut = repeat(window, i, LANES) * load(samples, (i % hop) * columns + i // hop, LANES)
        store(imag if i % 2 else real, (i // 2) * LANES, cut)
    forward(real, imag, other_real, other_imag, window.size, table)


@njit
def _add(frames, table, block, count, real, imag, other_real, other_imag, samples, sums):
    """Write the overlapping sum of the frames of a block with this spectrum."""
    window, hop = frames.window, frames.hop
    size = window.size
    columns, silence = _count_columns(size, hop), splat(np.float32(0), LANES)
    inverse(real, imag, other_real, other_imag, size, table)
    # Frames after the last.
    for lane in range(count - block * LANES, LANES):
        for i in range(lane, size // 2 * LANES, LANES):
            put(real, i, np.float32(0))
            put(imag, i, np.float32(0))
    for i in range(0, columns * hop - LANES, LANES):
        store(samples, i, silence)
    store(samples, columns * hop - LANES, silence)
    for i in range(size):
        at = (i % hop) * columns + i // hop
        part = load(imag if i % 2 else real, (i // 2) * LANES, LANES)
        store(samples, at, fma(repeat(window, i, LANES) * np.float32(1 / size), part, load(samples, at, LANES)))
    for column in range(columns):
        for i in range(hop):
            sums[block, column * hop + i] = number_at(samples, i * columns + column)


@njit
def _measure(real, imag, bins, power, present, improved):
    """Write the magnitudes of the bins, or their squares, twice."""
    for b in range(bins):
        x, y = load(real, b * LANES, LANES), load(imag, b * LANES, LANES)
        squared = bounded(fma(x, x, y * y), np.float32(_LEAST * _LEAST), np.float32(_MOST))
        magnitude = squared if power == 2 else square_root(squared)
        store(present, b * LANES, magnitude)
        store(improved, b * LANES, magnitude)


@njit
def _find_ratios(target, block, present, filters, largest_ratio, ratios):
    """Write the ratios of wanted and present mel."""
    smallest = np.float32(1) / largest_ratio
    for m in range(filters.bins.shape[0]):
        mel, place = splat(np.float32(0), LANES), filters.bins[m, 2]
        for b in range(filters.bins[m, 0], filters.bins[m, 1]):
            mel = fma(repeat(filters.weights, place, LANES), load(present, b * LANES, LANES), mel)
            place += 1
        wanted = load(target, m * target.shape[1] + block * LANES, LANES)
        mel = bounded(mel, np.float32(_LEAST), np.float32(_MOST))
        store(ratios, m * LANES, bounded(wanted / mel, smallest, largest_ratio))


@njit
def _share(ratios, filters, b):
    """Return the mean of the ratios of the mels of a bin, by their weights."""
    factor, place = splat(np.float32(0), LANES), filters.mels[b, 2]
    for m in range(filters.mels[b, 0], filters.mels[b, 1]):
        factor = fma(repeat(filters.shares, place, LANES), load(ratios, m * LANES, LANES), factor)
        place += 1
    return factor


@njit
def _multiply(real, imag, filters, b, factor):
    """Multiply a bin by the factor of its magnitude, or the square of the magnitude."""
    factor = square_root(factor) if filters.power == 2 else factor
    store(real, b * LANES, load(real, b * LANES, LANES) * factor)
    store(imag, b * LANES, load(imag, b * LANES, LANES) * factor)


@compiled(vectors, lane_fft)
def _improve(
    filters, frames, table, largest_ratio, signal, target, updates, count, sums, spectra, scratch, start, stop
):  # fmt: skip
    """Sum the frames of blocks whose bins are multiplied by the factors of the updates."""
    mels = filters.mels
    for block in range(start, stop):
        real, imag, present, improved, ratios, samples = _places(
            spectra[block], scratch, mels.shape[0], filters.bins.shape[0]
        )
        _analyse(signal, frames, table, block, real, imag, present, improved, samples)
        _measure(real, imag, mels.shape[0], filters.power, present, improved)
        for _ in range(updates):
            _find_ratios(target, block, improved, filters, largest_ratio, ratios)
            for b in range(mels.shape[0]):
                if mels[b, 1] > mels[b, 0]:
                    store(improved, b * LANES, load(improved, b * LANES, LANES) * _share(ratios, filters, b))
        for b in range(mels.shape[0]):
            if mels[b, 1] > mels[b, 0]:
                factor = load(improved, b * LANES, LANES) / load(present, b * LANES, LANES)
                _multiply(real, imag, filters, b, factor)
        _add(frames, table, block, count, real, imag, present, improved, samples, sums)


@compiled(vectors, lane_fft)
def _compare(filters, frames, table, largest_ratio, signal, target, found, row, column, spectra, scratch, start, stop):
    """Write spectra of blocks, and their ratios to the inner part of ``found``, from this row and column on."""
    bands, width = target.shape[0], found.shape[1]
    for block in range(start, stop):
        real, imag, present, improved, ratios, samples = _places(spectra[block], scratch, filters.mels.shape[0], bands)
        _analyse(signal, frames, table, block, real, imag, present, improved, samples)
        _measure(real, imag, filters.mels.shape[0], filters.power, present, improved)
        _find_ratios(target, block, present, filters, largest_ratio, ratios)
        for m in range(bands):
            to = (row + m) * width + column + block * LANES
            store(found, to, load(ratios, m * LANES, LANES))


@compiled(vectors, lane_fft)
def _sharpen(filters, frames, table, largest_ratio, logs, kernel, count, sums, spectra, scratch, start, stop):
    """Sum the frames of blocks whose bins are multiplied by filtered ratios.

    ``logs`` are the logarithms of the ratios of all frames, with a margin as wide as half of the kernel.
    """
    bands, width, largest = filters.bins.shape[0], logs.shape[1], np.float32(math.log(largest_ratio))
    for block in range(start, stop):
        real, imag, other_real, other_imag, ratios, samples = _places(
            spectra[block], scratch, filters.mels.shape[0], bands
        )
        for m in range(bands):
            filtered = splat(np.float32(0), LANES)
            for i in range(kernel.shape[0]):
                for j in range(kernel.shape[1]):
                    at = (m + i) * width + block * LANES + j
                    filtered = fma(repeat(kernel, i * kernel.shape[1] + j, LANES), load(logs, at, LANES), filtered)
            store(ratios, m * LANES, exp(bounded(filtered, -largest, largest)))
        for b in range(filters.mels.shape[0]):
            if filters.mels[b, 1] > filters.mels[b, 0]:
                _multiply(real, imag, filters, b, _share(ratios, filters, b))
        _add(frames, table, block, count, real, imag, other_real, other_imag, samples, sums)
