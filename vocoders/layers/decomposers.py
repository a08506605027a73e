"""Decomposers: split a waveform into streams of a lower rate, and join them.

Each decomposer maps (B, 1, T) to (B, S, T / S) by ``analysis`` and back by ``synthesis``.
"""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PQMF", "DecomposerName", "HaarDecomposer", "MultiStream", "make_decomposer"]

DecomposerName = Literal["multi_stream", "pqmf", "haar"]


def _decimate(x: Tensor, factor: int) -> Tensor:
    return x[..., ::factor]


def _insert_zeros(x: Tensor, factor: int) -> Tensor:
    """Insert zeros after each sample, scaled so that the level of the interpolated signal is kept."""
    return F.pad((x * factor)[..., None], (0, factor - 1)).flatten(-2)


class MultiStream(nn.Module):
    """Learned analysis and synthesis filters (63 taps, no bias).

    Args:
        num_streams: S.
        reflect: mirror the borders (published); else zeros stand there, as a stream needs.
    """

    taps = 62

    def __init__(self, num_streams: int, reflect: bool = True) -> None:
        super().__init__()
        self.num_streams = num_streams
        mode = "reflect" if reflect else "zeros"
        options = {"padding": self.taps // 2, "padding_mode": mode, "bias": False}
        self.conv_analysis = nn.Conv1d(1, num_streams, self.taps + 1, **options)
        self.conv_synthesis = nn.Conv1d(num_streams, 1, self.taps + 1, **options)

    def analysis(self, x: Tensor) -> Tensor:
        """Split (B, 1, T) into (B, S, T / S)."""
        return _decimate(self.conv_analysis(x), self.num_streams)

    def synthesis(self, streams: Tensor) -> Tensor:
        """Join (B, S, T / S) to (B, 1, T)."""
        return self.conv_synthesis(_insert_zeros(streams, self.num_streams))

    @property
    def reach(self) -> int:
        """Samples of the waveform that each filter sees ahead."""
        return self.taps // 2

    def analysis_valid(self, x: Tensor) -> Tensor:
        """Return the samples of the streams whose context lies within (B, 1, reach + T + reach)."""
        return F.conv1d(x, self.conv_analysis.weight, stride=self.num_streams)

    def synthesis_valid(self, streams: Tensor) -> Tensor:
        """Return the samples of the waveform whose context lies within (B, S, N): (B, 1, S * N - 2 * reach)."""
        return F.conv1d(_insert_zeros(streams, self.num_streams), self.conv_synthesis.weight)


class PQMF(nn.Module):
    """Fixed pseudo-quadrature mirror filters: cosine-modulated Kaiser-windowed sinc.

    The analysis convolves before it pads with zeros, as in the published code, so the outermost 31 samples of each band
    are zero before decimation.
    """

    taps, cutoff, beta = 62, 0.142, 9.0
    reach = taps // 2

    analysis_filter: Tensor
    synthesis_filter: Tensor

    def __init__(self, num_streams: int) -> None:
        super().__init__()
        self.num_streams = num_streams
        prototype = self.prototype()
        bands, taps = np.arange(num_streams)[:, None], np.arange(self.taps + 1)[None]
        angle = (2 * bands + 1) * np.pi / (2 * num_streams) * (taps - self.taps / 2)
        shift = (-1.0) ** bands * np.pi / 4
        analysis, synthesis = 2 * prototype * np.cos(angle + shift), 2 * prototype * np.cos(angle - shift)
        # Published checkpoints contain the filter in float32; a float64 filter would no longer be equal to it.
        self.register_buffer("analysis_filter", torch.from_numpy(analysis).float()[:, None])
        self.register_buffer("synthesis_filter", torch.from_numpy(synthesis).float()[None])

    @classmethod
    def prototype(cls) -> np.ndarray:
        """Return the low-pass prototype filter, (taps + 1,)."""
        n = np.arange(cls.taps + 1) - cls.taps / 2
        return cls.cutoff * np.sinc(cls.cutoff * n) * np.kaiser(cls.taps + 1, cls.beta)

    def analysis(self, x: Tensor) -> Tensor:
        """Split (B, 1, T) into (B, S, T / S)."""
        filtered = F.conv1d(x, self.analysis_filter)
        return _decimate(F.pad(filtered, (self.taps // 2, self.taps // 2)), self.num_streams)

    def synthesis(self, streams: Tensor) -> Tensor:
        """Join (B, S, T / S) to (B, 1, T)."""
        return F.conv1d(_insert_zeros(streams, self.num_streams), self.synthesis_filter, padding=self.reach)


class HaarDecomposer(nn.Module):
    """Haar wavelet packets in natural order: every stream is split into (low, high), log2(S) times."""

    reach = 0

    def __init__(self, num_streams: int) -> None:
        super().__init__()
        if num_streams < 2 or num_streams & (num_streams - 1):
            raise ValueError(f"{num_streams} streams; the Haar decomposer needs a power of two")
        self.num_streams, self.levels = num_streams, num_streams.bit_length() - 1

    def analysis(self, x: Tensor) -> Tensor:
        """Split (B, 1, T) into (B, S, T / S); an odd length repeats its last sample."""
        for _ in range(self.levels):
            if x.shape[-1] % 2:
                x = torch.cat([x, x[..., -1:]], dim=-1)
            even, odd = x[..., ::2], x[..., 1::2]
            x = torch.stack([even + odd, even - odd], dim=2).flatten(1, 2) * math.sqrt(0.5)
        return x

    def synthesis(self, streams: Tensor) -> Tensor:
        """Join (B, S, T / S) to (B, 1, T)."""
        for _ in range(self.levels):
            low, high = streams[:, ::2], streams[:, 1::2]
            streams = torch.stack([low + high, low - high], dim=-1).flatten(-2) * math.sqrt(0.5)
        return streams

    # No sample depends on those of other groups of S samples.
    analysis_valid = analysis
    synthesis_valid = synthesis


def make_decomposer(
    name: DecomposerName, num_streams: int, reflect: bool = True
) -> MultiStream | PQMF | HaarDecomposer:
    """Make the decomposer called ``name``; ``reflect`` belongs to ``multi_stream``."""
    if name == "multi_stream":
        return MultiStream(num_streams, reflect)
    return {"pqmf": PQMF, "haar": HaarDecomposer}[name](num_streams)
