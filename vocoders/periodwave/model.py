"""The PeriodWave vocoder: prior, condition, flow and training in one module."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vocoders.core.errors import ShapeError
from vocoders.flow import FlowSample, solve, time_grid
from vocoders.frontends.energy import relative_energy
from vocoders.frontends.envelope import EnvelopeFilter
from vocoders.frontends.harmonic import hold_frames
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.mel_consistent_start import MelConsistentPrior, RunningExcitation
from vocoders.frontends.refinement_steps import CLOSING_STEPS
from vocoders.frontends.shaped_start import ShapedStart
from vocoders.interface import Progress
from vocoders.periodwave.base import FlowVocoder, Velocity, call_counter, freeu_of
from vocoders.periodwave.condition import ConditionEncoder
from vocoders.periodwave.config import PeriodWaveConfig
from vocoders.periodwave.estimator import Estimator, FlatEstimator, PairedEstimator
from vocoders.periodwave.options import FlowOptions, FlowSampling
from vocoders.solvers import calls_per_step

__all__ = ["PeriodWave"]


class PeriodWave(FlowVocoder[PeriodWaveConfig]):
    """Multi-period flow matching vocoder (arXiv 2408.07547), and its adversarially tuned Turbo (arXiv 2408.08019).

    ``synthesize`` is inference. Training calls ``forward``: with a time it returns the velocity, without a time the
    waveform, integrated with gradients.

    Args:
        config: see :class:`PeriodWaveConfig`.
    """

    family = "periodwave"
    config_class = PeriodWaveConfig
    options_class = FlowOptions

    def __init__(self, config: PeriodWaveConfig) -> None:
        super().__init__(config)
        width = config.hidden_channels
        self.shaping = EnvelopeFilter(config.mel, config.tilt) if config.domain == "envelope" else None
        self.encoder = ConditionEncoder(config, config.in_channels + (config.energy is not None))
        sizes = {
            "in_channels": 1,
            "width": width,
            "embedding_width": config.embedding_width,
            "periods": config.periods,
            "channels": (width // 16, width // 8, width // 4),
            "strides": (1, 4, 4),
            "dilations": config.dilations,
        }
        self.mel_consistent = None
        if config.prior == "mel_consistent":
            shaper = None
            if config.prior_stages:
                shaper = ShapedStart(config.mel, config.prior_stages, config.prior_channels, config.prior_blocks)
                self.mel_consistency = MelConsistency(self.log_mel, closing=CLOSING_STEPS)
            iterations = config.prior_iterations
            self.mel_consistent = MelConsistentPrior(config.mel, self.mel_consistency, iterations, shaper=shaper)
            self.estimator = PairedEstimator(**sizes)
        elif config.domain == "envelope":
            self.estimator = FlatEstimator(config.noise_scale, **sizes)
        else:
            self.estimator = Estimator(**sizes)

    @property
    def reach(self) -> int:
        """Number of samples to either side on which a call of the estimator can depend."""
        return self.estimator.reach

    @property
    def learns_start(self) -> bool:
        """Whether networks shape harmonics and noise to the start of the flow."""
        return self.mel_consistent is not None and self.mel_consistent.shaper is not None

    def prior_deviation(self, features: Tensor) -> Tensor:
        """Return the deviation of the prior, before ``noise_scale``, for each frame: (B, 1, F)."""
        if self.config.energy is None:
            return torch.ones_like(features[:, :1])
        return relative_energy(features, self.config.energy, self.config.mel.log, self.energy_range)

    def excitation(
        self, features: Tensor, noise: Tensor, temperature: float = 1.0, phase: Tensor | None = None
    ) -> Tensor:
        """Return noise, or for ``prior: mel_consistent`` harmonics and noise; see :meth:`FlowVocoder.excitation`."""
        if self.mel_consistent is None:
            return noise
        return self.mel_consistent.excitation(features, noise, temperature * self.config.noise_scale, phase)

    def running_excitation(self, chunk: int, halo: int, temperature: float) -> Callable[[Tensor, Tensor], Tensor]:
        """Return a function that makes the excitations of chunks; see :meth:`FlowVocoder.running_excitation`."""
        if self.mel_consistent is None:
            return super().running_excitation(chunk, halo, temperature)
        return RunningExcitation(self.mel_consistent, temperature * self.config.noise_scale, chunk, halo)

    def start(self, features: Tensor, excitation: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the start of the flow from an :meth:`excitation`; one with harmonics contains the temperature."""
        if self.mel_consistent is not None:
            return self.mel_consistent(excitation, features).to(excitation)
        if self.shaping is not None:
            return temperature * self.config.noise_scale * self.shaping.excite(excitation, features)
        deviation = hold_frames(self.prior_deviation(features), self.hop_length)
        return excitation * (temperature * self.config.noise_scale) * deviation

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
        """Return the velocity at (x, t), or without ``t`` the waveform at the end of the flow from ``x``.

        One method does both, because distributed training averages the gradients of the module's call, and both kinds
        of training need that.

        Args:
            features: (B, channels, F), F at least 2.
            x: (B, 1, F * hop_length); without ``t`` a sample of :meth:`prior`, or where the model learns the start an
                :meth:`excitation` (B, 2, F * hop_length).
            t: times in [0, 1], (B,).

        Returns:
            (B, 1, F * hop_length). A waveform is not limited to [-1, 1].

        Raises:
            ShapeError: if the shapes do not match, or there are too few frames.
        """
        condition = self.encode(features)
        starts = t is None and self.learns_start
        expected = (features.shape[0], 2 if starts else 1, features.shape[-1] * self.hop_length)
        if tuple(x.shape) != expected:
            raise ShapeError(f"x {tuple(x.shape)}; expected {expected}")
        if t is not None:
            return self.estimator(self._seen(x, features), condition, t)
        if starts:
            x = self.start(features, x)
        sampling = self.config.sampling
        velocity = self._training_velocity(self.estimator, condition, freeu_of(sampling))
        velocity = self._of_audio(velocity, features)
        return self._to_audio(solve(velocity, x, time_grid(sampling.steps, sampling.sway), sampling.solver), features)

    def flow_sample(self, batch: Mapping[str, Any], t: Tensor) -> FlowSample:
        """Return the inputs and the target of a flow matching step at the times ``t`` (B,).

        Args:
            batch: the batch of :meth:`draw_inputs`, with ``audio`` (B, 1, T).
            t: times in [0, 1].
        """
        inputs = self.draw_inputs(batch)
        target = batch["audio"]
        if self.learns_start:
            # A start that follows the loss of the velocity would move towards the mean.
            with torch.no_grad():
                inputs["x"] = self.start(inputs["features"], inputs["x"])
        if self.mel_consistent is not None:
            sample = self.path.sample(inputs["x"], target, t)
            velocity = self._seen(sample.velocity, inputs["features"]).clamp(-10, 10)
            return FlowSample(inputs | {"x": sample.x, "t": sample.t}, velocity, torch.ones_like(velocity))
        if self.shaping is not None:
            # Speech stays below 10; a click where a clip ends and its padding begins may be a hundred times as high.
            target = self.shaping.divide(target, inputs["features"]).clamp(-10, 10)
        sample = self.path.sample(inputs["x"], target, t)
        deviation = hold_frames(self.prior_deviation(inputs["features"]), self.hop_length)
        return FlowSample(inputs | {"x": sample.x, "t": sample.t}, sample.velocity, deviation)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`, half a second long."""
        features, noise = self._reference_signals()
        if self.learns_start:
            return {"features": features, "x": self.excitation(features, noise)}
        deviation = hold_frames(torch.linspace(0.1, 1.0, features.shape[-1]).view(1, 1, -1), self.hop_length)
        return {"features": features, "x": noise * self.config.noise_scale * deviation}

    def _flow(self, features: Tensor, excitation: Tensor, sampling: FlowSampling, report: Progress) -> Tensor:
        count = call_counter(sampling.steps * calls_per_step(sampling.solver), report)
        condition = self.encode(features)
        velocity = self._windowed_velocity(self.estimator, condition, freeu_of(sampling), count, self.sample_rate)
        velocity = self._of_audio(velocity, features)
        x = self.start(features, excitation, sampling.temperature)
        return self._to_audio(solve(velocity, x, time_grid(sampling.steps, sampling.sway), sampling.solver), features)

    def _to_audio(self, signal: Tensor, features: Tensor) -> Tensor:
        """Return audio from the end of a flow."""
        if self.shaping is None or self.mel_consistent is not None:
            return signal
        return self._filtered(self.shaping.multiply, signal, features)

    def _of_audio(self, velocity: Velocity, features: Tensor) -> Velocity:
        """Return the velocity of the state from that of what the network sees."""
        if self.shaping is None or self.mel_consistent is None:
            return velocity
        multiply = self.shaping.multiply
        return lambda x, t: self._filtered(multiply, velocity(self._seen(x, features), t), features)

    def _seen(self, x: Tensor, features: Tensor) -> Tensor:
        """Return what the network sees of a state of the flow."""
        if self.shaping is None or self.mel_consistent is None:
            return x
        return self._filtered(self.shaping.divide, x, features)

    @staticmethod
    def _filtered(apply: Callable[[Tensor, Tensor], Tensor], signal: Tensor, features: Tensor) -> Tensor:
        # The network may run in half precision, but the filter must not.
        with torch.autocast(signal.device.type, enabled=False):
            return apply(signal.float(), features.float())
