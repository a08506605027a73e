"""The stream of a state-space effect on a CPU, by a compiled recurrence."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from effects.models.model import State
from effects.models.s4 import S4Block, S4Effect
from effects.runtimes.derived import Derived
from effects.runtimes.stream import Stream
from vocoders.core.compiling import compiled

__all__ = ["S4Stream"]


class S4Stream(Stream[S4Effect]):
    """Stream of a state-space effect, sample by sample in float64; on other devices than a CPU by ``forward``."""

    def __init__(self, model: S4Effect) -> None:
        super().__init__(model)
        self._recurrences: list[Derived[tuple[np.ndarray, ...]]] = [Derived() for _ in model.blocks]

    @torch.no_grad()
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next samples."""
        model = self.model
        if audio.device.type != "cpu" or audio.shape[-1] == 0:
            return model(audio, knobs, state)
        model.check_inputs(audio, knobs, state)
        condition = model.condition(knobs.to(audio.dtype))
        x = model.expansion(model.detector(audio))
        for index, (block, recurrence) in enumerate(zip(model.blocks, self._recurrences, strict=True)):
            y = _advance_layer(block, recurrence, x, state[f"states.{index}"])
            x = x + block.film(y, condition)
        return model.head(model.projection(x), audio), state


def _advance_layer(block: S4Block, recurrence: Derived[tuple[np.ndarray, ...]], x: Tensor, state: Tensor) -> Tensor:
    """Return a layer's output for (B, C, T); ``state`` (B, C, n, 2) is updated in place."""
    layer = block.layer
    poles, inputs, outputs = recurrence.get(layer.kernel.parameters(), lambda: _discretise(block))
    y = _recur(x.double().numpy(), poles, inputs, outputs, layer.D.double().numpy(), state.numpy())
    return F.glu(layer.output_linear(F.gelu(torch.from_numpy(y).to(x.dtype))), dim=1)


def _discretise(block: S4Block) -> tuple[np.ndarray, ...]:
    """Return poles, input and output factors (C, n)."""
    system = block.layer.kernel.discretise().to(torch.complex128)
    return tuple(part.numpy() for part in (system.poles, system.input, system.output[0]))


@compiled()
def _recur(u, poles, inputs, outputs, skip, state):
    """Return 2 Re(C x[t]) + D u[t] with x[t] = A x[t - 1] + B u[t]; ``state`` (B, C, n, 2) becomes the last x."""
    batch, channels, length = u.shape
    y = np.empty_like(u)
    for b in range(batch):
        for c in range(channels):
            for t in range(length):
                y[b, c, t] = skip[c] * u[b, c, t]
            for n in range(poles.shape[1]):
                x = complex(state[b, c, n, 0], state[b, c, n, 1])
                pole, factor, read = poles[c, n], inputs[c, n], 2.0 * outputs[c, n]
                for t in range(length):
                    x = pole * x + factor * u[b, c, t]
                    y[b, c, t] += read.real * x.real - read.imag * x.imag
                state[b, c, n, 0], state[b, c, n, 1] = x.real, x.imag
    return y
