"""WORLD: analysis and synthesis of speech by a source-filter model, with uncompressed features."""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vocoders.baselines.baseline import BaselineVocoder
from vocoders.baselines.options import WorldOptions
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.f0_config import F0Method
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.world import import_world
from vocoders.interface import Progress, Vocoder

__all__ = ["World"]

_FRAME_SECONDS = 0.005


class World(BaselineVocoder):
    """WORLD (Morise et al. 2016): Harvest, CheapTrick and D4C every 5 ms.

    The features are the envelope and the aperiodicity, concatenated along the bins. There is a frame at each multiple
    of the hop, the end included: T samples have F = T // hop_length + 1 frames, which give (F - 1) * hop_length
    samples. The excitation is deterministic and ignores the seed.

    Args:
        sample_rate: in Hz.

    Raises:
        MissingExtraError: if pyworld is not installed.
    """

    options_class = WorldOptions

    def __init__(self, sample_rate: int = 24000) -> None:
        self._sample_rate = sample_rate
        import_world("baseline 'world'")

    @classmethod
    def from_details(cls, details: str) -> Self:
        """Make WORLD for a sample rate in Hz; by default 24000."""
        if details and not (details.isdecimal() and 8000 <= int(details) <= 192000):
            raise ConfigError(f"'world:{details}': expected a sample rate from 8000 to 192000 Hz, such as world:48000")
        return cls(int(details or 24000))

    @classmethod
    def matching(cls, vocoder: Vocoder) -> Self:
        """Make WORLD for the sample rate of ``vocoder``."""
        return cls(vocoder.sample_rate)

    @property
    def uses_f0(self) -> bool:
        """True: the excitation follows F0."""
        return True

    @property
    def front_end(self) -> FrontEnd:
        """Audio, from which WORLD extracts features of its own."""
        return FrontEnd(sample_rate=self._sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return round(_FRAME_SECONDS * self.sample_rate)

    @property
    def num_features(self) -> int:
        """Bins of envelope and aperiodicity together."""
        return 2 * (self._world.get_cheaptrick_fft_size(self.sample_rate) // 2 + 1)

    @property
    def f0_method(self) -> F0Method:
        """Harvest."""
        return "harvest"

    @property
    def fingerprint(self) -> str:
        """Front end in one line."""
        return f"WORLD envelope and aperiodicity {self.sample_rate} Hz hop={self.hop_length}"

    @property
    def _world(self) -> Any:
        return import_world("baseline 'world'")

    @property
    def _frame_milliseconds(self) -> float:
        return 1000 * self.hop_length / self.sample_rate

    def _checked_inputs(self, features: Tensor | None, f0: Tensor | None) -> dict[str, Tensor]:
        if features is None or f0 is None or features.shape[-2:-1] != (self.num_features,):
            raise ShapeError("WORLD needs its own envelope, aperiodicity and f0; give audio, not the features of a mel")
        return super()._checked_inputs(features, f0)

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        items = [self._decompose(item[0].double().numpy()) for item in audio]
        features, f0 = (torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))
        return {"features": features, "f0": f0[:, None]}

    def _synthesize(self, inputs: dict[str, Tensor], options: WorldOptions, seed: int, progress: Progress) -> Tensor:
        pairs = zip(inputs["features"], inputs["f0"], strict=True)
        waveforms = [self._compose(features, f0, options.f0_scale) for features, f0 in pairs]
        progress(1.0)
        return torch.stack(waveforms)[:, None]

    def _decompose(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f0, times = self._world.harvest(samples, self.sample_rate, frame_period=self._frame_milliseconds)
        envelope = self._world.cheaptrick(samples, f0, times, self.sample_rate)
        aperiodicity = self._world.d4c(samples, f0, times, self.sample_rate)
        return np.concatenate([envelope, aperiodicity], axis=1).T.astype(np.float32), f0.astype(np.float32)

    def _compose(self, features: Tensor, f0: Tensor, f0_scale: float) -> Tensor:
        frames = features.double().numpy().T
        envelope, aperiodicity = (np.ascontiguousarray(half) for half in np.split(frames, 2, axis=1))
        pitch = f0.double().numpy().reshape(-1) * f0_scale
        signal = self._world.synthesize(pitch, envelope, aperiodicity, self.sample_rate, self._frame_milliseconds)
        num_samples = (len(pitch) - 1) * self.hop_length
        signal = np.pad(signal, (0, max(0, num_samples - len(signal))))[:num_samples]
        return torch.from_numpy(signal.astype(np.float32))
