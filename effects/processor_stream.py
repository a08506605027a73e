"""A processor as a stream, with the interface of an engine."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from effects.automation import CONTROL_PERIOD, Automation, KnobPath
from effects.processors.processor import Processor, State
from vocoders.core.checks import check_audio

__all__ = ["ProcessorStream"]


class ProcessorStream:
    """One stream through one processor, at the rate of the stream.

    While knobs move, each control period of the stream is processed with their values at its end; the output is the
    same, bit for bit, for any division into blocks.

    Args:
        processor: the processor.
        sample_rate: sample rate of the stream in Hz.
        settings: settings of the knobs, in the form of :meth:`KnobSet.resolve`.
        automation: settings of the knobs over time.

    Raises:
        ConfigError: for an unknown knob, or a value that is not finite.
        MissingExtraError: if the package of the processor is not installed.
    """

    def __init__(
        self,
        processor: Processor,
        sample_rate: int,
        settings: Mapping[str, Any] | None = None,
        automation: Automation | None = None,
    ) -> None:
        processor.check_available()
        self.processor, self.sample_rate = processor, sample_rate
        self._settings = processor.knobs.resolve(settings)
        self._path = KnobPath(processor.knobs, self._settings, sample_rate, automation)
        self._moves = automation is not None
        self._position = 0
        self._held: list[float] = []
        self._state: State | None = None

    @property
    def latency_samples(self) -> int:
        """Delay of the output in samples."""
        return self.processor.latency

    def process(self, audio: Tensor) -> Tensor:
        """Process the next samples of the stream.

        Args:
            audio: (C, T) or (B, C, T) in [-1, 1], a tensor or an array.

        Returns:
            Audio with the same number of samples.

        Raises:
            DataError: for NaN or infinite samples.
            ShapeError: for another shape or type, or another number of items or channels than before.
        """
        audio = check_audio(audio, "CT", "BCT", least=0, dtype=None)
        x = audio if audio.ndim == 3 else audio[None]
        outputs = [self._run(part) for part in self._parts(x)]
        return torch.cat(outputs, dim=-1).reshape(audio.shape) if outputs else audio.clone()

    def _parts(self, x: Tensor) -> list[Tensor]:
        """Cut a block at the control points, if any knob moves."""
        if not self._moves:
            return [x] if x.shape[-1] else []
        first = -self._position % CONTROL_PERIOD
        head, rest = x[..., :first], x[..., first:]
        return [part for part in (head, *rest.split(CONTROL_PERIOD, dim=-1)) if part.shape[-1]]

    def _run(self, x: Tensor) -> Tensor:
        settings: Mapping[str, Any] = self._settings
        if self._moves:
            at_end = self._values_of_period()
            settings = {name: at_end[i] for i, name in enumerate(self.processor.knobs.names)}
        self._position += x.shape[-1]
        output, self._state = self.processor.advance(x, settings, self.sample_rate, self._state)
        return output

    def _values_of_period(self) -> list[float]:
        """Return the values at the end of the current control period."""
        if self._position % CONTROL_PERIOD == 0:
            normalized = torch.from_numpy(self._path.advance(CONTROL_PERIOD)[:, -1].copy())
            self._held = self.processor.knobs.denormalize(normalized).tolist()
        return self._held
