"""Sampling from autoregressive SaShiMi: prompts, temperature, top-p, likelihoods, and ranking by likelihood.

Each item of a seed has its own random numbers, so an item does not depend on the size of the batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.interface import Generation, check_items
from vocoders.sashimi.options import CodeOptions, CodeSampling, WeightFormat
from vocoders.sashimi.runaway import WINDOW_SECONDS, runs_away
from vocoders.stream import DrawnStream

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi
    from vocoders.sashimi.runtimes import Stepper

__all__ = [
    "CodeGeneration",
    "CodeStream",
    "encode_prompt",
    "generate",
    "item_generator",
    "item_labels",
    "item_stepper",
    "label_names",
    "memory_of_generation",
]

# Number of codes between two calls of ``progress``.
_BLOCK = 2048
# Streams of random numbers: for labels, and from this one on for items that are drawn again.
_LABELS, _AGAIN = 1, 2
# Number of times that an item is drawn again.
_ATTEMPTS = 4


@dataclass(frozen=True, kw_only=True)
class CodeGeneration(Generation):
    """The result of an autoregressive model; likelihoods are at temperature 1 and with guidance.

    Attributes:
        codes: int64 (B, T), with the prompt.
    """

    codes: Tensor


def generate(
    model: "Sashimi",
    length: int,
    items: int | Sequence[int] = 1,
    prompt: Tensor | None = None,
    sampling: CodeSampling | None = None,
    seed: int = 0,
    weights: WeightFormat = "float32",
    progress: Callable[[int], None] | None = None,
    stepper: "Stepper | None" = None,
    label: str | None = None,
) -> CodeGeneration:
    """Draw waveforms.

    Args:
        model: a causal model, in evaluation mode or not.
        length: number of samples to draw for each item.
        items: number of items, or the numbers of the items of the seed; an item is the same in any selection.
        prompt: int64 (L,) codes that every item continues, from :func:`encode_prompt`.
        sampling: see :class:`~vocoders.sashimi.options.CodeSampling`; by default that of the model.
        seed: equal seeds give equal items.
        weights: see :func:`~vocoders.sashimi.runtimes.make_stepper`.
        progress: called with the number of codes drawn so far, of all items together.
        stepper: stepper at its start or after the prompt, with its own labels and guidance; by default that of
            :func:`item_stepper`.
        label: label of all items; by default a label is drawn for each item of a model with labels.

    Raises:
        ShapeError: for a length below 1 or no items.
        ConfigError: for an unknown label, a label together with a stepper, or guidance for a model without labels.
        DataError: if the model's logits are not finite.
    """
    items = check_items(length, items)
    sampling = sampling or model.config.sampling
    draws_again = stepper is None and sampling.loudest is not None
    if stepper is None:
        stepper = item_stepper(model, items, prompt, sampling, seed, weights, label)
    elif label is not None:
        raise ConfigError(f"label '{label}' together with a stepper, which has its own labels; give one of the two")
    codes, scores = _drawn(stepper, [item_generator(seed, item) for item in items], length, sampling, progress)
    for attempt in range(_ATTEMPTS if draws_again else 0):
        loud = _runaways(model, torch.from_numpy(codes), sampling).numpy()
        if not loud.any():
            break
        again = [item for item, is_loud in zip(items, loud, strict=True) if is_loud]
        generators = [item_generator(seed, item, _AGAIN + attempt) for item in again]
        other = item_stepper(model, again, prompt, sampling, seed, weights, label)
        codes[loud], scores[loud] = _drawn(other, generators, length, sampling)
    drawn = torch.from_numpy(codes)
    if prompt is not None:
        drawn = torch.cat([prompt.cpu().expand(len(items), -1), drawn], dim=1)
    audio = model.quantiser.decode(drawn)[:, None]
    return CodeGeneration(
        codes=drawn,
        audio=audio,
        length=length,
        log_likelihoods=torch.from_numpy(scores),
        labels=label_names(model, stepper.labels),
    )


def _drawn(
    stepper: "Stepper",
    generators: Sequence[np.random.Generator],
    length: int,
    sampling: CodeSampling,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes (B, length) that a stepper draws, and their log-likelihoods (B,)."""
    codes, scores = np.empty((len(generators), length), np.int64), np.zeros(len(generators))
    block = max(1, _BLOCK // len(generators))
    for start in range(0, length, block):
        uniforms = np.stack([generator.random(min(block, length - start)) for generator in generators])
        drawn, score = stepper.draw(uniforms, sampling.temperature, sampling.top_p)
        _check_scores(score, start)
        codes[:, start : start + drawn.shape[1]] = drawn
        scores += score
        if progress is not None:
            progress((start + drawn.shape[1]) * len(generators))
    return codes, scores


def _runaways(model: "Sashimi", codes: Tensor, sampling: CodeSampling) -> Tensor:
    """Return which items have run away into noise, bool (B,)."""
    if sampling.loudest is None:
        return torch.zeros(len(codes), dtype=torch.bool)
    return runs_away(model.quantiser.decode(codes), model.config.sample_rate, sampling.loudest)


class CodeStream(DrawnStream):
    """Items of a seed that are drawn as they are asked for; the arguments are those of :func:`generate`.

    What has been given out cannot be drawn again. A single item that runs away begins anew from silence, and the piece
    in which it did so is not heard.
    """

    def __init__(
        self,
        model: "Sashimi",
        items: Sequence[int],
        prompt: Tensor | None,
        options: CodeOptions,
        seed: int,
        label: str | None,
    ) -> None:
        stepper = item_stepper(model, items, prompt, options, seed, options.weights, label)
        encoded = torch.zeros(0) if prompt is None else model.quantiser.decode(prompt).cpu()
        super().__init__(model, encoded, label_names(model, stepper.labels), len(items))
        self.model, self.stepper, self.options = model, stepper, options
        self.generators = [item_generator(seed, item) for item in items]
        self.drawn = 0
        self._restart = lambda: item_stepper(model, items, None, options, seed, options.weights, label)
        self._window = max(2, round(WINDOW_SECONDS * model.config.sample_rate))
        self._heard = torch.zeros(len(items), 0, dtype=torch.int64)

    def _pull(self, length: int) -> Tensor:
        codes = self._draw(length)
        for _ in range(_ATTEMPTS if len(self.generators) == 1 else 0):
            heard = torch.cat([self._heard, codes], dim=1)
            if heard.shape[1] < self._window or not _runaways(self.model, heard, self.options).any():
                break
            self.stepper, self._heard = self._restart(), self._heard[:, :0]
            codes = self._draw(length)
        self._heard = torch.cat([self._heard, codes], dim=1)[:, -self._window :]
        self.drawn += length
        return self.model.quantiser.decode(codes)[:, None]

    def _draw(self, length: int) -> Tensor:
        uniforms = np.stack([generator.random(length) for generator in self.generators])
        codes, scores = self.stepper.draw(uniforms, self.options.temperature, self.options.top_p)
        _check_scores(scores, self.drawn)
        return torch.from_numpy(codes)


def encode_prompt(model: "Sashimi", audio: Tensor) -> Tensor:
    """Return the codes of a prompt.

    Args:
        model: model whose quantiser encodes the audio.
        audio: (T,), (1, T) or (1, 1, T) at the model's rate. The published quantiser scales it to its own minimum and
            maximum.

    Returns:
        int64 (T,).

    Raises:
        ShapeError: for more than one channel, or anything but floating-point numbers.
        DataError: for an empty or silent prompt, or one that contains NaN.
    """
    audio = check_audio(audio, least=0, what="prompt")
    if audio.numel() != audio.shape[-1]:
        raise ShapeError(f"a prompt {tuple(audio.shape)}; expected one channel, (T,)")
    audio = audio.reshape(-1)
    if len(audio) == 0:
        raise DataError("the prompt is empty; leave it out to begin from silence")
    if (audio == audio[0]).all():
        raise DataError("the prompt is silent: all its samples are equal; leave it out to begin from silence")
    return model.quantiser.encode(audio)


def item_stepper(
    model: "Sashimi",
    items: Sequence[int],
    prompt: Tensor | None = None,
    sampling: CodeSampling | None = None,
    seed: int = 0,
    weights: WeightFormat = "float32",
    label: str | None = None,
) -> "Stepper":
    """Return the fastest stepper for items, with labels and guidance; the arguments are those of :func:`generate`."""
    # Imported where something is drawn: making a model compiles nothing.
    from vocoders.sashimi.runtimes import make_stepper

    labels, guidance = item_labels(model, seed, items, label), (sampling or model.config.sampling).guidance
    return make_stepper(model, len(items), prompt, weights=weights, labels=labels, guidance=guidance)


def item_labels(model: "Sashimi", seed: int, items: Sequence[int], label: str | None = None) -> Tensor | None:
    """Return the index of each item's label in ``model.config.labels``, int64 (B,); ``None`` for a model without.

    Args:
        model: the model.
        seed: equal seeds give equal labels.
        items: the numbers of the items.
        label: label of all items; by default a label is drawn for each.

    Raises:
        ConfigError: for an unknown label.
    """
    known = model.config.labels
    if label is not None and label not in known:
        expected = f"one of {', '.join(known)}" if known else "none: the model has no labels"
        raise ConfigError(f"label '{label}'; expected {expected}")
    if not known:
        return None
    if label is not None:
        return torch.full((len(items),), known.index(label))
    # Separate from the random numbers for codes: an item does not depend on whether its label was drawn or given.
    return torch.tensor([int(item_generator(seed, item, _LABELS).integers(len(known))) for item in items])


def label_names(model: "Sashimi", labels: Tensor | None) -> tuple[str, ...]:
    """Return the names of labels (B,); empty for ``None``, and an empty name for the mean of all."""
    names = (*model.config.labels, "")
    return () if labels is None else tuple(names[index] for index in labels.tolist())


def _check_scores(scores: np.ndarray, drawn: int) -> None:
    if not np.isfinite(scores).all():
        raise DataError(f"the logits are NaN or infinite after {drawn} samples; the model's weights are damaged")


def item_generator(seed: int, item: int, *stream: int) -> np.random.Generator:
    """Return the random numbers of an item of a seed; ``stream``: other numbers of the same item."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed % (1 << 64), item, *stream])))


def memory_of_generation(
    model: "Sashimi", batch_size: int, length: int, prompt_length: int = 0, is_guided: bool = False
) -> int:
    """Return the approximate memory in bytes that a generation needs beyond the model.

    Args:
        model: the model.
        batch_size: number of items that are drawn together.
        length: number of samples of each item.
        prompt_length: number of samples of the prompt.
        is_guided: whether guidance steps two sequences for each item.
    """
    config = model.config
    states = sum(width for width in config.widths) * config.num_layers * (2 if config.skips == "unet" else 1)
    state = 8 * states * (config.s4.d_state // 2 + 1)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # Codes, random numbers and audio of an item; a copy of the weights and the recurrences of all features.
    items = batch_size * (2 * state * (1 + is_guided) + 24 * (length + prompt_length))
    # The convolutions of one block of the prompt: about this many float64 signals of the fastest tier's width.
    reading = 64 * 8 * config.channels * min(prompt_length, config.kernel_length or prompt_length)
    return items + 8 * parameters + 10 * state + reading
