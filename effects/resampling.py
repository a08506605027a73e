"""Resampling of streams: exact for any division into blocks, and without a shift in time.

Output sample m is at input position ``m * old_rate / new_rate``. It is a sum over the surrounding input samples,
weighted by a sinc with a Kaiser window; the latency is the wait for the later ones. Each sum has a fixed order, so the
blocks do not change a bit of the output.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vocoders.core.compiling import compiled
from vocoders.core.errors import ConfigError

__all__ = ["StreamResampler"]

# In samples of the lower rate: a transition to -120 dB takes 8 % of its Nyquist frequency and ends at that frequency.
_HALF_LENGTH = 96
_CUTOFF = 0.96
_KAISER_BETA = 0.1102 * (120 - 8.7)


class StreamResampler:
    """Change the rate of a stream.

    Args:
        old_rate: rate of the input in Hz.
        new_rate: rate of the output in Hz.
        batch: B.
        channels: C.

    Attributes:
        lookahead: number of input samples needed after the position of an output sample.
    """

    def __init__(self, old_rate: int, new_rate: int, batch: int, channels: int) -> None:
        if old_rate <= 0 or new_rate <= 0:
            raise ConfigError(f"sample rates must be positive, found {old_rate} Hz and {new_rate} Hz")
        divisor = math.gcd(old_rate, new_rate)
        self.up, self.down = new_rate // divisor, old_rate // divisor
        self._table = _filters(self.up, self.down)
        self.lookahead = self.half_length(old_rate, new_rate)
        # The stream follows silence.
        self._known = torch.zeros(batch, channels, self.lookahead - 1)
        self._received = self._produced = 0

    @staticmethod
    def half_length(old_rate: int, new_rate: int) -> int:
        """Return the :attr:`lookahead` of a resampler between two rates."""
        return math.ceil(_HALF_LENGTH * max(1.0, old_rate / new_rate))

    def push(self, audio: Tensor) -> Tensor:
        """Take the next input samples (B, C, T); return the output samples (B, C, N) that are now complete."""
        known = torch.cat([self._known.to(audio), audio], dim=-1)
        first_known = self._received - self._known.shape[-1]
        self._received += audio.shape[-1]
        # Output m needs the input up to floor(m * down / up) + lookahead.
        last = self._received - 1 - self.lookahead
        available = max(0, ((last + 1) * self.up - 1) // self.down + 1) if last >= 0 else 0
        count = max(0, available - self._produced)
        rows = known.detach().to("cpu", torch.float64).flatten(0, 1).contiguous().numpy()
        output = _polyphase(rows, first_known, self._table, self._produced, count, self.up, self.down)
        self._produced += count
        oldest = self._produced * self.down // self.up - (self.lookahead - 1)
        self._known = known[..., oldest - first_known :].clone()
        return torch.from_numpy(output).view(*audio.shape[:2], count).to(audio)

    def state(self) -> dict[str, Tensor]:
        """Return the state on which the next call depends."""
        return {"known": self._known.clone(), "counts": torch.tensor([self._received, self._produced])}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a result of :meth:`state`."""
        self._known = state["known"].clone()
        self._received, self._produced = (int(count) for count in state["counts"])


@lru_cache(maxsize=4)
def _filters(up: int, down: int) -> np.ndarray:
    """Return, for each of ``up`` phases, the weights of the input samples around an output sample."""
    half = StreamResampler.half_length(down, up)
    lower = min(1.0, up / down)
    taps = np.arange(1 - half, half + 1)
    distance = taps[None, :] - np.arange(up)[:, None] / up
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None))) / np.i0(_KAISER_BETA)
    weights = np.sinc(_CUTOFF * lower * distance) * window
    return weights / weights.sum(axis=1, keepdims=True)


@compiled()
def _polyphase(x, first_known, table, first, count, up, down):
    """Return output samples ``first .. first + count`` of rows (R, N) that begin at input sample ``first_known``."""
    rows, taps = x.shape[0], table.shape[1]
    y = np.empty((rows, count))
    for row in range(rows):
        for k in range(count):
            position = (first + k) * down
            whole = position // up
            phase = position - whole * up
            start = whole - (taps // 2 - 1) - first_known
            total = 0.0
            for tap in range(taps):
                total += table[phase, tap] * x[row, start + tap]
            y[row, k] = total
    return y
