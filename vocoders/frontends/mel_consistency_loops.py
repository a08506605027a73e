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
from vocoders.frontends.refinement_steps import RefinementStep

__all__ = ["Filters", "Frames", "iterate"]

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


def iterate(
    audio: Tensor, wanted: Tensor, filters: Filters, frames: Frames, steps: list[RefinementStep], largest_ratio: float
) -> Tensor:
    """Return audio (T,) after the steps towards the linear mel ``wanted`` (n_mels, F), T = F * hop."""
    length, count, left = audio.shape[-1], wanted.shape[-1], frames.left
    padded = torch.zeros(left + length + frames.right)
    signal = padded[left : left + length].copy_(audio)
    before = signal.numpy().copy()
    target, summed = _in_lanes(wanted.numpy()), np.zeros(max(padded.numel(), frames.reach(count)), np.float32)
    inverse = frames.inverse_weights(count, summed.size)[left : left + length]
    blocks = _Blocks(filters, frames, count, largest_ratio)
    for step in steps:
        if frames.is_reflected:
            _reflect(padded, left, length, frames.right)
        summed[:] = 0
        blocks.project(padded.numpy(), target, step, summed)
        _move(summed[left:], inverse, step.momentum, step.relaxation, before, signal.numpy())
    return torch.from_numpy(before)


