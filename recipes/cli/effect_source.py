"""The effect that `ondes effect` plays: a neural effect, or a processor from which models learn."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effects.levels import UNITY, Levels
from vocoders.core.errors import ConfigError

if TYPE_CHECKING:
    from effects.automation import Automation
    from effects.engine import StereoMode
    from effects.knobs import KnobSet
    from effects.models import EffectModel
    from effects.processors import Processor
    from effects.rendering import Stream

__all__ = ["Options", "Source", "find_levels", "resolve_source"]

_logger = logging.getLogger(__name__)

# Prefix of a processor's name in place of a model.
_TRUE = "true:"


@dataclass(frozen=True)
class Options:
    """Options of playing; ``settings`` contains the knobs that the user has set."""

    settings: dict[str, float]
    automation: "Automation | None" = None
    stereo: "StereoMode" = "dual"
    zero_latency: bool = False
    levels: Levels = UNITY


@dataclass(frozen=True)
class Source:
    """A neural effect or a processor."""

    name: str
    effect: "EffectModel | Processor"

    @property
    def model(self) -> "EffectModel | None":
        """The neural effect; ``None`` for a processor."""
        from effects.processors import Processor

        return None if isinstance(self.effect, Processor) else self.effect

    @property
    def knobs(self) -> "KnobSet":
        """The knobs."""
        return self.effect.knobs

    def open(self, sample_rate: int | None, options: Options) -> "Stream":
        """Start a stream.

        Args:
            sample_rate: of the audio in Hz; ``None``: that of the effect.
            options: options of playing.

        Raises:
            ConfigError: for an option that the effect does not support.
        """
        from effects.engine import Engine
        from effects.processor_stream import ProcessorStream
        from effects.processors import Processor

        effect, settings, automation = self.effect, options.settings, options.automation
        if not isinstance(effect, Processor):
            how = {"stereo": options.stereo, "zero_latency": options.zero_latency, "levels": options.levels}
            return Engine(effect, sample_rate, settings, automation, **how)
        if options.stereo != "dual":
            raise ConfigError(f"--stereo {options.stereo}: '{self.name}' is a processor, which handles channels itself")
        return ProcessorStream(effect, sample_rate or 44100, settings, automation)

    def about(self, sample_rate: int, channels: int, stereo: str) -> list[str]:
        """Return notes for the user on audio with this sample rate and number of channels."""
        if self.model is None:
            return []
        notes = []
        if sample_rate != self.model.sample_rate:
            notes.append(f"{sample_rate} Hz, resampled to the model's {self.model.sample_rate} Hz and back")
        if channels > 1 and self.model.config.audio_channels == 1:
            how = "each on its own" if stereo == "dual" else "one gain for all"
            notes.append(f"{channels} channels through a mono model, {how}")
        return notes


def resolve_source(model: str | None, processor: str | None, device: str, slim: float | None = None) -> Source:
    """Return the effect that the user named.

    Args:
        model: shipped name, folder or hub id of a model, or file of a capture; or the name of a processor, which the
            prefix ``true:`` forces; ``None``: the only neural effect that ships with ondes.
        processor: name of a processor.
        device: name of a device, or ``auto``.
        slim: size of a capture that has several.

    Raises:
        CheckpointError: if there is no such model, or it is not an effect.
        ConfigError: if both are given, or none where one is needed, or for an unknown processor or device.
    """
    from effects.processors import PROCESSORS, find_processor
    from vocoders.core.device import resolve_device

    if model is not None and processor is not None:
        raise ConfigError(f"--model {model} and --processor {processor}: give one of the two")
    where = resolve_device(device)
    if model is not None and model.startswith(_TRUE):
        processor = model.removeprefix(_TRUE)
    elif model is not None and model in PROCESSORS and not (Path(model) / "config.json").is_file():
        _logger.info("'%s' is the ground-truth effect, no model", model)
        processor = model
    if processor is not None:
        if slim is not None:
            raise ConfigError(f"--slim {slim:g} is for captures of several sizes, not for the processor {processor}")
        return Source(processor, find_processor(processor.removeprefix(_TRUE)))
    return _load(model or _only_shipped(), where, slim)


def _only_shipped() -> str:
    from effects.registry import FAMILIES
    from vocoders.core.model_source import shipped_models

    names = [found.name for found in shipped_models() if found.family in FAMILIES]
    if len(names) == 1:
        return names[0]
    models = f"--model ({', '.join(names)})" if names else "--model with a folder or hub id"
    raise ConfigError(f"no effect given; pass {models}, or --processor with a ground-truth effect such as comp_4c")


def _load(name: str, device: Any, slim: float | None) -> Source:
    from effects.registry import load

    return Source(name, load(name, device=device, slim=slim))


def find_levels(source: Source, normalize: bool, calibrate: float | None) -> Levels:
    """Return the gains at which players would play a capture.

    Raises:
        ConfigError: if the effect is no capture, or its file does not tell its levels.
    """
    from effects.captures.levels import player_levels

    if not normalize and calibrate is None:
        return UNITY
    if source.model is None or source.model.capture is None:
        option = "--normalize" if normalize else "--calibrate"
        raise ConfigError(f"{option} uses the levels in the file of a capture; '{source.name}' has none")
    return player_levels(source.model.capture, normalize, calibrate)
