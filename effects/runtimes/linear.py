"""The stream of a linear filter, in compiled code where possible."""

# numba turns the functions of vectors into others that take fewer arguments; no stub says so.
# pyright: reportCallIssue=false

import torch
from torch import Tensor

from effects.models.linear import Linear
from effects.models.model import State
from effects.runtimes.stream import Stream
from vocoders.core import vectors
from vocoders.core.compiling import compiled
from vocoders.core.vectors import fma, load, splat, store

__all__ = ["LinearStream"]

# Output samples whose sums are in registers at once.
_TILE = 64


class LinearStream(Stream[Linear]):
    """Stream of a linear filter; sums have a fixed order, so blocks of any size give the same bits."""

    @torch.no_grad()
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next samples."""
        model = self.model
        if audio.numel() == 0 or not self.is_compiled(audio):
            return model(audio, knobs, state)
        state = model.check_inputs(audio, knobs, state)
        heard = torch.cat([state["past"], audio], dim=-1)[:, 0]
        length, count = audio.shape[-1], -(-audio.shape[-1] // _TILE) * _TILE
        padded = torch.nn.functional.pad(heard, (0, count - length))
        output = torch.empty(len(audio), count)
        offset = 0.0 if model.offset is None else float(model.offset)
        _filter(model.response.detach().contiguous().numpy(), offset, padded.numpy(), output.numpy())
        past = heard[:, heard.shape[-1] - model.config.taps + 1 :].clone()[:, None]
        return output[:, None, :length].contiguous(), {"past": past}


@compiled(vectors)
def _filter(response, offset, x, y):
    """Write y[t] = offset + sum of response[n] x[t - n] for whole tiles; x begins taps - 1 samples before y."""
    taps = len(response)
    for b in range(len(x)):
        heard, out = x[b], y[b]
        for t in range(0, len(out), 64):
            sums = splat(offset, 64)
            for n in range(taps):
                sums = fma(splat(response[n], 64), load(heard, t + taps - 1 - n, 64), sums)
            store(out, t, sums)
