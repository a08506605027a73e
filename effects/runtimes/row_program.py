"""Programs over rows: a convolutional network as steps for compiled code, and the stream that runs them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from effects.models.activations import Activation
from effects.models.model import EffectModel, State
from effects.runtimes import row_kernels
from effects.runtimes.derived import Derived
from effects.runtimes.row_kernels import FUNCTIONS, LANES, Step
from effects.runtimes.stream import Stream
from vocoders.core.packed_memory import filled

__all__ = ["ProgramStream", "RowProgram", "Rows"]

# Free rows after a past, before it is moved back to the front.
_ROOM = 1024
# Samples to compute at once: the work rows of more would not fit the processor's nearest cache.
_WORK = 128


class Rows(NamedTuple):
    """Rows of the present samples.

    Attributes:
        place: index of the first number in memory.
        channels: number of channels.
        width: numbers in a row.
        context: rows of the past before them; ``None``: work rows, which have no past.
    """

    place: int
    channels: int
    width: int
    context: int | None = None


class RowProgram:
    """Steps under construction; the weights are copied in the order of their use.

    Attributes:
        input: rows that the host fills.
        pasts: rows with a past, by their name in the state.
        output: rows whose first channel is the output.
    """

    output: Rows

    def __init__(self, in_channels: int) -> None:
        self.pasts: dict[str, Rows] = {}
        self._size, self._steps, self._weights, self._weight_size = 0, [], [], 0
        self._work: dict[tuple[str, int], Rows] = {}
        self._zeros = self._add_weights(np.zeros(LANES, np.float32))
        self.input = self.work("input", in_channels)

    def work(self, name: str, channels: int) -> Rows:
        """Return work rows; equal names and widths share memory."""
        width = _padded(channels)
        key = name, width
        if key not in self._work:
            self._work[key] = Rows(self._allocate(_WORK * width), channels, width)
        return self._work[key]._replace(channels=channels)

    def past(self, name: str, channels: int, context: int) -> Rows:
        """Return rows with a past of ``context`` rows."""
        width = _padded(channels)
        start = self._allocate((context + _ROOM) * width)
        self.pasts[name] = Rows(start + context * width, channels, width, context)
        return self.pasts[name]

    def fill(self, y: Rows, bias: Tensor | None = None, added: Rows | None = None) -> None:
        """Set rows to a constant row, plus other rows."""
        weights = self._zeros if bias is None else self._add_weights(_repeated(bias, y.width))
        if bias is None and y.width > LANES:
            weights = self._add_weights(np.zeros(y.width, np.float32))
        kind = row_kernels.FILL if added is None else row_kernels.SUM
        self._add(kind, y, added, weights=weights)

    def convolve(self, y: Rows, x: Rows, kernel: Tensor, dilation: int = 1) -> None:
        """Add a causal convolution of ``x`` to ``y``; ``kernel`` (out, in, taps), the newest tap last."""
        out, inputs, taps = kernel.shape
        columns = nn.functional.pad(kernel.permute(2, 1, 0).reshape(taps * inputs, out), (0, y.width - out))
        group = min(y.width, LANES)
        packed = columns.unflatten(1, (-1, group)).permute(1, 0, 2).reshape(-1)
        oldest = x._replace(place=x.place - (taps - 1) * dilation * x.width)
        step = self._step(row_kernels.CONVOLVE, y, oldest)
        weights = self._add_weights(packed.numpy())
        self._steps.append(step._replace(weights=weights, taps=taps, dilation=dilation, inputs=inputs))

    def project(self, y: Rows, x: Rows, layer: nn.Conv1d, part: slice = slice(None)) -> None:
        """Set rows to a causal convolution with its bias; ``part`` is some of its outputs."""
        self.fill(y, None if layer.bias is None else layer.bias[part])
        self.convolve(y, x, dense_kernel(layer)[part], layer.dilation[0])

    def apply(self, activation: Activation, y: Rows, x: Rows) -> None:
        """Set rows to a function of other rows, or of themselves."""
        values = torch.zeros(1)
        if activation.name == "leaky_relu":
            values = torch.tensor(activation.slopes).expand(y.channels)
        packed = _repeated(values, y.width)
        if activation.name == "leaky_hard_tanh":
            packed = np.repeat(np.array([*activation.bounds, *activation.outer_slopes], np.float32), LANES)
        self._add(FUNCTIONS[activation.name], y, x, weights=self._add_weights(packed))

    def combine(self, kind: int, y: Rows, x: Rows, z: Rows | None = None) -> None:
        """Combine rows of equal width: ``ADD``, ``MULTIPLY``, ``MODULATE`` or ``BLEND``."""
        self._add(kind, y, x, z)

    def finish(self) -> "_Compiled":
        """Return the program for compiled code."""
        pasts = [
            (rows.place - (rows.context or 0) * rows.width, rows.context or 0, rows.width)
            for rows in self.pasts.values()
        ]
        return _Compiled(
            self._size,
            np.concatenate(self._weights),
            np.array(self._steps, np.int64),
            np.array(pasts, np.int64).reshape(-1, 3),
            np.array([self.input.place, self.input.width, self.output.place, self.output.width], np.int64),
            dict(self.pasts),
        )

    def _allocate(self, size: int) -> int:
        start = self._size
        # A step writes whole vectors, up to one beyond its last row.
        self._size += filled(size, LANES) + LANES
        return start

    def _add_weights(self, values: np.ndarray) -> int:
        start = self._weight_size
        padded = np.zeros(filled(len(values), LANES), np.float32)
        padded[: len(values)] = values
        self._weights.append(padded)
        self._weight_size += len(padded)
        return start

    def _add(self, kind: int, y: Rows, x: Rows | None = None, z: Rows | None = None, weights: int = 0) -> None:
        self._steps.append(self._step(kind, y, x, z)._replace(weights=weights))

    @staticmethod
    def _step(kind: int, y: Rows, x: Rows | None = None, z: Rows | None = None) -> Step:
        step = Step(kind, y.place, y.width, y.context is not None)
        if x is not None:
            step = step._replace(x=x.place, x_width=x.width, x_moves=x.context is not None)
        if z is not None:
            step = step._replace(z=z.place, z_moves=z.context is not None)
        return step


class _Compiled(NamedTuple):
    """A program: size of an item's memory, and the arguments of :func:`run_program`."""

    size: int
    weights: np.ndarray
    steps: np.ndarray
    pasts: np.ndarray
    places: np.ndarray
    names: Mapping[str, Rows]


