"""DiffWave-SaShiMi: front end, schedule, network and sampling in one module."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vocoders.core.checks import check_features
from vocoders.core.errors import ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.mel import LogMel
from vocoders.layers.s4.kernel import copy_weights
from vocoders.sashimi.diffwave.config import DiffwaveSashimiConfig
from vocoders.sashimi.diffwave.network import NoiseEstimator

__all__ = ["DiffwaveSashimi"]


class DiffwaveSashimi(PretrainedModel, nn.Module):
    """Diffusion of waveforms with the SaShiMi backbone (arXiv 2202.09729, section 4.3).

    ``forward`` estimates noise, as training does; ``synthesize`` draws waveforms.

    Args:
        config: see :class:`DiffwaveSashimiConfig`.
    """

    family = "diffwave_sashimi"
    config_class = DiffwaveSashimiConfig

    def __init__(self, config: DiffwaveSashimiConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = None if config.mel is None else LogMel(config.mel)
        self.schedule = config.diffusion.schedule()
        self.network = NoiseEstimator(config)

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame of features; 1 for an unconditional model."""
        return 1 if self.config.mel is None else self.config.mel.hop_length

    @property
    def fingerprint(self) -> str:
        """Front end in one line: two models with the same line take the same features."""
        return f"audio {self.sample_rate} Hz" if self.config.mel is None else self.config.mel.fingerprint

    def forward(self, x: Tensor, steps: Tensor, features: Tensor | None = None) -> Tensor:
        """Estimate the noise in noisy waveforms.

        Args:
            x: (B, 1, L).
            steps: diffusion step of each item, (B,), whole or fractional, in [0, T - 1].
            features: log-mel (B, n_mels, F) with F * hop_length >= L, for a conditional model.

        Returns:
            (B, 1, L).

        Raises:
            ShapeError: if the shapes do not belong together.
        """
        self._check_shapes(x, steps, features)
        return self.network(x, steps, features)

    def start_from(self, trained: "DiffwaveSashimi") -> None:
        """Take the weights of a model of the same shape, whatever ``kernel_length`` it was trained with.

        Raises:
            RuntimeError: if the weights are of another shape.
        """
        copy_weights(trained, self)

    @torch.inference_mode()
    def synthesize(
        self,
        features: Tensor | None = None,
        num_samples: int | None = None,
        num: int = 1,
        betas: Sequence[float] | None = None,
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Draw waveforms; the same seed gives the same ones.

        Args:
            features: log-mel (n_mels, F) or (B, n_mels, F), for a conditional model.
            num_samples: length of an unconditional waveform; ``None``: the kernel length, or one second.
            num: number of unconditional waveforms.
            betas: variances of a shorter schedule; ``None``: the schedule of training.
            seed: of all noise.
            progress: called with the finished fraction.

        Returns:
            (B, 1, L) on the model's device; not limited to [-1, 1].

        Raises:
            DataError, ShapeError: for features that cannot be used, see :mod:`vocoders.core.checks`, or none where they
                are needed; for no waveforms or no samples.
            ConfigError: for impossible betas.
        """
        weight = self.network.output.weight
        if num < 1 or (num_samples is not None and num_samples < 1):
            raise ShapeError(f"{num_samples} samples of {num} waveforms; expected at least 1 of each")
        if features is not None and self.config.mel is not None:
            features = check_features(features, self.config.mel.n_mels).to(weight)
            shape = (features.shape[0], 1, features.shape[-1] * self.hop_length)
        else:
            shape = (num, 1, num_samples or self.config.kernel_length or self.sample_rate)
        schedule = self.schedule if betas is None else self.schedule.reduced(betas)
        generator = torch.Generator().manual_seed(seed)
        was_training = self.training
        self.eval()
        try:
            x = torch.randn(shape, generator=generator).to(weight)
            for index in reversed(range(len(schedule))):
                steps = schedule.steps[index].to(weight).expand(shape[0])
                estimate = self(x, steps, features)
                x = schedule.denoise(x, estimate, index, torch.randn(shape, generator=generator).to(weight))
                if progress is not None:
                    progress(1 - index / len(schedule))
            return x
        finally:
            self.train(was_training)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`."""
        generator = torch.Generator().manual_seed(0)
        length = -(-2000 // self.hop_length) * self.hop_length
        inputs = {"x": torch.randn(1, 1, length, generator=generator), "steps": torch.tensor([10.0])}
        if self.config.mel is not None:
            shape = (1, self.config.mel.n_mels, length // self.hop_length)
            inputs["features"] = torch.randn(shape, generator=generator) - 4
        return inputs

    def _check_shapes(self, x: Tensor, steps: Tensor, features: Tensor | None) -> None:
        if x.dim() != 3 or x.shape[1] != 1 or x.shape[-1] == 0:
            raise ShapeError(f"noisy audio {tuple(x.shape)}; expected (B, 1, L)")
        if tuple(steps.shape) != (x.shape[0],):
            raise ShapeError(f"steps {tuple(steps.shape)}; expected ({x.shape[0]},), one for each item")
        mel = self.config.mel
        if mel is None and features is not None:
            raise ShapeError("the model is unconditional and takes no features; leave them out")
        if mel is None:
            return
        if features is None:
            raise ShapeError(f"the model is conditional and has no features; expected (B, {mel.n_mels}, F)")
        if features.dim() != 3 or features.shape[:2] != (x.shape[0], mel.n_mels):
            raise ShapeError(f"features {tuple(features.shape)}; expected ({x.shape[0]}, {mel.n_mels}, F)")
        frames, samples = features.shape[-1], x.shape[-1]
        if frames * mel.hop_length < samples:
            raise ShapeError(f"{frames} frames for {samples} samples; expected one for each {mel.hop_length}")
