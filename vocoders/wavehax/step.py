"""One frame of a causal Wavehax network: features and excitation in, samples and memory out.

Every layer that sees other frames keeps them in its memory. A step takes frame n of the input and computes, at each
layer, the newest frame whose context is complete. What is computed before the first or after the last frame of the
signal is set to zero, as the padding of the whole signal is, so steps give the samples of the whole signal.

The step is a pure function of tensors, so it can be exported (ONNX) as it stands.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from vocoders.layers.convnext import ConvNeXtBlock2d
from vocoders.layers.decomposers import HaarDecomposer, MultiStream
from vocoders.wavehax.networks import ImageNetwork, MultiScaleNetwork

if TYPE_CHECKING:
    from vocoders.wavehax.model import Wavehax

__all__ = ["CausalStep"]


class CausalStep(nn.Module):
    """A step of a causal network.

    After the last of F frames, steps with zeros flush the memory: ceil(latency / hop_length) of them. The first
    ``latency`` samples of the output lie before the signal.

    Args:
        model: a vocoder whose configuration has ``look_ahead``.
        image: computes the blocks with a memory of its own: takes the image of a frame, its number and the number of
            frames. ``None``: PyTorch computes them.
    """

    network: ImageNetwork

    def __init__(self, model: "Wavehax", image: Callable[[Tensor, int, int], Tensor] | None = None) -> None:
        super().__init__()
        if model.config.look_ahead is None or not isinstance(model.network, ImageNetwork):
            raise ValueError("the network is not causal")
        self.model, self.network, self.image = model, model.network, image
        self.blocks = cast(Sequence[ConvNeXtBlock2d], model.network.blocks)
        # No other decomposer has a stream; the configuration sees to that.
        split = isinstance(model.network, MultiScaleNetwork)
        decomposer = cast(MultiStream | HaarDecomposer, model.network.decomposer) if split else None
        self.decomposer, stft = decomposer, model.network.stft
        self.rate = 1 if decomposer is None else decomposer.num_streams
        self.reach = 0 if decomposer is None else decomposer.reach
        # Samples of a signal by which the analysis filters lag, then frames by which the transform lags.
        self.analysis_delay = lag = -(-self.reach // self.rate)
        before, after = stft.margins
        self.transform_delay = -(-(after + lag) // stft.hop_length)
        self.analysis_history = self.reach + lag * self.rate
        self.synthesis_history = -(-2 * self.reach // self.rate)
        self.signal_history = self.transform_delay * stft.hop_length + before - lag
        contexts = [self.network.context, *(block.context for block in self.blocks)]
        # Frames by which the input of each layer lags, and the output of the last one.
        self.delays = list(accumulate((context.after for context in contexts), initial=self.transform_delay))

    @property
    def latency(self) -> int:
        """Samples of the output that lie before the signal."""
        stft = self.network.stft
        return (self.delays[-1] * stft.hop_length + stft.margins[0]) * self.rate + self.reach

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the memory of ``batch`` streams before their first frame."""
        network, config = self.network, self.model.config
        bins, n_fft = config.num_bins, config.n_fft
        parts = config.num_excitations
        signals, outputs = (self.rate, self.rate) if self.rate > 1 else (parts, 1)
        features = self.model.network_features(self.model.feature_mean.new_zeros(batch, config.in_channels, 1))
        frame = [(signals, bins), (signals, bins), *((part.shape[1],) for part in features)]
        shapes = [
            (parts, self.analysis_history),
            (signals, self.signal_history),
            *((*part.shape[1:2], self.transform_delay) for part in features),
            *((*shape, network.context.width - 1) for shape in frame),
            *((config.channels, bins, block.context.width - 1) for block in ([] if self.image else self.blocks)),
            *((*shape, self.delays[-1] - self.delays[0]) for shape in frame),
            (outputs, n_fft - network.stft.hop_length),
            (1, n_fft - network.stft.hop_length),
            (outputs, self.synthesis_history),
        ]
        return tuple(torch.zeros(batch, *shape, device=self.model.device) for shape in shapes if shape[-1])

    def forward(
        self, features: Tensor, prior: Tensor, index: Tensor | int, total: Tensor | int, *state: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute one frame.

        Args:
            features: log-mel (B, n_mels, 1).
            prior: excitation (B, P, hop_length) of the frame; zeros after the last frame.
            index: number of the frame, from 0 on.
            total: number of frames of the signal, once it is known; before that anything above ``index``.
            *state: memory.

        Returns:
            Audio (B, 1, hop_length), delayed by ``latency``, then the new memory.
        """
        network, memory = self.network, _Memory(state)
        signals = memory.extend(self._split(memory, prior, index, total))
        shape, n_fft = signals.shape[:2], network.stft.n_fft
        spectrum = network.stft.transform(signals[..., :n_fft].flatten(0, 1))
        spectra = network.spectra(*(part.unflatten(0, shape) for part in spectrum))
        delayed = [memory.extend(part)[..., :1] for part in self.model.network_features(features)]
        frame = [_keep(part, index, total, self.delays[0]) for part in (*spectra, *delayed)]

        image = network.lift(*(memory.extend(part) for part in frame))
        image = self._refine(memory, image, index, total)
        if self.delays[-1] > self.delays[0]:
            frame = [memory.extend(part)[..., :1] for part in frame]
        spectrum = network.head(image, *frame)
        signals = self._overlap_add(memory, spectrum, index, total)
        audio = self._join(memory, signals)
        return audio, *memory.new

    def _refine(self, memory: "_Memory", image: Tensor, index: Tensor | int, total: Tensor | int) -> Tensor:
        if self.image is not None:
            return self.image(image, int(index) - self.delays[1], int(total))
        x = self.network.enter(image)
        for block, delay in zip(self.blocks, self.delays[1:], strict=False):
            x = block.valid(memory.extend(_keep(x, index, total, delay)))
        return self.network.leave(x)

    def _split(self, memory: "_Memory", prior: Tensor, index: Tensor | int, total: Tensor | int) -> Tensor:
        waveform = memory.extend(prior) if self.analysis_history else prior
        if self.decomposer is None:
            return waveform
        # The newest samples do not fill the filters yet.
        used = waveform.shape[-1] - (self.analysis_history - 2 * self.reach) if self.reach else None
        signals, hop = self.decomposer.analysis_valid(waveform[..., :used]), self.network.stft.hop_length
        return torch.where(self._within(index * hop - self.analysis_delay, total), signals, 0.0)

    def _join(self, memory: "_Memory", signals: Tensor) -> Tensor:
        length = signals.shape[-1] * self.rate
        signals = memory.extend(signals) if self.synthesis_history else signals
        if self.decomposer is None:
            return signals
        return self.decomposer.synthesis_valid(signals)[..., -length:]

    def _overlap_add(
        self, memory: "_Memory", spectrum: tuple[Tensor, Tensor], index: Tensor | int, total: Tensor | int
    ) -> Tensor:
        """Return the samples (B, P, hop) of the signals that no later frame covers; zeros outside the signal."""
        stft, delay, shape = self.network.stft, self.delays[-1], spectrum[0].shape[:2]
        frame, weight = stft.overlap_add(*(part.flatten(0, 1) for part in spectrum))
        frame = _keep(frame[:, 0].unflatten(0, shape), index, total, delay)
        weight = _keep(weight.expand(shape[0], -1, -1), index, total, delay)
        frame, weight = memory.overlap(frame, stft.hop_length), memory.overlap(weight, stft.hop_length)
        within = self._within((index - delay) * stft.hop_length - stft.margins[0], total)
        return torch.where(within, frame / torch.where(within, weight, 1.0), 0.0)

    def _within(self, start: Tensor | int, total: Tensor | int) -> Tensor:
        """Return which of the ``hop`` samples from ``start`` on belong to a signal of ``total`` frames."""
        hop = self.network.stft.hop_length
        time = torch.arange(hop, device=self.model.device) + start
        return (time >= 0) & (time < total * hop)


class _Memory:
    """The memory of a step: each layer takes its part in turn, and leaves the new one."""

    def __init__(self, state: tuple[Tensor, ...]) -> None:
        self.old, self.new = iter(state), []

    def extend(self, x: Tensor) -> Tensor:
        """Return what is remembered followed by ``x``; the newest part of the same length is remembered."""
        old = next(self.old)
        both = torch.cat([old, x], dim=-1)
        self.new.append(both[..., both.shape[-1] - old.shape[-1] :])
        return both

    def overlap(self, frame: Tensor, hop: int) -> Tensor:
        """Add a frame to the sum of earlier frames; return the ``hop`` samples that are complete."""
        old = next(self.old)
        total = frame + torch.nn.functional.pad(old, (0, hop))
        self.new.append(total[..., hop:])
        return total[..., :hop]


def _keep(x: Tensor, index: Tensor | int, total: Tensor | int, delay: int) -> Tensor:
    """Return ``x``, or zeros if it lies before the first or after the last frame."""
    frame = index - delay
    if isinstance(frame, Tensor):
        return x * ((frame >= 0) & (frame < total)).to(x.dtype)
    return x if 0 <= frame < total else torch.zeros_like(x)
