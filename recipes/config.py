"""The configuration of a training run: one YAML file says everything."""

import difflib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from effects.knobs import KnobSet
from effects.models.devices import DEVICES
from effects.processors import find_processor
from recipes.audio_metrics import audio_metric_names
from recipes.data.config import DataConfig
from recipes.data.effects.config import EffectDataConfig
from recipes.data.waveforms import PlainAudio
from recipes.families import model_class
from recipes.objectives import OBJECTIVES
from recipes.validation import Validator
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.mel import MelConfig

__all__ = ["OptimizerConfig", "SchedulerConfig", "TrainConfig", "TrainerConfig"]


class OptimizerConfig(Config):
    """AdamW.

    Attributes:
        learning_rate: of everything without a rate of its own.
        betas: decay of the running averages.
        weight_decay: decoupled, as in AdamW.
        eps: added to the denominator.
        system_learning_rate: of the state-space parameters (step sizes, A, B) that a model names in
            ``system_parameters()``; they are not decayed. ``None``: they are parameters like others.
        decay_biases: whether weight decay also acts on biases and on the parameters of norms.
    """

    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.8, 0.9)
    weight_decay: float = Field(0.0, ge=0)
    eps: float = Field(1e-8, gt=0)
    system_learning_rate: float | None = Field(None, gt=0)
    decay_biases: bool = True


