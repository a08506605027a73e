"""The stream of a TCN, in plain PyTorch or compiled code, whose cost does not depend on the length of its histories."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from effects.models.model import State
from effects.models.rows import padded_channels
from effects.models.tcn import TCN, TCNBlock
from effects.runtimes.derived import Derived
from effects.runtimes.stream import Stream
from vocoders.core.errors import ShapeError

if TYPE_CHECKING:
    from effects.runtimes.tcn_kernels import PackedTCN

__all__ = ["TCNStream"]

# Free samples after the histories, where streams append, before the histories are moved back to the front.
_ROOM = 16384
# Output samples to compute at once: more would exceed the processor's cache.
_ROWS = 512


class TCNStream(Stream[TCN]):
    """Stream of a TCN, reading only the taps; compiled for float32 on a CPU, with the same bits for any block size."""

    def __init__(self, model: TCN) -> None:
        super().__init__(model)
        self._contexts = [block.context for block in model.blocks]
        self._histories = [f"history.{index}" for index in range(len(model.blocks))]
        self._films = [f"film.{index}" for index in range(len(model.blocks))]
        self._packed: Derived[PackedTCN] = Derived()

    @torch.no_grad()
    def advance(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Process the next samples."""
        model, length = self.model, audio.shape[-1]
        if model.training or audio.numel() == 0:
            return model(audio, knobs, state)
        state, start = self._with_room(model.check_inputs(audio, knobs, state), length)
        dry, state = model.delayed(audio, state)
        state = self._with_modulation(state, knobs.to(audio.dtype))
        run = self._run_compiled if self.is_compiled(audio) else self._run_blocks
        features = run(model.detector(audio).transpose(1, 2), state, start)
        return model.head(features, dry), state

    def compact(self, state: State) -> State:
        """Return the valid part of the histories, without modulation."""
        start = int(state["offset"][0]) if len(state["offset"]) else 0
        kept = {name: state[name] for name in ("dry",) if name in state}
        for name, context in zip(self._histories, self._contexts, strict=True):
            kept[name] = state[name][:, start : start + context].contiguous()
        return kept | {"offset": torch.zeros_like(state["offset"])}

    def _run_blocks(self, x: Tensor, state: State, start: int) -> Tensor:
        """Run all blocks on x (B, T, C), the rows after the histories, which begin at ``start``; update the state.

        Returns:
            Features (B, n, T).
        """
        model, length = self.model, x.shape[1]
        channels, place = model.config.channels, start + self._contexts[0]
        state["history.0"][:, place : place + length] = x
        state["offset"] += length
        for index, block in enumerate(model.blocks):
            modulation = state[self._films[index]][..., :channels]
            x = _run_block(block, state[self._histories[index]], start, length, modulation)
            if index + 1 < len(model.blocks):
                to = start + self._contexts[index + 1]
                state[self._histories[index + 1]][:, to : to + length, :channels] = x
        return model.projection(x.transpose(1, 2))

    def _run_compiled(self, x: Tensor, state: State, start: int) -> Tensor:
        """Do the work of ``_run_blocks`` in compiled code."""
        histories, films = ([state[name].numpy() for name in names] for names in (self._histories, self._films))
        offset = state["offset"].numpy()
        offset += x.shape[1]
        packed = self._packed.latest
        assert packed is not None  # made beside the modulation
        return torch.from_numpy(packed.run(x.numpy(), histories, films, start))

    def _pack(self) -> "PackedTCN":
        """Pack the weights for compiled code."""
        from effects.runtimes.tcn_kernels import PackedTCN

        return PackedTCN(self.model)

    def _with_modulation(self, state: State, knobs: Tensor) -> State:
        """Return a state with the modulation of every block, recomputed only if the knobs have changed."""
        model = self.model
        ready = self._packed.latest is not None or not self.is_compiled(knobs)
        if ready and "film.knobs" in state and torch.equal(state["film.knobs"], knobs):
            return state
        self._check_histories(state, knobs)
        if self.is_compiled(knobs):
            self._packed.get(model.parameters(), self._pack)
        condition = model.condition(knobs)
        missing = padded_channels(model.config.channels) - model.config.channels
        films = {}
        for name, block in zip(self._films, model.blocks, strict=True):
            rows = torch.stack(block.film.folded(condition), dim=1).transpose(2, 3)
            films[name] = F.pad(rows, (0, missing)).contiguous()
        return state | films | {"film.knobs": knobs.clone()}

    def _check_histories(self, state: State, like: Tensor) -> None:
        """Refuse histories of another network, since compiled code does not check its indices."""
        start = int(state["offset"].max())
        for name, width, context in zip(self._histories, self.model.row_widths, self._contexts, strict=True):
            rows = state[name]
            fits = rows.ndim == 3 and rows.shape[2] == width and context + start <= rows.shape[1] and start >= 0
            if not fits or rows.dtype != like.dtype or not rows.is_contiguous():
                raise ShapeError(f"{name} {tuple(rows.shape)} {rows.dtype} of another network; start a new stream")

    def _with_room(self, state: State, length: int) -> tuple[State, int]:
        """Return a state with room for ``length`` samples after the valid part of histories, and that part's start."""
        start = int(state["offset"][0])
        if start + self._contexts[0] + length <= state["history.0"].shape[1]:
            return state, start
        for name, context in zip(self._histories, self._contexts, strict=True):
            old = state[name]
            valid = old[:, start : start + context]
            if start < context:
                valid = valid.clone()  # it is overwritten while it is read
            if context + length > old.shape[1]:
                state[name] = old = old.new_zeros(old.shape[0], context + max(_ROOM, length), old.shape[2])
            old[:, :context] = valid
        return state | {"offset": torch.zeros_like(state["offset"])}, 0


def _run_block(block: TCNBlock, history: Tensor, start: int, length: int, modulation: Tensor) -> Tensor:
    """Apply ``block`` to ``history[:, start : start + context + length]``, reading only the taps.

    Args:
        block: the block.
        history: rows (B, N, in or more), contiguous.
        start: first row.
        length: number of output samples T.
        modulation: gain and shift from :meth:`FiLM.folded`, (B, 2, T or 1, channels).

    Returns:
        (B, T, channels).
    """
    in_channels = block.conv.in_channels
    convolved = [
        _convolve(block, history, start + first, min(_ROWS, length - first)) for first in range(0, length, _ROWS)
    ]
    y = convolved[0] if len(convolved) == 1 else torch.cat(convolved, dim=1)
    y = torch.addcmul(modulation[:, 1], y, modulation[:, 0])
    y = torch.where(y >= 0, y, block.activation.weight * y)
    first = start + block.residual_start
    dry = history[:, first : first + length, :in_channels, None]
    return y.add_((dry * block.residual.weight.view(in_channels, -1)).flatten(2))


def _convolve(block: TCNBlock, history: Tensor, start: int, length: int) -> Tensor:
    """Convolve by one matrix product; a library's convolution would copy the samples between the taps."""
    batch, size, width = history.shape
    in_channels, (taps,), (dilation,) = block.conv.in_channels, block.conv.kernel_size, block.conv.dilation
    strides = (size * width, width, dilation * width, 1)
    place = history.storage_offset() + start * width
    rows = history.as_strided((batch, length, taps, in_channels), strides, place).flatten(2)
    return rows @ block.conv.weight.permute(2, 1, 0).flatten(0, 1)
