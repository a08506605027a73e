"""Audio from nothing or from a prompt, piece by piece while it is drawn."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from demo.library import Library
from demo.limits import read_clip
from demo.work.deadline import MAX_WORK_SECONDS
from demo.work.options import chosen_options
from vocoders.core.errors import ConfigError, DataError
from vocoders.core.memory import available_memory
from vocoders.interface import WaveformGenerator

__all__ = ["Draw", "Piece", "draw"]


@dataclass(frozen=True)
class Draw:
    """What is wanted.

    Attributes:
        model: a name in the library.
        seconds: length to draw, without the prompt.
        options: what is changed of the generator's own options, as :func:`~demo.work.options.chosen_options` takes it.
        seed: equal seeds give equal audio.
        prompt_path: clip to continue, or ``None``.
        prompt_seconds: how much of the end of the clip is used.
        label: what is to be heard, of a model with labels; ``None``: the seed chooses.
    """

    model: str
    seconds: float
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    prompt_path: str | None = None
    prompt_seconds: float = 2.0
    label: str | None = None


@dataclass(frozen=True)
class Piece:
    """New audio of a generation.

    Attributes:
        samples: (N,) float32, may be empty.
        sample_rate: in Hz.
        drawn: samples so far, without the prompt.
        wanted: samples when all is done.
        elapsed: seconds of computing so far.
        is_prompt: whether this is the prompt, as the model hears it.
        remarks: what was changed on the way.
    """

    samples: np.ndarray
    sample_rate: int
    drawn: int
    wanted: int
    elapsed: float
    is_prompt: bool = False
    remarks: tuple[str, ...] = ()


def draw(library: Library, wanted: Draw, is_cancelled: Callable[[], bool]) -> Iterator[Piece]:
    """Draw audio; it ends early when ``is_cancelled`` says so or the time is over.

    Raises:
        OndesError: for models, prompts or settings that cannot be used.
    """
    if library.entry(wanted.model).kind != "generator":
        raise ConfigError(f"'{wanted.model}' makes audio from features, not from nothing; use the tab Vocoder")
    generator: WaveformGenerator = library.load(wanted.model)
    options = chosen_options(generator, wanted.options)
    remarks = tuple(f"label: {label}" for label in generator.item_labels([0], wanted.label, wanted.seed))
    prompt = None
    if wanted.prompt_path:
        if not generator.takes_prompt:
            raise ConfigError(f"'{wanted.model}' takes no prompt; remove it")
        prompt, said = _read_prompt(wanted, generator.sample_rate)
        remarks = said + remarks
    length = max(1, round(wanted.seconds * generator.sample_rate))
    needed = generator.memory(1, length, 0 if prompt is None else len(prompt), options)
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(f"this needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; ask for less")
    how = {"prompt": prompt, "label": wanted.label, "seed": wanted.seed, "options": options}
    return _pieces(_Stream(generator, length, how, is_cancelled), generator.sample_rate, length, remarks)


def _read_prompt(wanted: Draw, sample_rate: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return the part of the clip (T,) that is continued, and what was changed on the way."""
    clip, kept = read_clip(wanted.prompt_path, sample_rate), round(wanted.prompt_seconds * sample_rate)
    is_cut = clip.audio.shape[-1] > kept
    cut = (f"the last {wanted.prompt_seconds:g} s of the clip are continued",) if is_cut else ()
    return clip.audio[0, -kept:], clip.remarks + cut


def _pieces(stream: "_Stream", sample_rate: int, length: int, remarks: tuple[str, ...]) -> Iterator[Piece]:
    """Return what a stream tells: progress alone while a generator draws everything at once, else audio."""
    started, drawn, reached, is_prompt = time.perf_counter(), 0, 0, True
    nothing = np.zeros(0, np.float32)
    for number, new in enumerate(stream):
        if not isinstance(new, np.ndarray):
            reached = round(new * length)
            yield Piece(nothing, sample_rate, reached, length, time.perf_counter() - started)
            continue
        if number == 0:
            # The generator has been prepared, and begins to draw now.
            started = time.perf_counter()
        drawn += 0 if is_prompt else len(new)
        reached, elapsed = max(reached, drawn), time.perf_counter() - started
        yield Piece(new, sample_rate, reached, length, elapsed, is_prompt, remarks if is_prompt else ())
        is_prompt = False


class _Stream:
    """What a generator draws in a thread of its own: finished fractions below 1 until there is audio, then audio (N,).

    It ends early when somebody wishes it, when its time is over, and when nobody asks any more.
    """

    def __init__(
        self, generator: WaveformGenerator, length: int, how: Mapping[str, Any], is_cancelled: Callable[[], bool]
    ) -> None:
        self._generator, self._length, self._how, self._is_cancelled = generator, length, how, is_cancelled
        self._news: queue.Queue[float | np.ndarray | BaseException | None] = queue.Queue()
        self._begun, self._has_audio, self._nobody_asks = time.perf_counter(), False, threading.Event()

    def __iter__(self) -> Iterator[float | np.ndarray]:
        """Iterate over what is drawn; errors of the generator are raised here."""
        threading.Thread(target=self._work, daemon=True).start()
        try:
            while (new := self._news.get()) is not None:
                if isinstance(new, BaseException):
                    raise new
                yield new
        finally:
            self._nobody_asks.set()

    def _work(self) -> None:
        try:
            for piece in self._generator.stream(self._length, progress=self._report, **self._how):
                self._has_audio = True
                self._news.put(piece.float().cpu().numpy())
                if self._is_over():
                    break
        except _OverError:
            pass
        except BaseException as error:  # handed over to the thread that waits
            self._news.put(error)
        self._news.put(None)

    def _report(self, fraction: float) -> None:
        # Where pieces come, they tell how far it is, and it ends between them.
        if self._has_audio:
            return
        if self._is_over():
            raise _OverError
        self._news.put(min(float(fraction), 0.999))

    def _is_over(self) -> bool:
        late = time.perf_counter() - self._begun > MAX_WORK_SECONDS
        return late or self._nobody_asks.is_set() or self._is_cancelled()


class _OverError(Exception):
    """Nobody wants the rest."""
