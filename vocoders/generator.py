"""Generators: systems that draw waveforms unconditionally, from a label, or as the continuation of a prompt."""

import math
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.options import SynthesisOptions
from vocoders.core.pretrained import evaluating
from vocoders.stream import DrawnStream
from vocoders.system import Kind, Progress, System, ignore_progress

__all__ = ["Generation", "WaveformGenerator", "check_items"]

# Approximate time in seconds to draw a piece; the first pieces are shorter, in samples.
_PIECE_SECONDS, _FIRST_PIECE = 0.4, 512


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The result of a generator.

    Attributes:
        audio: float32 (B, 1, T), the prompt included.
        length: number of samples drawn for each item, without the prompt.
        log_likelihoods: float64 (B,), in nats, of each item without the prompt; ``None`` for a model without
            likelihood.
        labels: label of each item; empty for a model without labels.
    """

    audio: Tensor
    length: int
    log_likelihoods: Tensor | None = None
    labels: tuple[str, ...] = ()

    @property
    def bits_per_sample(self) -> Tensor | None:
        """Mean negative log-likelihood per sample, in bits, float64 (B,)."""
        return None if self.log_likelihoods is None else -self.log_likelihoods / (self.length * math.log(2))


class WaveformGenerator(System):
    """Draws waveforms: unconditionally, from a label, or as the continuation of a prompt.

    Each item of a seed has its own random numbers, so an item does not depend on the size of the batch. A subclass
    defines the properties and :meth:`_generate`; this class checks the arguments.
    """

    @property
    def kind(self) -> Kind:
        """``generator``."""
        return "generator"

    @property
    def takes_prompt(self) -> bool:
        """Whether the generator can continue a prompt."""
        return False

    @property
    def has_likelihood(self) -> bool:
        """Whether the generator returns the likelihood of each item."""
        return False

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the sounds that the generator can draw; empty: it has no labels."""
        return ()

    def generate(
        self,
        length: int,
        items: int | Sequence[int] = 1,
        *,
        prompt: Tensor | None = None,
        label: str | None = None,
        seed: int = 0,
        options: SynthesisOptions | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> Generation:
        """Draw waveforms.

        Args:
            length: number of samples to draw for each item, without the prompt.
            items: number of items, or the numbers of the items of the seed.
            prompt: audio (T,) at ``sample_rate`` that every item continues.
            label: one of :attr:`labels` for all items; ``None``: a label is drawn for each item.
            seed: equal seeds give equal items.
            options: as returned by :meth:`options`; ``None``: the defaults of the system.
            progress: called with the finished fraction.
            **changes: options by name, such as ``temperature=0.9``; see ``options_class``.

        Raises:
            ShapeError: for a length below 1, no items, or a prompt of another shape.
            ConfigError: for a prompt or a label that the system does not take, or impossible options.
        """
        numbers = check_items(length, items)
        chosen = self._checked(prompt, label, seed, numbers, options, changes)
        with evaluating(self), torch.no_grad():
            return self._generate(length, numbers, prompt, label, seed, chosen, progress or ignore_progress)

    @abstractmethod
    def _generate(
        self,
        length: int,
        items: Sequence[int],
        prompt: Tensor | None,
        label: str | None,
        seed: int,
        options: Any,
        progress: Progress,
    ) -> Generation:
        """Draw the items with these numbers; all arguments are checked."""

    def stream(
        self,
        options: SynthesisOptions | None = None,
        *,
        batch: int = 1,
        prompt: Tensor | None = None,
        label: str | None = None,
        seed: int = 0,
        **changes: Any,
    ) -> DrawnStream:
        """Open a stream without an end: samples are drawn when they are asked for.

        Args:
            options: as returned by :meth:`options`; ``None``: the defaults of the system.
            batch: number of streams, which are drawn together: items 0 to ``batch - 1`` of the seed.
            prompt: audio (T,) at ``sample_rate`` that every stream continues.
            label: one of :attr:`labels` for all streams; ``None``: a label is drawn for each.
            seed: equal seeds give equal streams.
            **changes: options by name.

        Raises:
            ConfigError: for a system without streams, and as :meth:`generate`.
        """
        numbers, chosen = check_items(1, batch), self._checked(prompt, label, seed, batch, options, changes)
        with evaluating(self), torch.no_grad():
            opened = self._stream_items(numbers, prompt, label, seed, chosen)
        if opened is None:
            raise ConfigError(f"{type(self).__name__} has no stream; generate a whole waveform")
        return opened

    def _stream_items(
        self, items: Sequence[int], prompt: Tensor | None, label: str | None, seed: int, options: Any
    ) -> DrawnStream | None:
        """Open a stream of items; all arguments are checked. ``None``: there is none."""
        return None

    def draw_pieces(
        self,
        length: int,
        *,
        item: int = 0,
        prompt: Tensor | None = None,
        label: str | None = None,
        seed: int = 0,
        options: SynthesisOptions | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> Iterator[Tensor]:
        """Draw an item of a seed piece by piece.

        The first pieces are short, so that playback starts early; later ones are longer.

        Args: as for :meth:`generate`; ``item`` is the number of the item.

        Yields:
            Audio (N,) float32 as soon as it is drawn: first the prompt as the system encodes it (empty without one),
            then ``length`` new samples in all. A system without streams draws them in one piece.
        """
        numbers = check_items(length, [item])
        chosen = self._checked(prompt, label, seed, numbers, options, changes)
        with evaluating(self), torch.no_grad():
            stream = self._stream_items(numbers, prompt, label, seed, chosen)
        if stream is None:
            how = {"prompt": prompt, "label": label, "seed": seed, "options": chosen, "progress": progress}
            drawn = self.generate(length, numbers, **how).audio[0, 0]
            yield drawn[: len(drawn) - length].cpu()
            yield drawn[len(drawn) - length :].cpu()
            return
        yield stream.prompt
        started, drawn, size = time.perf_counter(), 0, _FIRST_PIECE
        while drawn < length:
            piece = stream.pull(min(size, length - drawn))[0, 0]
            drawn += len(piece)
            if progress is not None:
                progress(drawn / length)
            yield piece
            rate = drawn / (time.perf_counter() - started)
            size = max(64, min(4 * size, round(_PIECE_SECONDS * rate)))

    def _checked(
        self,
        prompt: Tensor | None,
        label: str | None,
        seed: int,
        items: int | Sequence[int],
        options: SynthesisOptions | None,
        changes: dict[str, Any],
    ) -> Any:
        """Return all options; raise a :class:`ConfigError` for what is impossible, before a long run."""
        chosen = self._chosen(options, changes)
        if prompt is not None:
            if not self.takes_prompt:
                raise ConfigError(f"{type(self).__name__} takes no prompt; leave it out")
            self.check_prompt(prompt)
        self.item_labels(range(items) if isinstance(items, int) else items, label, seed)
        return chosen

    def check_prompt(self, prompt: Tensor) -> None:
        """Find out whether the generator can continue a prompt (T,).

        Raises:
            ShapeError: for another shape.
            DataError: for audio that it cannot continue.
        """

    def item_labels(self, items: Sequence[int], label: str | None = None, seed: int = 0) -> tuple[str, ...]:
        """Return the label of each item, as drawn by :meth:`generate`; empty for a system without labels.

        Raises:
            ConfigError: for a label that the system does not know.
        """
        if label is not None:
            raise ConfigError(f"label '{label}'; this system has no labels, leave it out")
        return ()

    def memory(
        self, num_items: int, length: int, prompt_length: int = 0, options: SynthesisOptions | None = None
    ) -> int:
        """Return the approximate memory in bytes, beyond the system itself, to draw ``num_items`` together."""
        return 0


def check_items(length: int, items: int | Sequence[int]) -> Sequence[int]:
    """Return the numbers of the items to draw.

    Raises:
        ShapeError: for less than one sample or one item.
    """
    numbers = range(items) if isinstance(items, int) else items
    if length < 1 or not numbers:
        raise ShapeError(f"{length} samples of {len(numbers)} items; expected at least 1 of each")
    return numbers