class _Blocks:
    """Frames that pass through a step together, and the memory for it."""

    def __init__(self, filters: Filters, frames: Frames, count: int, largest_ratio: float) -> None:
        self.filters, self.frames, self.count, self.largest_ratio = filters, frames, count, largest_ratio
        self.cut = torch.empty(min(_BLOCK, count), frames.window.size)
        self.work = np.zeros((3, len(filters.mels) * _LANES), np.float32)
        # Of all frames, for steps whose ratios depend on those of other frames.
        self.spectra = torch.empty(0, len(filters.mels), dtype=torch.complex64)
        self.ratios = np.empty(0, np.float32)

    def project(self, signal: np.ndarray, target: np.ndarray, step: RefinementStep, summed: np.ndarray) -> None:
        """Add the improved frames of a padded signal to ``summed``; ``target`` is in lanes."""
        filters, largest = self.filters, self.largest_ratio
        if step.kernel is None:
            for first in range(0, self.count, _BLOCK):
                spectrum = self._spectrum(signal, first)
                _scale(
                    _parts(spectrum), target[first // _LANES :], filters.power, filters.bins, filters.weights,
                    filters.mels, filters.shares, step.updates, largest, self.work,
                )  # fmt: skip
                self._add(spectrum, first, summed)
            return
        if not len(self.spectra):
            self.spectra = torch.empty(self.count, len(filters.mels), dtype=torch.complex64)
            self.ratios = np.empty_like(target)
        for first in range(0, self.count, _BLOCK):
            spectrum = self._spectrum(signal, first, self.spectra[first : first + _BLOCK])
            _find_ratios(
                _parts(spectrum), target[first // _LANES :], filters.power, filters.bins, filters.weights,
                filters.mels, largest, self.work, self.ratios[first // _LANES :],
            )  # fmt: skip
        ratios = _in_lanes(_sharpened(_from_lanes(self.ratios, self.count), step.kernel.numpy(), largest))
        for first in range(0, self.count, _BLOCK):
            spectrum = self.spectra[first : first + _BLOCK]
            _spread(_parts(spectrum), ratios[first // _LANES :], filters.power, filters.mels, filters.shares, self.work)
            self._add(spectrum, first, summed)

    def _spectrum(self, signal: np.ndarray, first: int, out: Tensor | None = None) -> Tensor:
        """Return the spectra of a block of frames of the signal, in ``out`` if given."""
        block = self.cut[: min(_BLOCK, self.count - first)]
        _cut_frames(signal, first * self.frames.hop, self.frames.window, self.frames.hop, block.numpy())
        return torch.fft.rfft(block, out=out)

    def _add(self, spectrum: Tensor, first: int, summed: np.ndarray) -> None:
        """Overlap and add the frames of a block."""
        improved = torch.fft.irfft(spectrum, self.frames.window.size).numpy()
        _add_frames(improved, self.frames.window, self.frames.hop, summed[first * self.frames.hop :])


def _parts(spectrum: Tensor) -> np.ndarray:
    """Return the real and imaginary parts (F, n_fft // 2 + 1, 2) of a spectrum, in its memory."""
    return torch.view_as_real(spectrum).numpy()


def _from_lanes(lanes: np.ndarray, count: int) -> np.ndarray:
    """Return (F / lanes, n_mels, lanes) as (n_mels, F)."""
    return np.ascontiguousarray(lanes.transpose(1, 0, 2).reshape(lanes.shape[1], -1)[:, :count])


def _sharpened(ratios: np.ndarray, kernel: np.ndarray, largest: float) -> np.ndarray:
    """Return ratios (n_mels, F) filtered by a kernel; as PyTorch's threads would take longer, without them."""
    rows, columns = (size // 2 for size in kernel.shape)
    padded = np.pad(np.log(ratios), ((rows, rows), (columns, columns)), "edge")
    filtered = np.zeros_like(ratios)
    _convolve(padded, kernel, filtered)
    return np.exp(filtered.clip(-np.log(largest), np.log(largest)))


def _in_lanes(wanted: np.ndarray) -> np.ndarray:
    """Return (n_mels, F) as (F / lanes, n_mels, lanes); frames that fill the last block are silent."""
    bands, count = wanted.shape
    filled = np.zeros((bands, -(-count // _LANES), _LANES), np.float32)
    filled.reshape(bands, -1)[:, :count] = wanted
    return np.ascontiguousarray(filled.transpose(1, 0, 2))


def _reflect(padded: Tensor, left: int, length: int, right: int) -> None:
    padded[:left] = padded[left + 1 : 2 * left + 1].flip(0)
    padded[left + length :] = padded[left + length - right - 1 : left + length - 1].flip(0)


@compiled()
def _convolve(padded, kernel, filtered):
    """Add the correlation of a padded image with a kernel."""
    for row in range(filtered.shape[0]):
        for i in range(kernel.shape[0]):
            for j in range(kernel.shape[1]):
                weight = kernel[i, j]
                for column in range(filtered.shape[1]):
                    filtered[row, column] += weight * padded[row + i, column + j]


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
def _measure(spectrum, begin, held, power, mels, present, improved):
    """Write the magnitudes of the bins under filters, or their squares, twice."""
    for b in range(spectrum.shape[1]):
        if mels[b, 1] > mels[b, 0]:
            for lane in range(held):
                real, imaginary = spectrum[begin + lane, b, 0], spectrum[begin + lane, b, 1]
                present[b * _LANES + lane] = real * real + imaginary * imaginary
        squared = bounded(load(present, b * _LANES, _LANES), np.float32(_LEAST * _LEAST), np.float32(_MOST))
        magnitude = squared if power == 2 else square_root(squared)
        store(present, b * _LANES, magnitude)
        store(improved, b * _LANES, magnitude)


@njit
def _compare(wanted, present, bins, weights, largest_ratio, ratios):
    """Write the ratios of wanted and present mel."""
    smallest, greatest = np.float32(1 / largest_ratio), np.float32(largest_ratio)
    for m in range(bins.shape[0]):
        mel, place = splat(np.float32(0), _LANES), bins[m, 2]
        for b in range(bins[m, 0], bins[m, 1]):
            mel = fma(splat(weights[place], _LANES), load(present, b * _LANES, _LANES), mel)
            place += 1
        mel = bounded(mel, np.float32(_LEAST), np.float32(_MOST))
        store(ratios, m * _LANES, bounded(load(wanted, m * _LANES, _LANES) / mel, smallest, greatest))


@njit
def _multiply(ratios, mels, shares, values):
    """Multiply values of the bins by the shares that their mels have in the ratios."""
    for b in range(mels.shape[0]):
        if mels[b, 1] > mels[b, 0]:
            factor, place = splat(np.float32(0), _LANES), mels[b, 2]
            for m in range(mels[b, 0], mels[b, 1]):
                factor = fma(splat(shares[place], _LANES), load(ratios, m * _LANES, _LANES), factor)
                place += 1
            store(values, b * _LANES, load(values, b * _LANES, _LANES) * factor)


@njit
def _apply(spectrum, begin, held, power, mels, present, improved):
    """Give the bins of some frames their improved magnitudes."""
    for b in range(spectrum.shape[1]):
        if mels[b, 1] > mels[b, 0]:
            factor = load(improved, b * _LANES, _LANES) / load(present, b * _LANES, _LANES)
            store(improved, b * _LANES, square_root(factor) if power == 2 else factor)
            for lane in range(held):
                spectrum[begin + lane, b, 0] *= improved[b * _LANES + lane]
                spectrum[begin + lane, b, 1] *= improved[b * _LANES + lane]


@compiled(vectors)
def _scale(spectrum, target, power, bins, weights, mels, shares, updates, largest_ratio, work):
    """Multiply the bins of a spectrum (F, n_fft // 2 + 1, 2) by the factors of the updates.

    ``target`` is the mel in lanes. ``work`` takes magnitudes, improved magnitudes, and ratios of mels.
    """
    present, improved, ratios = work[0], work[1], work[2]
    for begin in range(0, spectrum.shape[0], _LANES):
        wanted = target[begin // _LANES].reshape(-1)
        held = min(_LANES, spectrum.shape[0] - begin)
        _measure(spectrum, begin, held, power, mels, present, improved)
        for _ in range(updates):
            _compare(wanted, improved, bins, weights, largest_ratio, ratios)
            _multiply(ratios, mels, shares, improved)
        _apply(spectrum, begin, held, power, mels, present, improved)


@compiled(vectors)
def _find_ratios(spectrum, target, power, bins, weights, mels, largest_ratio, work, ratios):
    """Write the ratios of the mel ``target`` and that of a spectrum (F, n_fft // 2 + 1, 2), both in lanes."""
    for begin in range(0, spectrum.shape[0], _LANES):
        held = min(_LANES, spectrum.shape[0] - begin)
        _measure(spectrum, begin, held, power, mels, work[0], work[1])
        wanted, found = target[begin // _LANES].reshape(-1), ratios[begin // _LANES].reshape(-1)
        _compare(wanted, work[0], bins, weights, largest_ratio, found)


@compiled(vectors)
def _spread(spectrum, ratios, power, mels, shares, work):
    """Multiply the bins of a spectrum (F, n_fft // 2 + 1, 2) by the shares of their mels in ratios, in lanes."""
    present, improved = work[0], work[1]
    present[:] = 1
    for begin in range(0, spectrum.shape[0], _LANES):
        held = min(_LANES, spectrum.shape[0] - begin)
        improved[:] = 1
        _multiply(ratios[begin // _LANES].reshape(-1), mels, shares, improved)
        _apply(spectrum, begin, held, power, mels, present, improved)
