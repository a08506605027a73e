"""The interface of every system that makes audio.

A :class:`Vocoder` turns features into a waveform. A :class:`WaveformGenerator` draws waveforms unconditionally, from a
label, or as the continuation of a prompt. Every model and every baseline is one or the other. The command line, the
demo, the benchmark and the evaluation use these two classes alone, so a further family needs no change there.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.checks import check_f0, check_features, check_mono
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.options import SynthesisOptions
from vocoders.core.pretrained import PretrainedModel, evaluating
from vocoders.frontends.analysis_stream import AnalysisStream
from vocoders.frontends.convention_presets import find_convention
from vocoders.frontends.f0_config import F0Method
from vocoders.frontends.front_end import FrontEnd, ModelConfig
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.speech_envelope import Beyond
from vocoders.mel_input import MelInput
from vocoders.stream import Stream

__all__ = ["Generation", "Kind", "Progress", "System", "Vocoder", "WaveformGenerator", "check_items"]

Kind = Literal["vocoder", "generator"]
Progress = Callable[[float], None]


class System(ABC):
    """Something that makes audio.

    Attributes:
        options_class: class that declares the options of synthesis.
        runtime: computes parts of a model on the CPU by other code, see :func:`vocoders.load`; ``None``: PyTorch does.
    """

    options_class: ClassVar[type[SynthesisOptions]] = SynthesisOptions
    runtime: "Callable[[Any, nn.Module, Sequence[Tensor]], Tensor] | None" = None

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Whether the system, in its configuration, is a vocoder or a generator."""

    @property
    def front_end(self) -> FrontEnd:
        """Features that the system takes; the configuration of a model defines them."""
        if isinstance(self, PretrainedModel) and isinstance(self.config, ModelConfig):
            return self.config.front_end
        raise NotImplementedError(f"{type(self).__name__} does not define its front_end")

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.front_end.sample_rate

    @property
    def fingerprint(self) -> str:
        """Front end in one line: systems with equal lines take the same features, or the same codes."""
        return self.front_end.fingerprint

    @property
    def default_options(self) -> SynthesisOptions:
        """The default options: those of the declaration, with what the model's configuration changes."""
        return self.options_class.of_config(self.config.to_dict() if isinstance(self, PretrainedModel) else {})

    @property
    def device(self) -> torch.device:
        """Device of the system."""
        return next(self.parameters()).device if isinstance(self, nn.Module) else torch.device("cpu")

    def compute(self, part: nn.Module, *arguments: Tensor) -> Tensor:
        """Return what a part of a model (or the whole) computes in synthesis, by the runtime of the system."""
        if self.runtime is None or self.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return part(*arguments)
        return self.runtime(self, part, arguments)

    def options(self, **changes: Any) -> SynthesisOptions:
        """Return the system's options with ``changes``.

        Raises:
            ConfigError: for a name that is not declared, or a value that is impossible for this system.
        """
        return self._chosen(None, changes)

    def check_options(self, options: Any) -> None:
        """Raise a :class:`ConfigError` for options that are impossible in the configuration of this system."""
        del options

    def _chosen(self, options: SynthesisOptions | None, changes: dict[str, Any]) -> Any:
        """Return all declared options: ``options`` (or their part that a configuration contains), with ``changes``."""
        name, chosen = type(self).__name__, self.default_options
        if options is not None:
            if not issubclass(self.options_class, type(options)):
                found, expected = type(options).__name__, self.options_class.__name__
                raise ConfigError(f"options of the class {found}; expected {expected}, as {name}.options() gives them")
            chosen = self.options_class.from_dict(chosen.to_dict() | options.to_dict(), name)
        chosen = chosen.changed(name, **changes)
        self.check_options(chosen)
        return chosen


