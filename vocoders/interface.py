"""The interface of every system that makes audio.

A :class:`Vocoder` turns features into a waveform. A :class:`WaveformGenerator` draws waveforms unconditionally, from a
label, or as the continuation of a prompt. Every model and every baseline is one or the other. The command line, the
demo, the benchmark and the evaluation use these two classes alone, so a further family needs no change there.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.core.checks import check_f0, check_features, check_mono
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.options import SynthesisOptions
from vocoders.core.pretrained import evaluating
from vocoders.frontends.analysis_stream import AnalysisStream
from vocoders.frontends.convention_presets import find_convention
from vocoders.frontends.f0_config import F0Method
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.speech_envelope import Beyond
from vocoders.generator import Generation, WaveformGenerator, check_items
from vocoders.mel_input import MelInput
from vocoders.stream import EstimatedF0Stream, Stream
from vocoders.system import Kind, Progress, System, ignore_progress

__all__ = ["Generation", "Kind", "Progress", "System", "Vocoder", "WaveformGenerator", "check_items"]


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

    def f0_method_for(self, options: SynthesisOptions | None) -> F0Method | None:
        """Return the tracker of F0 in audio that is synthesised with these options; ``None``: :attr:`f0_method`."""
        del options
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
            inputs = self.analyze(audio, f0_method or self.f0_method_for(chosen))
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
            return self._synthesize(inputs, chosen, seed, progress or ignore_progress)

    def stream(
        self,
        options: SynthesisOptions | None = None,
        *,
        batch: int = 1,
        seed: int = 0,
        chunk: int = 8,
        f0_look_ahead: int | None = None,
        refinement_look_ahead: int | None = None,
        **changes: Any,
    ) -> Stream:
        """Open a stream: features in, audio out, as they come.

        Args:
            options: as returned by :meth:`options`; ``None``: the defaults of the system.
            batch: number of streams, which are computed together.
            seed: seed of all noise and phases. Stream i of the batch is :meth:`synthesize` with ``seed + i``.
            chunk: frames that are computed at once, by a network or a refinement that sees later frames: more are
                faster and come later.
            f0_look_ahead: estimate F0 from the features, with so many later frames: more are better and come later, and
                19 are as good as the whole. ``None``: F0 comes with the features.
            refinement_look_ahead: refine the mel of a chunk with so many frames after it, and cross-fade the chunks:
                fewer come earlier and refine less well. ``None``: as many as the refinement reaches, so that the
                samples are those of :meth:`synthesize`.
            **changes: options by name.

        Raises:
            ConfigError: for a system without streams, and as :meth:`synthesize`.
        """
        if batch < 1 or chunk < 1:
            raise ConfigError(f"a stream of {batch} items in chunks of {chunk} frames; expected at least 1 of each")
        if refinement_look_ahead is not None and refinement_look_ahead < 0:
            raise ConfigError(f"refinement_look_ahead {refinement_look_ahead}; expected a number of frames from 0 on")
        opened = self._stream(self._chosen(options, changes), batch, seed, chunk, refinement_look_ahead)
        return opened if f0_look_ahead is None else EstimatedF0Stream(opened, self._estimate_f0, f0_look_ahead)

    def analysis_stream(self, batch: int = 1) -> AnalysisStream:
        """Open the analysis of a stream: audio in, the arguments of :meth:`Stream.push` out.

        Raises:
            ConfigError: for a vocoder whose features are no mel.
        """
        return AnalysisStream(self.front_end, batch)

    def _stream(
        self, options: Any, batch: int, seed: int, chunk: int, refinement_look_ahead: int | None = None
    ) -> Stream:
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

    def copy_channels(self, audio: Tensor, progress: Progress | None = None, **how: Any) -> Tensor:
        """Return the :meth:`copy_synthesis` of audio (C, T), each channel on its own, as (C, T) on the CPU.

        Args:
            audio: float32 in [-1, 1] at ``sample_rate``.
            progress: called with the finished fraction.
            **how: further arguments of :meth:`synthesize`; channels have equal seeds.
        """
        told, made = progress or ignore_progress, []
        for index, channel in enumerate(audio):

            def report(fraction: float, before: int = index) -> None:
                told((before + fraction) / len(audio))

            made.append(self.copy_synthesis(channel[None, None], progress=report, **how)[0].float().cpu())
        return torch.cat(made)

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
