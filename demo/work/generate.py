"""Generation of audio, unconditionally or after a prompt, in pieces while it is drawn."""

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
    """A request for audio.

    Attributes:
        model: a name in the library.
        seconds: length to draw, without the prompt.
        options: changes of the generator's default options, for :func:`~demo.work.options.chosen_options`.
        seed: equal seeds give equal audio.
        prompt_path: clip to continue, or ``None``.
        prompt_seconds: length of the prompt, from the end of the clip.
        label: label to draw, for a model with labels; ``None``: the seed determines it.
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
        total: samples of the complete generation.
        elapsed: computing time so far in seconds.
        is_prompt: whether this is the prompt, in the form that the model reads.
        remarks: changes of the input, for the user.
    """

    samples: np.ndarray
    sample_rate: int
    drawn: int
    total: int
    elapsed: float
    is_prompt: bool = False
    remarks: tuple[str, ...] = ()


def draw(library: Library, request: Draw, is_cancelled: Callable[[], bool]) -> Iterator[Piece]:
    """Draw audio until the end, until ``is_cancelled``, or until the time limit.

    Raises:
        OndesError: for unusable models, prompts or settings.
    """
    if library.entry(request.model).kind != "generator":
        raise ConfigError(f"'{request.model}' makes audio from features, not from nothing; use the tab Vocoder")
    generator: WaveformGenerator = library.load(request.model)
    options = chosen_options(generator, request.options)
    remarks = tuple(f"label: {label}" for label in generator.item_labels([0], request.label, request.seed))
    prompt = None
    if request.prompt_path:
        if not generator.takes_prompt:
            raise ConfigError(f"'{request.model}' takes no prompt; remove it")
        prompt, said = _read_prompt(request, generator.sample_rate)
        remarks = said + remarks
    length = max(1, round(request.seconds * generator.sample_rate))
    needed = generator.memory(1, length, 0 if prompt is None else len(prompt), options)
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(f"this needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; ask for less")
    how = {"prompt": prompt, "label": request.label, "seed": request.seed, "options": options}
    return _pieces(_Stream(generator, length, how, is_cancelled), generator.sample_rate, length, remarks)


def _read_prompt(request: Draw, sample_rate: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return the part of the clip (T,) that is continued, and remarks on its changes."""
    clip, kept = read_clip(request.prompt_path, sample_rate), round(request.prompt_seconds * sample_rate)
    is_cut = clip.audio.shape[-1] > kept
    cut = (f"the last {request.prompt_seconds:g} s of the clip are continued",) if is_cut else ()
    return clip.audio[0, -kept:], clip.remarks + cut


def _pieces(stream: "_Stream", sample_rate: int, length: int, remarks: tuple[str, ...]) -> Iterator[Piece]:
    """Return one message of a stream: only progress if a generator draws everything at once, else audio."""
    started, drawn, reached, is_prompt = time.perf_counter(), 0, 0, True
    nothing = np.zeros(0, np.float32)
    for number, new in enumerate(stream):
        if not isinstance(new, np.ndarray):
            reached = round(new * length)
            yield Piece(nothing, sample_rate, reached, length, time.perf_counter() - started)
            continue
        if number == 0:
            # The generator is prepared and now begins to draw.
            started = time.perf_counter()
        drawn += 0 if is_prompt else len(new)
        reached, elapsed = max(reached, drawn), time.perf_counter() - started
        yield Piece(new, sample_rate, reached, length, elapsed, is_prompt, remarks if is_prompt else ())
        is_prompt = False


class _Stream:
    """Output of a generator in a separate thread: finished fractions below 1 until there is audio, then audio (N,).

    It ends early when it is cancelled, at the time limit, and when nobody reads it any more.
    """

    def __init__(
        self, generator: WaveformGenerator, length: int, how: Mapping[str, Any], is_cancelled: Callable[[], bool]
    ) -> None:
        self._generator, self._length, self._how, self._is_cancelled = generator, length, how, is_cancelled
        self._news: queue.Queue[float | np.ndarray | BaseException | None] = queue.Queue()
        self._begun, self._has_audio, self._nobody_asks = time.perf_counter(), False, threading.Event()

    def __iter__(self) -> Iterator[float | np.ndarray]:
        """Iterate over the output; errors of the generator are raised here."""
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
            for piece in self._generator.draw_pieces(self._length, progress=self._report, **self._how):
                self._has_audio = True
                self._news.put(piece.float().cpu().numpy())
                if self._is_over():
                    break
        except _OverError:
            pass
        except BaseException as error:  # passed to the waiting thread
            self._news.put(error)
        self._news.put(None)

    def _report(self, fraction: float) -> None:
        # With pieces, they show the progress, and the end is between two of them.
        if self._has_audio:
            return
        if self._is_over():
            raise _OverError
        self._news.put(min(float(fraction), 0.999))

    def _is_over(self) -> bool:
        late = time.perf_counter() - self._begun > MAX_WORK_SECONDS
        return late or self._nobody_asks.is_set() or self._is_cancelled()


class _OverError(Exception):
    """The rest is not needed."""