Model = TypeVar("Model", bound=EffectModel)


class ProgramStream(Stream[Model]):
    """Stream of a convolutional network with one output, compiled for float32 on a CPU; the same bits for any blocks.

    The state of ``forward`` is the past (B, C, context) of every convolution; here it is one memory for each item.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._program: Derived[_Compiled] = Derived()

    @abstractmethod
    def build(self) -> RowProgram:
        """Return the steps of the network; its pasts have the names of the state."""

    @abstractmethod
    def rows(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return the input rows (B, n, T)."""

    @torch.no_grad()
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next samples."""
        if self.model.training or audio.numel() == 0 or not self.is_compiled(audio):
            return self.model(audio, knobs, self.compact(state))
        state = self.model.check_inputs(audio, knobs, state)
        if "memory" not in state:
            state = self._remember(state)
        program = self._program.latest
        assert program is not None  # made with the memory
        output = torch.empty(audio.shape[0], audio.shape[-1])
        offset = row_kernels.run_program(
            state["memory"].numpy(),
            program.weights,
            program.steps,
            program.pasts,
            program.places,
            self.rows(audio, knobs).contiguous().numpy(),
            output.numpy(),
            int(state["offset"][0]),
            _ROOM,
            _WORK,
        )
        state["offset"].fill_(offset)
        return output[:, None], state

    def compact(self, state: State) -> State:
        """Return the past of every convolution, (B, C, context)."""
        if "memory" not in state:
            return state
        program = self._program.latest
        assert program is not None
        return {
            name: self._view(state["memory"], rows, int(state["offset"][0])).transpose(1, 2).contiguous()
            for name, rows in program.names.items()
        }

    def _remember(self, state: State) -> State:
        """Return a memory with the pasts of a state."""
        program = self._program.get([*self.model.parameters(), *self.model.buffers()], lambda: self.build().finish())
        batch = len(next(iter(state.values())))
        memory = torch.zeros(batch, program.size)
        for name, rows in program.names.items():
            self._view(memory, rows, 0).copy_(state[name].transpose(1, 2))
        return {"memory": memory, "offset": torch.zeros(batch, dtype=torch.int64)}

    @staticmethod
    def _view(memory: Tensor, rows: Rows, offset: int) -> Tensor:
        """Return the past (B, context, channels) in a memory."""
        context = rows.context or 0
        start = memory.storage_offset() + rows.place + (offset - context) * rows.width
        shape, strides = (len(memory), context, rows.channels), (memory.stride(0), rows.width, 1)
        return memory.as_strided(shape, strides, start)


def dense_kernel(layer: nn.Conv1d) -> Tensor:
    """Return the kernel (out, in, taps) of a convolution, with zeros between its groups."""
    weight = layer.weight.detach()
    if layer.groups == 1:
        return weight
    return torch.cat(
        [
            nn.functional.pad(part, (0, 0, index * part.shape[1], layer.in_channels - (index + 1) * part.shape[1]))
            for index, part in enumerate(weight.chunk(layer.groups))
        ]
    )


def _padded(channels: int) -> int:
    """Return the width of rows: one short vector, or whole vectors."""
    return next((width for width in (4, 8) if channels <= width), filled(channels, LANES))


def _repeated(values: Tensor, width: int) -> np.ndarray:
    """Return values of channels, padded to rows and repeated to fill a vector."""
    padded = nn.functional.pad(values.detach(), (0, width - len(values)))
    return padded.repeat(max(1, LANES // width)).numpy()
