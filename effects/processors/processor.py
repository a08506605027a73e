"""The interface of every processor: a pure function of audio, knobs and an explicit state."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from effects.knobs import KnobSet
from vocoders.core.checks import check_audio
from vocoders.core.errors import ConfigError, MissingExtraError, ShapeError

__all__ = ["Arrays", "Processor", "State"]

State = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


class Processor(ABC):
    """An effect with knobs, computed in float64, from which models learn.

    :meth:`process` is a pure function, which takes and returns the state. Any division of the audio into blocks gives
    the same samples, bit for bit, as the whole. Items of a batch may have different settings, and an item does not
    depend on its batch. The function is not differentiable.

    Attributes:
        name: name in the registry.
        knobs: the knobs with their ranges.
        neutral: settings for which the output equals the input (within 1e-8, for audio in [-1, 1]); ``None`` if no
            setting is neutral.
        latency: delay of the output in samples.
        is_inverse: whether training exchanges input and target: models learn to undo the effect.
        package: optional package that computes the effect; the extra of this name installs it.
        has_live_state: whether a state contains objects that advance with the stream: it can be continued once, and
            neither copied nor saved.
    """

    name: str
    knobs: KnobSet
    neutral: Mapping[str, float] | None = None
    latency: ClassVar[int] = 0
    is_inverse: ClassVar[bool] = False
    package: ClassVar[str | None] = None
    has_live_state: ClassVar[bool] = False

    @property
    def is_available(self) -> bool:
        """Whether the package of the effect is installed; nothing is imported."""
        return self.package is None or find_spec(self.package) is not None

    def check_available(self) -> None:
        """Raise :class:`MissingExtraError` if the package of the effect is not installed."""
        if self.package is not None and not self.is_available:
            raise MissingExtraError(self.package, self.package, f"effect '{self.name}'")

    def process(
        self,
        audio: Tensor,
        knobs: Mapping[str, Any] | None,
        sample_rate: int,
        state: State | None = None,
    ) -> tuple[Tensor, State]:
        """Apply the effect to the next samples of a stream.

        Args:
            audio: (B, C, T) in [-1, 1], a tensor or an array of floats; the channels do not influence each other.
            knobs: values by name: a number or a text for all items, or a tensor (B,) with one number for each; other
                knobs have their defaults.
            sample_rate: in Hz.
            state: state returned for the previous samples; ``None`` at the start of a stream.

        Returns:
            Audio (B, C, T) in the type and on the device of ``audio``, and the state for the following samples.

        Raises:
            ConfigError: for an unknown knob or an impossible value or sample rate.
            DataError: for NaN or infinite samples.
            MissingExtraError: if the package of the effect is not installed.
            ShapeError: if the audio is not (B, C, T) of floats, or the state belongs to other audio.
        """
        return self.advance(check_audio(audio, "BCT", least=0, dtype=None), knobs, sample_rate, state)

    def advance(
        self, audio: Tensor, knobs: Mapping[str, Any] | None, sample_rate: int, state: State | None
    ) -> tuple[Tensor, State]:
        """Do the work of :meth:`process` for checked audio."""
        batch, channels, length = audio.shape
        values = self._values(knobs or {}, batch)
        state = self._check_state(state, batch, channels, sample_rate)
        if length == 0:
            return audio.clone(), self._keep(state)
        samples = audio.detach().to("cpu", torch.float64).contiguous().numpy()
        output, state = self._advance(samples, values, sample_rate, state)
        return torch.from_numpy(output).to(audio), state

    def initial_state(self, batch: int, channels: int, sample_rate: int, seeds: Tensor | None = None) -> State:
        """Return the state at the start of a stream, after silence.

        Args:
            batch: B, number of items.
            channels: number of channels of each item.
            sample_rate: in Hz.
            seeds: integer seeds (B,) of the noise of each item; by default all are 0.

        Raises:
            ConfigError: for an impossible sample rate.
            ShapeError: if the numbers of seeds and items differ.
        """
        if sample_rate <= 0:
            raise ConfigError(f"sample rate {sample_rate} Hz; expected a positive number")
        if seeds is not None and seeds.shape != (batch,):
            raise ShapeError(f"seeds {tuple(seeds.shape)} for {batch} items; expected ({batch},)")
        state = {name: torch.from_numpy(array) for name, array in self._start(batch, channels, sample_rate).items()}
        return state if seeds is None or "seed" not in state else state | {"seed": seeds.long()}

    def _start(self, batch: int, channels: int, sample_rate: int) -> Arrays:
        """Return the arrays of the initial state; the first axis of each is the batch.

        A processor with random numbers draws them from ``seed``, int64 (B,).
        """
        return {}

    def _keep(self, state: State) -> State:
        """Return an equivalent state that shares no memory with ``state``."""
        return {name: tensor.clone() for name, tensor in state.items()}

    def _advance(self, x: np.ndarray, values: Arrays, sample_rate: int, state: State) -> tuple[np.ndarray, State]:
        """Process ``x`` with :meth:`_run`, from one state to the next."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
        y, arrays = self._run(x, values, sample_rate, arrays)
        return y, {name: torch.from_numpy(array) for name, array in arrays.items()}

    @abstractmethod
    def _run(self, x: np.ndarray, values: Arrays, sample_rate: int, state: Arrays) -> tuple[np.ndarray, Arrays]:
        """Process ``x`` (B, C, T), T > 0, with values (B,) of each knob; ``x`` and ``state`` must not be changed."""

    def _values(self, knobs: Mapping[str, Any], batch: int) -> Arrays:
        shared = {name: value for name, value in knobs.items() if not isinstance(value, Tensor)}
        values = {name: np.full(batch, value) for name, value in self.knobs.resolve(shared).items()}
        for name, value in knobs.items():
            if isinstance(value, Tensor):
                knob = self.knobs[name]
                if value.shape != (batch,):
                    found = f"knob '{name}': values {tuple(value.shape)} for {batch} items"
                    raise ShapeError(f"{found}; expected ({batch},)")
                values[name] = np.array([knob.check(number) for number in value.tolist()])
        return values

    def _check_state(self, state: State | None, batch: int, channels: int, sample_rate: int) -> State:
        rest = self.initial_state(batch, channels, sample_rate)
        state = rest if state is None else state
        found = {name: tuple(tensor.shape) for name, tensor in state.items()}
        expected = {name: tuple(tensor.shape) for name, tensor in rest.items()}
        if found != expected:
            raise ShapeError(f"state {found} of '{self.name}' belongs to other audio; expected {expected}")
        return state
