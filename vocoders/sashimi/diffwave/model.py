"""DiffWave-SaShiMi: front end, schedule, network and sampling in one module."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.mel import LogMel
from vocoders.interface import Generation, Kind, Progress, Vocoder, WaveformGenerator
from vocoders.layers.s4.kernel import copy_weights
from vocoders.sashimi.diffwave.config import DiffwaveSashimiConfig
from vocoders.sashimi.diffwave.network import NoiseEstimator
from vocoders.sashimi.diffwave.options import DiffusionOptions

__all__ = ["DiffwaveSashimi"]


# Neither kind has a stream; pyright compares the two methods.
class DiffwaveSashimi(  # pyright: ignore[reportIncompatibleMethodOverride]
    PretrainedModel[DiffwaveSashimiConfig], Vocoder, WaveformGenerator, nn.Module
):
    """Diffusion of waveforms with the SaShiMi backbone (arXiv 2202.09729, section 4.3).

    ``forward`` estimates noise. A model with a mel is a vocoder; one without a mel is a generator, which draws
    waveforms unconditionally.

    Args:
        config: see :class:`DiffwaveSashimiConfig`.
    """

    family = "diffwave_sashimi"
    config_class = DiffwaveSashimiConfig
    options_class = DiffusionOptions

    def __init__(self, config: DiffwaveSashimiConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = None if config.mel is None else LogMel(config.mel)
        self.schedule = config.diffusion.schedule()
        self.network = NoiseEstimator(config)

    @property
    def kind(self) -> Kind:
        """``vocoder`` with a mel, ``generator`` without."""
        return "generator" if self.config.mel is None else "vocoder"

    def forward(self, x: Tensor, steps: Tensor, features: Tensor | None = None) -> Tensor:
        """Estimate the noise in noisy waveforms.

        Args:
            x: (B, 1, L).
            steps: diffusion step of each item, (B,), whole or fractional, in [0, T - 1].
            features: log-mel (B, n_mels, F) with F * hop_length >= L, for a conditional model.

        Returns:
            (B, 1, L).

        Raises:
            ShapeError: if the shapes do not match.
        """
        self._check_shapes(x, steps, features)
        return self.network(x, steps, features)

    def start_from(self, trained: Self) -> None:
        """Copy the weights of a model of the same shape, trained with any ``kernel_length``.

        Raises:
            RuntimeError: if the weights are of another shape.
        """
        copy_weights(trained, self)

    def generate(self, *arguments: Any, **how: Any) -> Generation:
        """Draw waveforms from an unconditional model, item by item; see :class:`WaveformGenerator`.

        Raises:
            ConfigError: for a model with a mel, or a prompt or a label.
        """
        if self.log_mel is not None:
            raise ConfigError("this model makes audio from features, not from nothing; use synthesize")
        return super().generate(*arguments, **how)

    @torch.inference_mode()
    def _generate(
        self,
        length: int,
        items: Sequence[int],
        prompt: Tensor | None,
        label: str | None,
        seed: int,
        options: DiffusionOptions,
        progress: Progress,
    ) -> Generation:
        def part(done: int) -> Progress:
            return lambda fraction: progress((done + fraction) / len(items))

        drawn = [
            self._draw((1, 1, length), None, options, _item_seed(seed, number), part(done))
            for done, number in enumerate(items)
        ]
        return Generation(audio=torch.cat(drawn).float(), length=length)

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        return {"features": self._check_conditional()(audio)}

    def _checked_inputs(self, features: Tensor | None, f0: Tensor | None) -> dict[str, Tensor]:
        self._check_conditional()
        return super()._checked_inputs(features, f0)

    def _synthesize(
        self, inputs: dict[str, Tensor], options: DiffusionOptions, seed: int, progress: Progress
    ) -> Tensor:
        features = inputs["features"]
        shape = (len(features), 1, features.shape[-1] * self.hop_length)
        return self._draw(shape, features, options, seed, progress)

    def _draw(
        self, shape: tuple[int, ...], features: Tensor | None, options: DiffusionOptions, seed: int, progress: Progress
    ) -> Tensor:
        schedule = self.schedule if options.betas is None else self.schedule.reduced(options.betas)
        weight, generator = self.network.output.weight, torch.Generator().manual_seed(seed)
        x = torch.randn(shape, generator=generator).to(weight)
        for index in reversed(range(len(schedule))):
            steps = schedule.steps[index].to(weight).expand(shape[0])
            estimate = self(x, steps, features)
            x = schedule.denoise(x, estimate, index, torch.randn(shape, generator=generator).to(weight))
            progress(1 - index / len(schedule))
        return x

    def _check_conditional(self) -> LogMel:
        if self.log_mel is None:
            raise ConfigError("this model is unconditional: it takes no features; use generate")
        return self.log_mel

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


def _item_seed(seed: int, item: int) -> int:
    """Return the seed of an item, whose noise does not depend on the other items."""
    mixed = np.random.SeedSequence([seed % (1 << 64), item]).generate_state(1, np.uint64)
    return int(mixed[0]) >> 1
