"""Training of an effect on pairs of dry and wet audio at known knobs."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from effects.models import EffectModel
from recipes.losses.effect import EffectLoss
from recipes.metrics.domain import SILENCE
from recipes.objectives.objective import Batch, Log, Objective, Update, unwrap
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, ShapeError

__all__ = ["EffectObjective", "EffectOptions", "is_heard"]


class EffectOptions(Config):
    """Options of the objective.

    Attributes:
        name: ``effect``.
        losses: weight of each loss by its name, see :data:`recipes.losses.effect.EFFECT_LOSSES`, and
            :data:`~recipes.losses.effect.SPECTRUM_LOSSES` for a model that composes a spectrum.
        truncate: number of samples after which a recurrent model is updated; its state goes on, without gradient
            (truncated back-propagation through time). ``None``: one update for each segment.
    """

    name: Literal["effect"] = "effect"
    truncate: int | None = Field(default=None, gt=0)
    losses: dict[str, float] = {"esr": 1.0, "l1": 0.5, "spectral": 0.2, "dc": 0.1, "gain_trace": 0.1}


class EffectObjective(Objective):
    """Supervised losses on the audio after the pre-roll.

    Raises:
        ConfigError: for an unknown loss, or one that needs magnitudes of a model without them.
    """

    Options = EffectOptions
    kinds = ("effect",)
    #: A validation reports the mean error-to-signal ratio of its items.
    validation_units: ClassVar[Mapping[str, float]] = {"valid/loss": 1.0, "valid/esr": 1.0}

    def __init__(self, options: EffectOptions, generator: EffectModel) -> None:
        super().__init__(options, generator)
        self.loss = EffectLoss(options.losses)
        if self.loss.needs_magnitude and generator.spectrum is None:
            raise ConfigError(
                f"loss 'output_spectrum' for {type(generator).__name__}, which puts no spectrum together; take another "
                "loss, or the family signaltrain"
            )
        self.latency, self.block_length = generator.latency, generator.block_length
        self.truncate = options.truncate
        if self.truncate and (self.loss.needs_magnitude or self.latency or self.block_length > 1):
            raise ConfigError(f"objective.truncate for {type(generator).__name__}, which works in blocks; leave it out")

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the generator once.

        Args as in :meth:`Objective.training_step`; ``batch`` contains ``audio`` and ``target`` (B, C, P + T), ``knobs``
        (B, K) or (B, K, P + T), ``pre_roll`` P.
        """
        if self.truncate:
            return self._truncated_step(parts["generator"], batch, self.truncate, update)
        magnitudes: list[Tensor] = []
        listening = nullcontext()
        if self.loss.needs_magnitude:
            # They are not outputs of the model: a wrapper for distributed training would hide them.
            spectrum = unwrap(parts["generator"]).spectrum
            assert isinstance(spectrum, nn.Module)

            def listen(module: nn.Module, inputs: Any, output: Tensor) -> None:
                magnitudes.append(output)

            listening = spectrum.register_forward_hook(listen)
        with listening:
            compared = self.compared(parts["generator"], batch)
        magnitude = self._after_pre_roll(magnitudes[0], batch) if magnitudes else None
        loss, terms = self.loss(*compared, magnitude)
        log = {f"loss/{name}": value.detach() for name, value in terms.items()}
        return {"loss/total": loss.detach(), **log, "gradient/generator": update("generator", loss)}

    def _truncated_step(self, generator: nn.Module, batch: Batch, length: int, update: Update) -> Log:
        """Update the generator after every ``length`` samples; return the means of what is logged."""
        audio, target, start = batch["audio"], batch["target"], int(batch["pre_roll"])
        if start >= audio.shape[-1]:
            raise ShapeError(f"{audio.shape[-1]} samples, pre-roll {start}: nothing to compare")
        state = None
        with torch.no_grad():
            if start:
                _, state = generator(audio[..., :start], _piece(batch["knobs"], 0, start), None)
        logs = []
        for first in range(start, audio.shape[-1], length):
            last = first + length
            output, state = generator(audio[..., first:last], _piece(batch["knobs"], first, last), state)
            state = {name: tensor.detach() for name, tensor in state.items()}
            loss, terms = self.loss(output.float(), target[..., first:last], audio[..., first:last])
            log = {f"loss/{name}": value.detach() for name, value in terms.items()}
            logs.append({"loss/total": loss.detach(), **log, "gradient/generator": update("generator", loss)})
        return {name: torch.stack([log[name] for log in logs]).mean() for name in logs[0]}

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the sum of the error-to-signal ratios of a batch, and the number of its items."""
        return self.error_ratios(*self.compared(generator, batch)[:2])

    def error_ratios(self, prediction: Tensor, target: Tensor) -> tuple[float, int]:
        """Return the sum of the error-to-signal ratios of audio (B, C, T), and the number of audible items."""
        heard = is_heard(target)
        prediction, target = prediction[heard], target[heard]
        ratios = (target - prediction).square().sum(dim=(1, 2)) / target.square().sum(dim=(1, 2))
        return float(ratios.sum()), len(ratios)

    def compared(self, generator: nn.Module, batch: Batch, piece: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return prediction, target and dry audio after the pre-roll, aligned with the target.

        ``piece``: number of samples that the model plays at a time, which bounds the memory for long audio.
        """
        audio, target, start = batch["audio"], batch["target"], int(batch["pre_roll"])
        length = audio.shape[-1] - audio.shape[-1] % self.block_length
        if length - start - self.latency <= 0:
            raise ShapeError(f"{audio.shape[-1]} samples, pre-roll {start}, latency {self.latency}: nothing to compare")
        knobs = batch["knobs"][..., :length] if batch["knobs"].ndim == 3 else batch["knobs"]
        if piece is None:
            output, _ = generator(audio[..., :length], knobs)
        else:
            output = self._play(generator, audio[..., :length], knobs, piece)
        late = slice(start + self.latency, None)
        same = slice(start, length - self.latency)
        return output[..., late].float(), target[..., same], audio[..., same]

    def _play(self, generator: nn.Module, audio: Tensor, knobs: Tensor, piece: int) -> Tensor:
        """Return the output for audio (B, C, T) from piece to piece."""
        step = max(piece - piece % self.block_length, self.block_length)
        outputs, state = [], None
        for first in range(0, audio.shape[-1], step):
            last = first + step
            output, state = generator(audio[..., first:last], _piece(knobs, first, last), state)
            outputs.append(output)
        return torch.cat(outputs, dim=-1)

    def _after_pre_roll(self, magnitude: Tensor, batch: Batch) -> Tensor:
        """Return the magnitudes (B, blocks, frames, bins) of the compared blocks."""
        blocks = magnitude.float().unflatten(0, (batch["audio"].shape[0], -1))
        return blocks[:, int(batch["pre_roll"]) // self.block_length :]


def _piece(knobs: Tensor, first: int, last: int) -> Tensor:
    return knobs[..., first:last] if knobs.ndim == 3 else knobs


def is_heard(target: Tensor) -> Tensor:
    """Return which items of audio (B, C, T) are not silent and thus comparable; bool (B,)."""
    return target.square().mean(dim=(1, 2)) > SILENCE