class Vocoder(System):
    """Features in, waveform out.

    A subclass defines :meth:`_analyze` and :meth:`_synthesize`; one that is no model, ``front_end`` too. Properties
    follow from the front end, and a subclass overrides those that differ. This class checks the arguments.
    """

    @property
    def uses_f0(self) -> bool:
        """Whether the vocoder takes F0 besides the features."""
        return self.front_end.f0 is not None

    @property
    def kind(self) -> Kind:
        """``vocoder``."""
        return "vocoder"

    @property
    def hop_length(self) -> int:
        """Samples per frame of features."""
        return self.front_end.hop_length

    @property
    def num_features(self) -> int:
        """Channels of the features; 0 for a vocoder without a mel."""
        return 0 if self.mel is None else self.mel.n_mels

    @property
    def mel(self) -> MelConfig | None:
        """The mel convention of the features; ``None`` if they are no mel."""
        return self.front_end.mel

    @property
    def least_frames(self) -> int:
        """Least number of frames that the vocoder can synthesise."""
        return 1

    @property
    def f0_method(self) -> F0Method | None:
        """Tracker of F0 in audio that :meth:`analyze` uses by default; ``None`` without F0."""
        return None

    @property
    def f0_offset(self) -> float:
        """Time of the F0 of frame n minus n hops, in hops."""
        return 0.0

    def refinement_iterations(self, options: Any) -> int:
        """Return the number of iterations of mel refinement that ``options`` ask for."""
        del options
        return 0

    @torch.inference_mode()
    def analyze(self, audio: Tensor, f0_method: F0Method | None = None) -> dict[str, Tensor]:
        """Extract the inputs of :meth:`synthesize` from audio.

        Args:
            audio: (T,), (B, T) or (B, 1, T) in [-1, 1] at ``sample_rate``; a last incomplete frame is dropped.
            f0_method: tracker of F0; ``None``: the vocoder's own choice.

        Returns:
            ``features`` (B, num_features, F), and ``f0`` (B, 1, F) in Hz, 0 where unvoiced, if the vocoder uses F0.

        Raises:
            ShapeError: for audio of another shape or type.
            DataError: for audio that is too short, or contains NaN or infinite samples.
            ConfigError: for a tracker where the vocoder leaves no choice.
        """
        checked = check_mono(audio, least=self.least_frames * self.hop_length).to(self.device)
        return self._analyze(checked) if f0_method is None else self._analyze_by(checked, f0_method)

    @abstractmethod
    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        """Return the inputs of :meth:`_synthesize` for checked audio (B, 1, T) on the vocoder's device."""

    def _analyze_by(self, audio: Tensor, f0_method: F0Method) -> dict[str, Tensor]:
        """Return what :meth:`_analyze` returns, with another tracker of F0."""
        del audio
        reason = "leaves no choice of the tracker" if self.uses_f0 else "uses no F0"
        raise ConfigError(f"F0 by '{f0_method}': {type(self).__name__} {reason}; leave it out")

    @abstractmethod
    def _synthesize(self, inputs: dict[str, Tensor], options: Any, seed: int, progress: Progress) -> Tensor:
        """Return the waveform (B, 1, F * hop_length) of checked inputs on the vocoder's device."""

    @torch.inference_mode()
    def synthesize(
        self,
        features: Tensor | None = None,
        f0: Tensor | None = None,
        *,
        audio: Tensor | None = None,
        mel_f0: Tensor | Literal["estimate"] | None = None,
        f0_method: F0Method | None = None,
        mel: MelConvention | str | Path | None = None,
        beyond: Beyond = "speech",
        seed: int = 0,
        options: SynthesisOptions | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> Tensor:
        """Synthesise a waveform from features, or from audio (copy-synthesis). Memory is bounded.

        Args:
            features: (num_features, F) or (B, num_features, F), as returned by :meth:`analyze`; with ``mel``, in that
                convention.
            f0: (F,), (B, F) or (B, 1, F) in Hz, 0 where unvoiced; for vocoders that use F0. ``None``: it is estimated
                from the features, if they are a mel. With ``audio``, it replaces the F0 of the audio.
            audio: instead of features: (T,), (B, T) or (B, 1, T) at ``sample_rate``.
            mel_f0: F0 of the audio that ``features`` come from, where ``f0`` is another (another melody, say), so that
                the vocoder can move the harmonics that a mel contains. ``estimate``: find it in the mel. ``None``: the
                same as ``f0``.
            f0_method: tracker of F0 in ``audio``; ``None``: the vocoder's own choice.
            mel: convention of the features: a preset, a YAML file or the object (see
                :mod:`vocoders.frontends.convention_presets`); ``None``: the vocoder's own.
            beyond: what is outside of the bands of ``mel``: the most probable envelope of ``speech``, or ``silence``.
            seed: seed of all noise and phases; equal seeds give equal waveforms.
            options: as returned by :meth:`options`; ``None``: the defaults of the system.
            progress: called with the finished fraction.
            **changes: options by name, such as ``f0_scale=1.2``; see ``options_class``.

        Returns:
            (B, 1, F * hop_length) on the vocoder's device, or with ``mel`` the duration of the features at the
            vocoder's rate; not limited to [-1, 1].

        Raises:
            ShapeError: for tensors of another shape, or fewer frames than the vocoder needs.
            DataError: for NaN or infinite numbers.
            ConfigError: for an option that is not declared, an impossible value, or an unknown convention.
        """
        chosen = self._chosen(options, changes)
        if mel is not None:
            if audio is not None or features is None or mel_f0 is not None:
                raise ShapeError("'mel' is the convention of features; give features with it, and no audio or mel_f0")
            convention = mel if isinstance(mel, MelConvention) else find_convention(mel)
            return MelInput(convention, beyond).synthesize(self, features, f0, chosen, seed, progress)
        if audio is not None:
            if features is not None or mel_f0 is not None:
                found = "features" if features is not None else "mel_f0"
                raise ShapeError(f"{type(self).__name__} takes audio or {found}; leave out one of the two")
            inputs = self.analyze(audio, f0_method)
            if f0 is not None:
                inputs = self._with_f0(f0, inputs, mel_f0=inputs.get("f0"))
        elif f0_method is not None:
            raise ConfigError(f"F0 by '{f0_method}' is tracked in audio; features come with f0, or it is estimated")
        else:
            inputs = self._checked_inputs(features, f0)
            if mel_f0 is not None:
                own = self._estimate_f0(inputs["features"]) if isinstance(mel_f0, str) else mel_f0
                inputs = self._with_f0(f0, inputs, own)
        with evaluating(self):
            return self._synthesize(inputs, chosen, seed, progress or _ignore)

    def stream(
        self,
        options: SynthesisOptions | None = None,
        *,
        batch: int = 1,
        seed: int = 0,
        chunk: int = 8,
        **changes: Any,
    ) -> Stream:
        """Open a stream: features in, audio out, as they come.

        Args:
            options: as returned by :meth:`options`; ``None``: the defaults of the system.
            batch: number of streams, which are computed together.
            seed: seed of all noise and phases. Stream i of the batch is :meth:`synthesize` with ``seed + i``.
            chunk: frames that are computed at once, by a network or a refinement that sees later frames: more are
                faster and come later.
            **changes: options by name.

        Raises:
            ConfigError: for a system without streams, and as :meth:`synthesize`.
        """
        if batch < 1 or chunk < 1:
            raise ConfigError(f"a stream of {batch} items in chunks of {chunk} frames; expected at least 1 of each")
        return self._stream(self._chosen(options, changes), batch, seed, chunk)

    def analysis_stream(self, batch: int = 1) -> AnalysisStream:
        """Open the analysis of a stream: audio in, the arguments of :meth:`Stream.push` out.

        Raises:
            ConfigError: for a vocoder whose features are no mel.
        """
        return AnalysisStream(self.front_end, batch)

    def _stream(self, options: Any, batch: int, seed: int, chunk: int) -> Stream:
        """Open a stream with checked arguments."""
        raise ConfigError(f"{type(self).__name__} has no stream; synthesize the whole features")

    def copy_synthesis(self, audio: Tensor, **how: Any) -> Tensor:
        """Analyse audio and synthesise it again, with the same number of samples.

        Args:
            audio: (B, 1, T), (B, T) or (T,); the last frame is padded with silence, which is cut off afterwards.
            **how: further arguments of :meth:`synthesize`.

        Returns:
            (B, 1, T).
        """
        audio = check_mono(audio)
        length = audio.shape[-1]
        return self.synthesize(audio=F.pad(audio, (0, -length % self.hop_length)), **how)[..., :length]

    @torch.inference_mode()
    def estimate_f0(self, features: Tensor) -> Tensor:
        """Estimate F0 from features alone, as :meth:`synthesize` does where F0 is missing.

        Args:
            features: (num_features, F) or (B, num_features, F), as returned by :meth:`analyze`.

        Returns:
            (B, 1, F) in Hz, 0 where unvoiced.

        Raises:
            ShapeError: if the features are no mel, or of another shape.
            DataError: for NaN or infinite numbers.
        """
        return self._estimate_f0(check_features(features, self.num_features, self.least_frames).to(self.device))

    def _estimate_f0(self, features: Tensor) -> Tensor:
        """Return F0 (B, 1, F) of checked features."""
        del features
        raise ShapeError(f"{type(self).__name__} needs features and f0, or audio; f0 is missing")

    def _checked_inputs(self, features: Tensor | None, f0: Tensor | None) -> dict[str, Tensor]:
        name = type(self).__name__
        if features is None:
            raise ShapeError(f"{name} needs features or audio; both are missing")
        inputs = {"features": check_features(features, self.num_features, self.least_frames)}
        if f0 is None and self.uses_f0:
            f0 = self._estimate_f0(inputs["features"])
        inputs |= self.check_f0(f0, inputs["features"])
        return {key: value.to(self.device) for key, value in inputs.items()}

    def _with_f0(self, f0: Tensor | None, inputs: dict[str, Tensor], mel_f0: Tensor | None) -> dict[str, Tensor]:
        """Return inputs with the wanted F0, and that of the mel."""
        wanted, own = (self.check_f0(x, inputs["features"]) for x in (f0, mel_f0))
        return inputs | {"f0": wanted["f0"].to(self.device), "mel_f0": own["f0"].to(self.device)}

    def check_f0(self, f0: Tensor | None, features: Tensor) -> dict[str, Tensor]:
        """Return ``f0`` (B, 1, F) of features (B, num_features, F) by its name; nothing for a vocoder without F0.

        Raises:
            ShapeError: if F0 is missing, superfluous or of another shape.
            DataError: for NaN, infinite or negative values.
        """
        name = type(self).__name__
        if not self.uses_f0:
            if f0 is not None:
                raise ShapeError(f"{name} uses no f0; leave it out")
            return {}
        if f0 is None:
            raise ShapeError(f"{name} needs features and f0, or audio; f0 is missing")
        return {"f0": check_f0(f0, features)}


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
        numbers, chosen = check_items(length, items), self._chosen(options, changes)
        if prompt is not None and not self.takes_prompt:
            raise ConfigError(f"{type(self).__name__} takes no prompt; leave it out")
        # Checked before a long run: the label may be unknown.
        self.item_labels(numbers, label, seed)
        with evaluating(self), torch.no_grad():
            return self._generate(length, numbers, prompt, label, seed, chosen, progress or _ignore)

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
        """Draw the items with these numbers; all arguments are checked, except the prompt."""

    def draw_pieces(
        self,
        length: int,
        *,
        prompt: Tensor | None = None,
        label: str | None = None,
        seed: int = 0,
        options: SynthesisOptions | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> Iterator[Tensor]:
        """Draw item 0 of a seed piece by piece.

        Args: as for :meth:`generate`.

        Yields:
            Audio (N,) float32 as soon as it is drawn: first the prompt as the system encodes it (empty without one),
            then ``length`` new samples in all.
        """
        drawn = self.generate(
            length, prompt=prompt, label=label, seed=seed, options=options, progress=progress, **changes
        ).audio[0, 0]
        yield drawn[: len(drawn) - length].cpu()
        yield drawn[len(drawn) - length :].cpu()

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


def _ignore(fraction: float) -> None:
    """Ignore a report of progress."""
