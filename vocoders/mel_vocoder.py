"""The base of vocoders with a mel, with or without F0: everything but the network."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.options import SynthesisOptions, f0_scale_of
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.f0 import extract_f0, has_tracker
from vocoders.frontends.f0_config import F0Config, F0Method
from vocoders.frontends.front_end import FrontEnd, MelModelConfig
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.mel_f0 import estimate_f0
from vocoders.interface import Vocoder

__all__ = ["MelVocoder", "MelVocoderConfig"]


class MelVocoderConfig(MelModelConfig):
    """Configuration of a vocoder with a mel; a subclass adds the sizes of its network.

    Attributes:
        mel: front end; it also defines sample rate, hop length and number of features.
        f0: how F0 is found in audio for training; ``None``: the vocoder uses none.
        synthesis_f0: tracker of F0 in audio at synthesis, in the range and at the times of ``f0``; ``None``: that of
            ``f0``. Models with equal F0 in Hz can exchange features, so it is no part of the fingerprint.
    """

    mel: MelConfig = MelConfig()
    f0: F0Config | None = None
    synthesis_f0: F0Method | None = None

    @property
    def front_end(self) -> FrontEnd:
        """The mel and F0."""
        return FrontEnd(sample_rate=self.sample_rate, mel=self.mel, f0=self.f0)


MelConfigType = TypeVar("MelConfigType", bound=MelVocoderConfig)


class MelVocoder(PretrainedModel[MelConfigType], Vocoder, nn.Module):
    """A vocoder with a mel, and with F0 if its configuration has a tracker.

    A family states ``family``, ``config_class`` (a :class:`MelVocoderConfig`) and ``options_class``, and defines

    - ``__init__(config)``, which calls this one and makes the layers;
    - ``forward``, pure: tensors in, waveform (B, 1, F * hop_length) out;
    - ``_synthesize``, which draws what is random and calls ``forward``;
    - ``reference_inputs``, with which a stored model is tried;
    - ``draw_inputs``, if ``forward`` takes more than the features;
    - ``statistics`` and ``set_statistics``, if it wants mean and deviation of the training mels.

    Everything else that synthesis, training, packing and evaluation need stands here and in the base classes.

    Args:
        config: front end and sizes.
    """

    def __init__(self, config: MelConfigType) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.mel)

    @property
    def mel(self) -> MelConfig:
        """The mel convention of the features."""
        return self.config.mel

    @property
    def fingerprint(self) -> str:
        """Front end in one line: models with equal lines take the same features."""
        mel, f0 = self.config.mel.fingerprint, self.config.f0
        return mel if f0 is None else f"{mel} | {f0.fingerprint}"

    @property
    def f0_method(self) -> F0Method | None:
        """Tracker of F0 in audio at synthesis; ``None`` for a vocoder without F0."""
        return None if self.config.f0 is None else self.config.synthesis_f0 or self.config.f0.method

    def f0_method_for(self, options: SynthesisOptions | None) -> F0Method | None:
        """Return the tracker of the training where F0 is scaled, if its package is installed, and else ``None``.

        Refinement towards the mel hides errors of the F0 that a mel shows; where the harmonics move, they are heard.
        """
        scaled = options is not None and f0_scale_of(options) != 1.0
        if not scaled or self.config.f0 is None or self.f0_method != "mel" or not has_tracker(self.config.f0.method):
            return None
        return self.config.f0.method

    @property
    def f0_offset(self) -> float:
        """Time of the F0 of frame n minus n hops, in hops."""
        return 0.5 if self.config.f0 is not None and self.config.f0.alignment == "frame_center" else 0.0

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the features, and F0 if the vocoder uses it; see :meth:`PretrainedModel.draw_inputs`."""
        return {name: batch[name] for name in ("features", "f0") if name in batch}

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        if self.f0_method is None:
            return {"features": self.log_mel(audio)}
        return self._analyze_by(audio, self.f0_method)

    def _analyze_by(self, audio: Tensor, f0_method: F0Method) -> dict[str, Tensor]:
        if self.config.f0 is None:
            return super()._analyze_by(audio, f0_method)
        features = self.log_mel(audio)
        if f0_method == "mel":  # the mel is there already
            return {"features": features, "f0": self._estimate_f0(features)}
        tracker = self.config.f0.by(f0_method)
        rate, hop, num_frames = self.sample_rate, self.hop_length, features.shape[-1]
        f0 = [extract_f0(item, rate, hop, tracker, num_frames) for item in audio[:, 0].cpu().numpy()]
        return {"features": features, "f0": torch.from_numpy(np.stack(f0))[:, None].to(audio)}

    def _estimate_f0(self, features: Tensor) -> Tensor:
        return estimate_f0(features, self.mel, self.f0_offset)
