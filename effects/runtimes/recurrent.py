"""The stream of a recurrent effect, in compiled code where possible."""

import torch
from torch import Tensor

from effects.models.model import State
from effects.models.recurrent import Recurrent
from effects.runtimes.derived import Derived
from effects.runtimes.recurrent_kernels import PackedCells
from effects.runtimes.stream import Stream

__all__ = ["RecurrentStream"]


class RecurrentStream(Stream[Recurrent]):
    """Stream of a recurrent effect; compiled for float32 on a CPU, with the same bits for blocks of any size."""

    def __init__(self, model: Recurrent) -> None:
        super().__init__(model)
        self._packed: Derived[PackedCells] = Derived()

    @torch.no_grad()
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next samples."""
        model = self.model
        if model.training or audio.shape[-1] == 0 or not self.is_compiled(audio):
            return model(audio, knobs, state)
        state, knobs = model.check_inputs(audio, knobs, state), knobs.to(audio.dtype)
        x = model.rows(audio, knobs).contiguous().numpy()
        weights = [weight for weight in model.cells._flat_weights if weight is not None]
        cells = self._packed.get(weights, lambda: PackedCells(model.cells))
        names = model.state_names
        y, states = cells.run(x, [state[name].numpy() for name in names])
        state = {name: torch.from_numpy(new) for name, new in zip(names, states, strict=True)}
        return model.output(torch.from_numpy(y), audio, knobs), state
