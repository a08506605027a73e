"""Audio from nothing or from a prompt, piece by piece while it is drawn."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from demo.library import Library
from demo.limits import read_clip
from demo.work.deadline import MAX_WORK_SECONDS
from vocoders.core.errors import ConfigError, DataError
from vocoders.sashimi.sampler import (
    SamplingConfig,
    available_memory,
    encode_prompt,
    item_labels,
    item_stepper,
    item_uniforms,
    label_names,
    memory_of_generation,
)

__all__ = ["Draw", "Piece", "draw"]

# Pieces last about as long as this to compute; the first ones are short so that sound begins early.
_PIECE_SECONDS = 0.4
_FIRST_SAMPLES = 512


@dataclass(frozen=True)
class Draw:
    """What is wanted.

    Attributes:
        model: a name in the library.
        seconds: length to draw, without the prompt.
        temperature: divides the logits.
        top_p: see :class:`~vocoders.sashimi.sampler.SamplingConfig`.
        seed: equal seeds give equal audio.
        prompt_path: clip to continue, or ``None``.
        prompt_seconds: how much of the end of the clip is used.
        label: what is to be heard, of a model with labels; ``None``: the seed chooses.
        guidance: of a model with labels; see :class:`~vocoders.sashimi.sampler.SamplingConfig`.
    """

    model: str
    seconds: float
    temperature: float
    top_p: float
    seed: int
    prompt_path: str | None = None
    prompt_seconds: float = 2.0
    label: str | None = None
    guidance: float = 1.0


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
    model = library.load(wanted.model)
    length = max(1, round(wanted.seconds * model.sample_rate))
    if hasattr(model, "quantiser"):
        return _draw_codes(model, wanted, length, is_cancelled)
    for name, value in (("prompt", wanted.prompt_path), ("label", wanted.label)):
        if value:
            raise ConfigError(f"'{wanted.model}' is a diffusion model: it takes no {name}; remove it")
    return _diffuse(model, wanted, length, is_cancelled)


def _draw_codes(model: Any, wanted: Draw, length: int, is_cancelled: Callable[[], bool]) -> Iterator[Piece]:
    options = {"temperature": wanted.temperature, "top_p": wanted.top_p, "guidance": wanted.guidance}
    sampling = SamplingConfig.from_dict(options, "sampling")
    rate, codes = model.sample_rate, None
    labels = item_labels(model, wanted.seed, [0], wanted.label)
    remarks = tuple(f"label: {name}" for name in label_names(model, labels))
    if wanted.prompt_path:
        clip = read_clip(wanted.prompt_path, rate)
        kept = round(wanted.prompt_seconds * rate)
        if clip.audio.shape[-1] > kept:
            remarks += (f"the last {wanted.prompt_seconds:g} s of the clip are continued",)
        codes = encode_prompt(model, clip.audio[0, -kept:])
        remarks = clip.remarks + remarks
    prompt_length = 0 if codes is None else len(codes)
    needed = memory_of_generation(model, 1, length, prompt_length, sampling.is_guided)
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(f"this needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; ask for less")
    started = time.perf_counter()
    stepper = item_stepper(model, [0], codes, sampling, wanted.seed, label=wanted.label)
    heard = np.zeros(0, np.float32) if codes is None else model.quantiser.decode(codes).numpy()
    yield Piece(heard, rate, 0, length, time.perf_counter() - started, True, remarks)
    uniforms = item_uniforms(wanted.seed, 0, length)
    started, drawn, size = time.perf_counter(), 0, min(_FIRST_SAMPLES, length)
    while drawn < length and not is_cancelled():
        part = uniforms[None, drawn : drawn + size]
        new, score = stepper.draw(part, sampling.temperature, sampling.top_p)
        if not np.isfinite(score).all():
            raise DataError("the logits are NaN or infinite; the model's weights are damaged")
        drawn += new.shape[1]
        elapsed = time.perf_counter() - started
        samples = model.quantiser.decode(torch.from_numpy(new[0])).numpy().astype(np.float32)
        yield Piece(samples, rate, drawn, length, elapsed)
        if elapsed > MAX_WORK_SECONDS:
            return
        size = max(64, min(4 * size, round(_PIECE_SECONDS * drawn / elapsed)))


def _diffuse(model: Any, wanted: Draw, length: int, is_cancelled: Callable[[], bool]) -> Iterator[Piece]:
    """All samples of a diffusion model are ready at the same time; until then only the progress grows."""
    news: queue.Queue[float | np.ndarray | BaseException] = queue.Queue()
    started = time.perf_counter()
    gone = threading.Event()

    def report(fraction: float) -> None:
        if gone.is_set() or is_cancelled() or time.perf_counter() - started > MAX_WORK_SECONDS:
            raise _StoppedError
        news.put(fraction)

    def work() -> None:
        try:
            waveform = model.synthesize(num_samples=length, seed=wanted.seed, progress=report)
            news.put(waveform.reshape(-1).float().cpu().numpy())
        except BaseException as error:  # handed over to the thread that waits
            news.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            new, elapsed = news.get(), time.perf_counter() - started
            if isinstance(new, _StoppedError):
                return
            if isinstance(new, BaseException):
                raise new
            if isinstance(new, np.ndarray):
                yield Piece(new, model.sample_rate, length, length, elapsed)
                return
            yield Piece(np.zeros(0, np.float32), model.sample_rate, round(min(new, 0.999) * length), length, elapsed)
    finally:
        gone.set()


class _StoppedError(Exception):
    """The user does not want the rest."""
