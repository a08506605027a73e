"""The common base of PeriodWave and its multi-band form: front end, energy range, synthesis of any length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from vocoders.core.chunking import chunk_spans, join_crossfade
from vocoders.core.counter_noise import counter_normal, counter_uniform
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.flow import ProbabilityPath
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.interface import Progress, Vocoder
from vocoders.periodwave.config import FlowVocoderConfig
from vocoders.periodwave.estimator import Estimator
from vocoders.periodwave.options import AnyFlowOptions, AnyFlowSampling
from vocoders.periodwave.streaming import velocity_in_chunks
from vocoders.periodwave.unet import PLAIN, FreeU
from vocoders.stream import ChunkedStream, Stream

__all__ = ["FlowVocoder", "Velocity", "call_counter", "freeu_of"]

Velocity = Callable[[Tensor, Tensor], Tensor]

_LEAST_FRAMES = 2


FlowConfigType = TypeVar("FlowConfigType", bound=FlowVocoderConfig)


class FlowVocoder(PretrainedModel[FlowConfigType], Vocoder, nn.Module):
    """Flow matching vocoder without its networks.

    A subclass has the networks, and defines :meth:`start`, ``reach`` and :meth:`_flow`.

    Args:
        config: see :class:`FlowVocoderConfig`.
    """

    statistics = ("energy_min", "energy_max")
    # Longest signal that the U-Net processes at once, in seconds.
    window_seconds = 10.0

    energy_range: Tensor

    def __init__(self, config: FlowConfigType) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.mel)
        self.mel_consistency = MelConsistency(self.log_mel)
        self.path = ProbabilityPath(config.sigma_min)
        energy = config.energy
        span = (energy.energy_min, energy.energy_max) if energy is not None else (0.0, 1.0)
        self.register_buffer("energy_range", torch.tensor(span))

    @property
    def num_features(self) -> int:
        """Channels of the features."""
        return self.config.in_channels

    @property
    def least_frames(self) -> int:
        """Least number of frames of the condition encoder."""
        return _LEAST_FRAMES

    @property
    def learns_start(self) -> bool:
        """Whether the start of the flow is computed by networks, which are trained with it."""
        return False

    @property
    def mel(self) -> MelConfig | None:
        """The mel convention of the features; ``None`` if they are embeddings of a codec."""
        return self.config.mel if self.config.condition == "mel" else None

    @property
    def fingerprint(self) -> str:
        """Front end in one line: models with equal lines take the same features."""
        if self.config.condition == "embedding":
            return f"embedding of {self.config.in_channels} channels, hop {self.hop_length} at {self.sample_rate} Hz"
        return self.config.mel.fingerprint

    @property
    def reach(self) -> int:
        """Number of samples to either side on which a call of the network can depend."""
        raise NotImplementedError

    def set_statistics(self, energy_min: float, energy_max: float) -> None:
        """Set the range of the frame energy in the training set, see :func:`vocoders.frontends.energy.mel_energy`."""
        if self.config.energy is None:
            return
        if not 0 <= energy_min < energy_max:
            raise ConfigError(f"energy from {energy_min:g} to {energy_max:g}; expected 0 <= minimum < maximum")
        self.energy_range.copy_(torch.tensor([float(energy_min), float(energy_max)]))

    def prior(self, features: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a sample of the prior of ``features``, from standard normal ``noise`` (B, 1, F * hop_length)."""
        return self.start(features, self.excitation(features, noise, temperature), temperature)

    def running_excitation(self, chunk: int, halo: int, temperature: float) -> Callable[[Tensor, Tensor], Tensor]:
        """Return a function from features and noise of the chunks of a stream, one after the other, to excitations.

        Args:
            chunk: frames of each chunk.
            halo: largest number of frames of context on either side.
            temperature: factor on the deviation of random parts.
        """
        del chunk, halo, temperature
        return lambda features, noise: noise

    def start(self, features: Tensor, excitation: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the start of the flow from an :meth:`excitation`, which may be a part of that of a longer input."""
        raise NotImplementedError

    def excitation(
        self, features: Tensor, noise: Tensor, temperature: float = 1.0, phase: Tensor | None = None
    ) -> Tensor:
        """Return what the prior of a whole input is made of, (B, 1, F * hop_length).

        It is the noise, unless a subclass makes a signal whose phase runs on.

        Args:
            features: (B, channels, F).
            noise: standard normal (B, 1, F * hop_length).
            temperature: factor on the deviation of random parts.
            phase: start phase in cycles (B, 1).
        """
        del features, temperature, phase
        return noise

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of ``forward`` for a training batch: features and a sample of the prior.

        The noise of each item comes from its ``seed``, so it does not depend on the division of a batch over processes.

        Args:
            batch: ``features`` (B, channels, F), ``seed`` (B,) integers.
        """
        features = batch["features"]
        length = features.shape[-1] * self.hop_length
        noise = counter_normal(batch["seed"], length)[:, None].to(features)
        phase = counter_uniform(batch["seed"], stream=1)
        excitation = self.excitation(features, noise, phase=phase)
        return {"features": features, "x": excitation if self.learns_start else self.start(features, excitation)}

    def check_options(self, options: Any) -> None:
        """Raise a :class:`ConfigError` for mel refinement without a mel."""
        if options.mel_refinement and self.config.condition == "embedding":
            raise ConfigError(
                f"mel_refinement {options.mel_refinement}: this model takes embeddings and no mel; set it to 0"
            )

    def refinement_iterations(self, options: Any) -> int:
        """Return the number of iterations of mel refinement."""
        return options.mel_refinement

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        if self.config.condition == "embedding":
            raise ConfigError("this model takes the embeddings of an audio codec; encode the audio with that codec")
        return {"features": self.log_mel(audio)}

    def _synthesize(self, inputs: dict[str, Tensor], options: Any, seed: int, progress: Progress) -> Tensor:
        """Draw a waveform.

        The condition encoder is global in time and runs over the whole input. The U-Net has a reach of a quarter of a
        second and processes long inputs in windows, which is exact. Memory grows by some megabytes per second of audio.
        ``chunk_seconds`` bounds it for any length: chunks are encoded separately and cross-faded, which is not exact.
        """
        features = inputs["features"]
        noise = _draw_noise(len(features), features.shape[-1] * self.hop_length, seed).to(features)
        # Compute normalised weights once, not in every call of the estimator.
        with parametrize.cached():
            excitation = self.excitation(features, noise, options.temperature)
            waveform = self._synthesize_in_chunks(inputs | {"excitation": excitation}, options, progress)
        window = round(self.window_seconds * self.sample_rate / self.hop_length)
        return self.mel_consistency.in_chunks(waveform, features, options.mel_refinement, window)

    def _stream(
        self, options: Any, batch: int, seed: int, chunk: int, refinement_look_ahead: int | None = None
    ) -> Stream:
        if refinement_look_ahead is not None:
            raise ConfigError(f"{type(self).__name__} refines within its chunks; leave out refinement_look_ahead")
        halo = -(-self.reach // self.hop_length)

        excite = self.running_excitation(chunk, halo, options.temperature)

        def compute(features: Tensor, noise: Tensor) -> Tensor:
            with parametrize.cached():
                waveform = self._flow(features, excite(features, noise), options, lambda _: None)
            return self.mel_consistency(waveform, features, options.mel_refinement)

        return ChunkedStream(self, compute, range(seed, seed + batch), chunk, halo, min(halo, chunk))

    def _synthesize_in_chunks(
        self, inputs: Mapping[str, Tensor], options: AnyFlowOptions, progress: Progress
    ) -> Tensor:
        hop, num_frames = self.hop_length, inputs["features"].shape[-1]
        if options.chunk_seconds is None:
            return self._flow(**inputs, sampling=options, report=progress)
        chunk = round(options.chunk_seconds * self.sample_rate / hop)
        spans = chunk_spans(num_frames, chunk, -(-self.reach // hop))
        rates = {name: item.shape[-1] // num_frames for name, item in inputs.items()}

        def chunks() -> Iterator[Tensor]:
            for span in spans:
                parts = {
                    name: item[..., span.start * rates[name] : span.stop * rates[name]] for name, item in inputs.items()
                }
                yield self._flow(**parts, sampling=options, report=lambda _: None)
                progress(span.valid_stop / num_frames)

        return join_crossfade(chunks(), spans, hop)

    def _flow(self, features: Tensor, excitation: Tensor, sampling: Any, report: Progress) -> Tensor:
        """Return the waveform (B, 1, F * hop_length) at the end of the flow that starts from an excitation."""
        raise NotImplementedError

    def _training_velocity(self, estimator: Estimator, condition: Sequence[Tensor], freeu: FreeU) -> Velocity:
        """Return the velocity field given ``condition``, with gradients."""

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            if self.config.gradient_checkpointing and torch.is_grad_enabled():
                # torch leaves open what it returns.
                return cast(Tensor, checkpoint(estimator, x, condition, t, freeu, use_reentrant=False))
            return estimator(x, condition, t, freeu)

        return velocity

    def _windowed_velocity(
        self,
        estimator: Estimator,
        condition: Sequence[Tensor],
        freeu: FreeU,
        report: Callable[[], None],
        rate: float,
    ) -> Velocity:
        """Return the velocity field given ``condition``, in bounded memory; ``rate``: samples of x per second."""
        window = round(self.window_seconds * rate)

        def call(x: Tensor, parts: Sequence[Tensor], t: Tensor, freeu: FreeU) -> Tensor:
            if freeu != PLAIN:
                return estimator(x, parts, t, freeu)
            return self.compute(estimator.of_tensors, x, t, *parts)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            result = velocity_in_chunks(estimator, x, condition, t, freeu, self.config.grid_length, window, call)
            report()
            return result

        return velocity

    def _reference_signals(self) -> tuple[Tensor, Tensor]:
        """Return deterministic features and standard normal noise (1, 1, T), half a second long."""
        num_frames = max(round(0.5 * self.sample_rate / self.hop_length), 2)
        generator = torch.Generator().manual_seed(0)
        tilt = torch.linspace(-1.0, -6.0, self.config.in_channels)[None, :, None]
        features = tilt + 0.5 * torch.randn(1, self.config.in_channels, num_frames, generator=generator)
        return features, torch.randn(1, 1, num_frames * self.hop_length, generator=generator)

    def _check_features(self, features: Tensor) -> None:
        if features.dim() != 3 or features.shape[1] != self.config.in_channels:
            raise ShapeError(f"features {tuple(features.shape)}; expected (B, {self.config.in_channels}, F)")
        if features.shape[-1] < _LEAST_FRAMES:
            raise ShapeError(f"{features.shape[-1]} frames; {type(self).__name__} needs at least {_LEAST_FRAMES}")


def freeu_of(sampling: AnyFlowSampling) -> FreeU:
    """Return the factors of FreeU for the estimator."""
    return FreeU(*sampling.freeu) if sampling.freeu is not None else FreeU()


def call_counter(calls: int, report: Callable[[float], None]) -> Callable[[], None]:
    """Return a function that reports the finished fraction each time it is called, ``calls`` times."""
    finished = 0

    def count() -> None:
        nonlocal finished
        finished += 1
        report(finished / calls)

    return count


def _draw_noise(batch: int, length: int, seed: int) -> Tensor:
    return torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(seed))
