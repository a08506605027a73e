"""The PeriodWave vocoder: front end, prior, condition, flow and synthesis in one module."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from vocoders.core.chunking import chunk_spans, join_crossfade
from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.flow import FlowSample, ProbabilityPath, calls_per_step, solve, time_grid
from vocoders.frontends.energy import relative_energy
from vocoders.frontends.harmonic import hold_frames
from vocoders.frontends.mel import LogMel
from vocoders.periodwave.condition import ConditionEncoder
from vocoders.periodwave.config import PeriodWaveConfig, SamplingConfig
from vocoders.periodwave.estimator import Estimator, FreeU
from vocoders.periodwave.streaming import velocity_in_chunks

__all__ = ["PeriodWave"]


class PeriodWave(PretrainedModel, nn.Module):
    """Multi-period flow matching vocoder (arXiv 2408.07547), and its adversarially tuned Turbo (arXiv 2408.08019).

    ``synthesize`` is inference. Training calls ``forward``: with a time for the velocity field, without for a waveform
    integrated with gradients.

    Args:
        config: see :class:`PeriodWaveConfig`.
    """

    family = "periodwave"
    config_class = PeriodWaveConfig
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
        self.path = ProbabilityPath(config.sigma_min)
        energy = config.energy
        span = (energy.energy_min, energy.energy_max) if energy is not None else (0.0, 1.0)
        self.register_buffer("energy_range", torch.tensor(span))
        width = config.hidden_channels
        self.encoder = ConditionEncoder(config, config.in_channels + (energy is not None))
        self.estimator = Estimator(
            in_channels=1,
            width=width,
            embedding_width=config.embedding_width,
            periods=config.periods,
            channels=(width // 16, width // 8, width // 4),
            strides=(1, 4, 4),
            dilations=config.dilations,
        )

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

    def set_statistics(self, energy_min: float, energy_max: float) -> None:
        """Set the range of the frame energy in the training set, see :func:`vocoders.frontends.energy.mel_energy`."""
        if self.config.energy is None:
            return
        if not 0 <= energy_min < energy_max:
            raise ConfigError(f"energy from {energy_min:g} to {energy_max:g}; expected 0 <= minimum < maximum")
        self.energy_range.copy_(torch.tensor([float(energy_min), float(energy_max)]))

    def prior_deviation(self, features: Tensor) -> Tensor:
        """Return the deviation of the prior, before ``noise_scale``, for each frame: (B, 1, F)."""
        if self.config.energy is None:
            return torch.ones_like(features[:, :1])
        return relative_energy(features, self.config.energy, self.config.mel.log, self.energy_range)

    def prior(self, features: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Scale standard normal ``noise`` (B, 1, F * hop_length) to a sample of the prior of ``features``."""
        deviation = hold_frames(self.prior_deviation(features), self.hop_length)
        return noise * (temperature * self.config.noise_scale) * deviation

    def encode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the condition of each period for the estimator.

        Args:
            features: (B, channels, F), F at least 2.
        """
        self._check_features(features)
        if self.config.energy is not None:
            features = torch.cat([features, self.prior_deviation(features)], dim=1)
        return self.encoder(features)

    def forward(self, features: Tensor, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Return the velocity at (x, t), or without ``t`` the waveform that flows out of ``x``.

        Both are here, so that both kinds of training run through the module's own call, where distributed training
        averages gradients.

        Args:
            features: (B, channels, F), F at least 2.
            x: (B, 1, F * hop_length); without ``t`` a sample of :meth:`prior`.
            t: times in [0, 1], (B,).

        Returns:
            (B, 1, F * hop_length). A waveform is not limited to [-1, 1].

        Raises:
            ShapeError: if the shapes do not belong together, or there are too few frames.
        """
        condition = self.encode(features)
        expected = (features.shape[0], 1, features.shape[-1] * self.hop_length)
        if tuple(x.shape) != expected:
            raise ShapeError(f"x {tuple(x.shape)}; expected {expected}")
        if t is not None:
            return self.estimator(x, condition, t)
        sampling = self.config.sampling
        freeu = _freeu(sampling)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            if self.config.gradient_checkpointing and torch.is_grad_enabled():
                return checkpoint(self.estimator, x, condition, t, freeu, use_reentrant=False)
            return self.estimator(x, condition, t, freeu)

        return solve(velocity, x, time_grid(sampling.steps, sampling.sway), sampling.solver)

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

    def flow_sample(self, batch: Mapping[str, Any], t: Tensor) -> FlowSample:
        """Return what flow matching needs for a training batch at the times ``t`` (B,).

        Args:
            batch: as for :meth:`draw_inputs`, and ``audio`` (B, 1, T).
            t: times in [0, 1].
        """
        inputs = self.draw_inputs(batch)
        sample = self.path.sample(inputs["x"], batch["audio"], t)
        deviation = hold_frames(self.prior_deviation(inputs["features"]), self.hop_length)
        return FlowSample(inputs | {"x": sample.x, "t": sample.t}, sample.velocity, deviation)

    @torch.inference_mode()
    def analyze(self, audio: Tensor) -> dict[str, Tensor]:
        """Extract the features that :meth:`synthesize` takes.

        Args:
            audio: (T,), (B, T) or (B, 1, T) in [-1, 1] at ``sample_rate``; a last incomplete frame is dropped.

        Returns:
            ``features`` (B, n_mels, F).
        """
        if self.config.condition == "embedding":
            raise ConfigError("this model takes the embeddings of an audio codec; encode the audio with that codec")
        audio = audio.float()
        audio = audio if audio.dim() == 3 else audio.reshape(-1, 1, audio.shape[-1])
        if audio.dim() != 3 or audio.shape[1] != 1:
            raise ShapeError(f"audio of shape {tuple(audio.shape)}; expected (T,), (B, T) or (B, 1, T)")
        if audio.shape[-1] < 2 * self.hop_length:
            raise DataError(f"{audio.shape[-1]} samples of audio; PeriodWave needs at least {2 * self.hop_length}")
        if not torch.isfinite(audio).all():
            raise DataError("the audio contains NaN or infinite samples")
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
            ShapeError: for tensors of another shape or less than two frames.
            ConfigError: for chunks of less than a second.
        """
        if audio is not None:
            features = self.analyze(audio)["features"]
        if features is None:
            raise ShapeError("PeriodWave needs features or audio; both are missing")
        features = (features if features.dim() == 3 else features[None]).to(self.energy_range)
        self._check_features(features)
        sampling = sampling or self.config.sampling
        noise = _draw_noise(features.shape[0], features.shape[-1] * self.hop_length, seed).to(features)
        was_training = self.training
        self.eval()
        try:
            # Normalised weights are computed once, not in every call of the estimator.
            with parametrize.cached():
                return self._synthesize_in_chunks(features, noise, sampling, chunk_seconds, progress)
        finally:
            self.train(was_training)

    def _synthesize_in_chunks(
        self,
        features: Tensor,
        noise: Tensor,
        sampling: SamplingConfig,
        chunk_seconds: float | None,
        progress: Callable[[float], None] | None,
    ) -> Tensor:
        hop, num_frames = self.hop_length, features.shape[-1]
        report = progress or (lambda fraction: None)
        if chunk_seconds is None:
            return self._flow(features, noise, sampling, report)
        if not chunk_seconds >= 1:
            raise ConfigError(f"chunk_seconds {chunk_seconds:g}; expected at least 1")
        halo = -(-self.estimator.reach // hop)
        spans = chunk_spans(num_frames, round(chunk_seconds * self.sample_rate / hop), halo)

        def chunks():
            for span in spans:
                part = slice(span.start * hop, span.stop * hop)
                yield self._flow(features[..., span.start : span.stop], noise[..., part], sampling, lambda _: None)
                report(span.valid_stop / num_frames)

        return join_crossfade(chunks(), spans, hop)

    def _flow(
        self, features: Tensor, noise: Tensor, sampling: SamplingConfig, report: Callable[[float], None]
    ) -> Tensor:
        condition = self.encode(features)
        freeu = _freeu(sampling)
        window = round(self.window_seconds * self.sample_rate)
        calls = sampling.steps * calls_per_step(sampling.solver)
        finished = 0

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            nonlocal finished
            result = velocity_in_chunks(self.estimator, x, condition, t, freeu, self.config.grid_length, window)
            finished += 1
            report(finished / calls)
            return result

        x = self.prior(features, noise, sampling.temperature)
        return solve(velocity, x, time_grid(sampling.steps, sampling.sway), sampling.solver)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`, half a second long."""
        num_frames = max(round(0.5 * self.sample_rate / self.hop_length), 2)
        generator = torch.Generator().manual_seed(0)
        tilt = torch.linspace(-1.0, -6.0, self.config.in_channels)[None, :, None]
        features = tilt + 0.5 * torch.randn(1, self.config.in_channels, num_frames, generator=generator)
        noise = torch.randn(1, 1, num_frames * self.hop_length, generator=generator)
        deviation = hold_frames(torch.linspace(0.1, 1.0, num_frames).view(1, 1, -1), self.hop_length)
        return {"features": features, "x": noise * self.config.noise_scale * deviation}

    def _check_features(self, features: Tensor) -> None:
        if features.dim() != 3 or features.shape[1] != self.config.in_channels:
            raise ShapeError(f"features {tuple(features.shape)}; expected (B, {self.config.in_channels}, F)")
        if features.shape[-1] < 2:
            raise ShapeError(f"{features.shape[-1]} frames; PeriodWave needs at least 2")


def _freeu(sampling: SamplingConfig) -> FreeU:
    return FreeU(*sampling.freeu) if sampling.freeu is not None else FreeU()


def _draw_noise(batch: int, length: int, seed: int) -> Tensor:
    return torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(seed))
