"""What PeriodWave and its multi-band form share: front end, energy range, synthesis of inputs of any length."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from vocoders.core.checks import check_features, check_mono
from vocoders.core.chunking import chunk_spans, join_crossfade
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.flow import ProbabilityPath
from vocoders.frontends.mel import LogMel
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.periodwave.config import PeriodWaveConfig, SamplingConfig
from vocoders.periodwave.estimator import Estimator
from vocoders.periodwave.streaming import velocity_in_chunks
from vocoders.periodwave.unet import FreeU

__all__ = ["FlowVocoder", "Velocity", "call_counter", "freeu_of"]

Velocity = Callable[[Tensor, Tensor], Tensor]

_LEAST_FRAMES = 2


class FlowVocoder(PretrainedModel, nn.Module):
    """Flow matching vocoder, up to its networks.

    A subclass holds these, and states :meth:`prior`, ``reach`` and :meth:`_flow`.

    Args:
        config: see :class:`PeriodWaveConfig`.
    """

    uses_f0 = False
    uses_sampling = True
    statistics = ("energy_min", "energy_max")
    # Longest stretch that goes through the U-Net at once, in seconds.
    window_seconds = 10.0

    energy_range: Tensor

    def __init__(self, config: PeriodWaveConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.mel)
        self.mel_consistency = MelConsistency(self.log_mel)
        self.path = ProbabilityPath(config.sigma_min)
        energy = config.energy
        span = (energy.energy_min, energy.energy_max) if energy is not None else (0.0, 1.0)
        self.register_buffer("energy_range", torch.tensor(span))

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.config.hop_length

    @property
    def fingerprint(self) -> str:
        """Front end in one line: two models with the same line take the same features."""
        if self.config.condition == "embedding":
            return f"embedding of {self.config.in_channels} channels, hop {self.hop_length} at {self.sample_rate} Hz"
        return self.config.mel.fingerprint

    @property
    def reach(self) -> int:
        """Samples to either side on which a call of the network can depend."""
        raise NotImplementedError

    def set_statistics(self, energy_min: float, energy_max: float) -> None:
        """Set the range of the frame energy in the training set, see :func:`vocoders.frontends.energy.mel_energy`."""
        if self.config.energy is None:
            return
        if not 0 <= energy_min < energy_max:
            raise ConfigError(f"energy from {energy_min:g} to {energy_max:g}; expected 0 <= minimum < maximum")
        self.energy_range.copy_(torch.tensor([float(energy_min), float(energy_max)]))

    def prior(self, features: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Scale standard normal ``noise`` (B, 1, F * hop_length) to a sample of the prior of ``features``."""
        raise NotImplementedError

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of :meth:`forward` for a training batch: features and a sample of the prior.

        Each item's noise comes from its own ``seed``, so it does not depend on how a batch is divided over processes.

        Args:
            batch: ``features`` (B, channels, F), ``seed`` (B,) integers.
        """
        features = batch["features"]
        length = features.shape[-1] * self.hop_length
        noise = [_draw_noise(1, length, seed) for seed in batch["seed"].tolist()]
        return {"features": features, "x": self.prior(features, torch.cat(noise).to(features))}

    @torch.inference_mode()
    def analyze(self, audio: Tensor) -> dict[str, Tensor]:
        """Extract the features that :meth:`synthesize` takes.

        Args:
            audio: (T,), (B, T) or (B, 1, T) in [-1, 1] at ``sample_rate``; a last incomplete frame is dropped.

        Returns:
            ``features`` (B, n_mels, F).

        Raises:
            ConfigError: if the model takes no mel.
            DataError, ShapeError: for audio that cannot be used, see :mod:`vocoders.core.checks`.
        """
        if self.config.condition == "embedding":
            raise ConfigError("this model takes the embeddings of an audio codec; encode the audio with that codec")
        audio = check_mono(audio, _LEAST_FRAMES * self.hop_length)
        return {"features": self.log_mel(audio.to(self.energy_range.device))}

    @torch.inference_mode()
    def synthesize(
        self,
        features: Tensor | None = None,
        *,
        audio: Tensor | None = None,
        sampling: SamplingConfig | None = None,
        chunk_seconds: float | None = None,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Synthesise a waveform from features, or from audio (copy-synthesis).

        The condition encoder is global in time and runs over the whole input; the U-Net reaches a quarter of a second
        and runs through long inputs in windows, which is exact. Memory grows by some megabytes a second of audio.
        ``chunk_seconds`` bounds it whatever the length: chunks are encoded apart and cross-faded, which is not exact.

        Args:
            features: (channels, F) or (B, channels, F).
            audio: instead of features: (T,), (B, T) or (B, 1, T) at ``sample_rate``.
            sampling: solver, steps and temperature; default: those of the model's configuration.
            chunk_seconds: synthesise chunks of this length independently.
            seed: of the noise; the same seed gives the same waveform.
            progress: called with the finished fraction.

        Returns:
            (B, 1, F * hop_length) on the model's device.

        Raises:
            DataError, ShapeError: for tensors that cannot be used, see :mod:`vocoders.core.checks`, or less than two
                frames.
            ConfigError: for chunks of less than a second, or a mel refinement without a mel.
        """
        inputs = self._synthesis_inputs(features, audio, seed)
        sampling = sampling or self.config.sampling
        if sampling.mel_refinement and self.config.condition == "embedding":
            raise ConfigError(
                f"mel_refinement {sampling.mel_refinement}: this model takes embeddings and no mel; set it to 0"
            )
        was_training = self.training
        self.eval()
        try:
            # Normalised weights are computed once, not in every call of the estimator.
            with parametrize.cached():
                waveform = self._synthesize_in_chunks(inputs, sampling, chunk_seconds, progress)
            window = round(self.window_seconds * self.sample_rate / self.hop_length)
            return self.mel_consistency.in_chunks(waveform, inputs["features"], sampling.mel_refinement, window)
        finally:
            self.train(was_training)

    def _synthesis_inputs(self, features: Tensor | None, audio: Tensor | None, seed: int) -> dict[str, Tensor]:
        """Return the tensors that :meth:`_flow` takes, each of a whole number of elements per frame."""
        if audio is not None:
            features = self.analyze(audio)["features"]
        if features is None:
            raise ShapeError(f"{type(self).__name__} needs features or audio; both are missing")
        features = check_features(features, self.config.in_channels, _LEAST_FRAMES).to(self.energy_range)
        noise = _draw_noise(features.shape[0], features.shape[-1] * self.hop_length, seed)
        return {"features": features, "noise": noise.to(features)}

    def _synthesize_in_chunks(
        self,
        inputs: Mapping[str, Tensor],
        sampling: SamplingConfig,
        chunk_seconds: float | None,
        progress: Callable[[float], None] | None,
    ) -> Tensor:
        hop, num_frames = self.hop_length, inputs["features"].shape[-1]
        report = progress or (lambda fraction: None)
        if chunk_seconds is None:
            return self._flow(**inputs, sampling=sampling, report=report)
        if not chunk_seconds >= 1:
            raise ConfigError(f"chunk_seconds {chunk_seconds:g}; expected at least 1")
        spans = chunk_spans(num_frames, round(chunk_seconds * self.sample_rate / hop), -(-self.reach // hop))
        rates = {name: item.shape[-1] // num_frames for name, item in inputs.items()}

        def chunks():
            for span in spans:
                parts = {
                    name: item[..., span.start * rates[name] : span.stop * rates[name]] for name, item in inputs.items()
                }
                yield self._flow(**parts, sampling=sampling, report=lambda _: None)
                report(span.valid_stop / num_frames)

        return join_crossfade(chunks(), spans, hop)

    def _flow(
        self, features: Tensor, noise: Tensor, sampling: SamplingConfig, report: Callable[[float], None]
    ) -> Tensor:
        """Return the waveform (B, 1, F * hop_length) that flows out of standard normal ``noise``."""
        raise NotImplementedError

    def _training_velocity(self, estimator: Estimator, condition: Sequence[Tensor], freeu: FreeU) -> Velocity:
        """Return the velocity field under ``condition``, with gradients."""

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            if self.config.gradient_checkpointing and torch.is_grad_enabled():
                return checkpoint(estimator, x, condition, t, freeu, use_reentrant=False)
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
        """Return the velocity field under ``condition``, in bounded memory; ``rate``: samples of x per second."""
        window = round(self.window_seconds * rate)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            result = velocity_in_chunks(estimator, x, condition, t, freeu, self.config.grid_length, window)
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


def freeu_of(sampling: SamplingConfig) -> FreeU:
    """Return the factors of FreeU as the estimator takes them."""
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