class SchedulerConfig(Config):
    """Learning rate as a factor of the step.

    Attributes:
        name: ``cosine`` falls until ``max_steps``, ``exponential`` by ``decay`` every 1000 steps, ``plateau`` by
            ``decay`` when the loss of a validation, the first of :attr:`TrainConfig.validation_names`, has not improved
            for ``patience`` validations, ``one_cycle`` rises as a cosine and falls as another until ``max_steps``
            (SignalTrain, with ``final`` 1/1500), or ``constant``.
        warmup_steps: linear rise from zero.
        decay: of ``exponential`` and ``plateau``.
        patience: of ``plateau``.
        final: factor at which ``cosine`` and ``one_cycle`` end.
        initial: factor at which ``one_cycle`` starts.
        rise: part of the steps in which ``one_cycle`` rises.
    """

    name: Literal["cosine", "exponential", "plateau", "one_cycle", "constant"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    decay: float = Field(0.999, gt=0, le=1)
    patience: int = Field(20, ge=0)
    final: float = Field(0.0, ge=0, le=1)
    initial: float = Field(1 / 15, ge=0, le=1)
    rise: float = Field(0.3, ge=0, le=1)


class TrainerConfig(Config):
    """How long, how precise, how often.

    Attributes:
        max_steps: number of updates.
        seed: of every random number.
        precision: ``no`` (float32), ``bf16`` or ``fp16``.
        max_gradient_norm: total norm at which gradients are clipped; ``None``: no clipping.
        ema_decay: decay of the exponential moving average of the generator; ``None``: no average.
        log_every: steps between log lines.
        valid_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: how many of the latest checkpoints stay; the best one stays beside them.
        best_metric: value of the validations whose best checkpoint is kept, by its name in the log, such as
            ``valid/loss`` or ``metric/pesq``; ``None``: their loss, which is ``valid/mel_l1`` of a model that
            synthesises audio from features, else ``valid/loss``. Whether higher, lower or nearer to zero is better
            belongs to the value.
        valid_metrics: metrics of ``ondes evaluate`` that validations compute on what they synthesise (as many
            utterances as ``valid_utterances``) or on what an effect renders (``effect.valid_items``), logged as
            ``metric/NAME``.
        valid_utterances: at most this many utterances (or pieces of them) are validated, evenly spread over the set;
            ``None``: 20 of a model that synthesises them from features, else all.
        max_skipped_steps: steps in a row that may be skipped because a loss or a gradient is not finite.
        valid_clips: validation utterances whose audio and spectrograms are stored.
        num_threads: CPU threads of torch; ``None``: torch's choice.
    """

    max_steps: int = Field(1_000_000, gt=0)
    seed: int = 0
    precision: Literal["no", "bf16", "fp16"] = "no"
    max_gradient_norm: float | None = Field(10.0, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    log_every: int = Field(100, gt=0)
    valid_every: int = Field(2000, gt=0)
    checkpoint_every: int = Field(10_000, gt=0)
    keep_checkpoints: int = Field(3, gt=0)
    best_metric: str | None = None
    valid_metrics: tuple[str, ...] = ()
    valid_utterances: int | None = Field(None, gt=0)
    max_skipped_steps: int = Field(10, ge=0)
    valid_clips: int = Field(4, ge=0)
    num_threads: int | None = Field(None, gt=0)

    @field_validator("precision", mode="before")
    @classmethod
    def _read_no(cls, value: object) -> object:
        return "no" if value is False else value  # in YAML a bare no is false


class TrainConfig(Config):
    """A whole training run.

    Attributes:
        family: model family, as in :func:`recipes.families.model_class`.
        model: configuration of the model, checked by the family; an effect has the knobs of its processor where none
            are named.
        data: data directories, segments and batches.
        effect: what an effect learns from; of effects alone.
        objective: ``name`` and options of the objective.
        optimizer: of every part.
        scheduler: of every part.
        trainer: steps, precision, logging.
    """

    family: str
    model: dict[str, Any] = {}
    data: DataConfig = DataConfig()
    effect: EffectDataConfig | None = None
    objective: dict[str, Any] = {"name": "gan"}
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trainer: TrainerConfig = TrainerConfig()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "config", prefix: str = "") -> Self:
        """Check the whole run, the sections of its family and of its objective included."""
        config = super().from_dict(data, source, prefix)
        _ = config.generator, config.objective_options, config.best_metric
        if (config.effect is None) == (config.objective_options.name == "effect"):
            raise ConfigError(f"{source}: the section 'effect' and objective 'effect' belong together; set both")
        return config

    @cached_property
    def generator(self) -> Config:
        """Typed configuration of the model."""
        config_class = model_class(self.family).config_class
        model = dict(self.model)
        if self.effect is not None and "knobs" not in model and (knobs := self._known_knobs) is not None:
            norm = config_class.model_fields["knobs"].default.norm
            model["knobs"] = knobs.model_copy(update={"norm": norm}).to_dict()
        return config_class.from_dict(model, self.family, "model")

    @property
    def _known_knobs(self) -> KnobSet | None:
        """Knobs of the effect that is learned, where its name says them."""
        if self.effect.processor is not None:
            return find_processor(self.effect.processor).knobs
        if self.effect.device is not None and self.effect.device not in DEVICES:
            raise ConfigError(f"unknown device '{self.effect.device}'; known devices: {', '.join(DEVICES)}")
        return DEVICES.get(self.effect.device)

    @cached_property
    def objective_options(self) -> Config:
        """Typed options of the objective."""
        name = str(self.objective.get("name"))
        return OBJECTIVES.find(name).Options.from_dict(self.objective, name, "objective")

    @property
    def mel(self) -> MelConfig | PlainAudio:
        """Front end of the model: its mel, or audio alone."""
        generator = self.generator
        plain = PlainAudio(generator.sample_rate, labels=getattr(generator, "labels", ()))
        return getattr(generator, "mel", None) or plain

    @property
    def validation_names(self) -> tuple[str, ...]:
        """Values of a validation that depend on the model; the first is its loss.

        Raises:
            ConfigError: if ``trainer.valid_metrics`` holds an unknown metric, or validations make no audio.
        """
        metrics = audio_metric_names(self.trainer.valid_metrics)
        if self.effect is None and not isinstance(self.mel, PlainAudio):
            return (*Validator.own_values, *metrics)
        losses = tuple(getattr(OBJECTIVES[self.objective_options.name], "validation_units", ()))
        if metrics and not self._makes_audio:
            raise ConfigError(
                f"trainer.valid_metrics: a {self.family} model without features makes no audio that could be compared; "
                f"leave it out (validations give {', '.join(losses)})"
            )
        return (*losses, *metrics)

    @property
    def best_metric(self) -> str | None:
        """Name of the value whose best checkpoint is kept; ``None`` if validations give no value.

        Raises:
            ConfigError: if no validation of this run gives ``trainer.best_metric``.
        """
        wanted, names = self.trainer.best_metric, self.validation_names
        if wanted is None:
            return next(iter(names), None)
        found = [name for name in names if wanted in (name, name.partition("/")[2])]
        if len(found) == 1:
            return found[0]
        near = [] if found else difflib.get_close_matches(wanted, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        more = " (trainer.valid_metrics adds metrics of 'ondes evaluate')" if self._makes_audio else ""
        raise ConfigError(
            f"trainer.best_metric '{wanted}' is {'several values' if found else 'no value'} of a validation; {hint}"
            f"expected one of {', '.join(names)}{more}"
        )

    @property
    def _makes_audio(self) -> bool:
        """Whether validations make audio that can be compared with a recording."""
        return self.effect is not None or not isinstance(self.mel, PlainAudio)

    @property
    def f0(self) -> F0Config | None:
        """F0 front end of the model, or None if it uses no F0."""
        return getattr(self.generator, "f0", None)
