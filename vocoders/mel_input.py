"""Synthesis from features of any mel convention: conversion, the vocoder, refinement under the given filters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vocoders.core.checks import check_f0
from vocoders.core.errors import ConfigError
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_conversion import ForeignMel, interpolate_contour
from vocoders.frontends.mel_f0 import estimate_f0
from vocoders.frontends.speech_envelope import Beyond

if TYPE_CHECKING:
    from vocoders.interface import Progress, Vocoder

__all__ = ["MelInput"]


@dataclass(frozen=True)
class MelInput:
    """Features of a convention, on their way through a vocoder.

    Attributes:
        convention: what the numbers of the features mean.
        beyond: what is outside of their bands.
    """

    convention: MelConvention
    beyond: Beyond = "speech"

    def synthesize(
        self, vocoder: "Vocoder", features: Any, f0: Any, options: Any, seed: int, progress: "Progress | None"
    ) -> Tensor:
        """Return a waveform (B, 1, T) at the vocoder's rate, with the duration of the features.

        Args:
            vocoder: a vocoder with a mel.
            features: in the axes of the convention, with or without items.
            f0: in Hz, one value per frame of the features, at the centre of the frame; ``None``: without F0.
            options: all options of the vocoder; its mel refinement is done under both mels.
            seed: seed of the vocoder.
            progress: called with the finished fraction.

        Raises:
            ConfigError: if the vocoder has no mel.
            ShapeError, DataError: as :meth:`MelConvention.to_log_mel`.
        """
        foreign, log_mel = self._foreign(vocoder), self.convention.to_log_mel(features)
        if foreign.is_native:
            return vocoder.synthesize(log_mel, f0, options=options, seed=seed, progress=progress)
        own = self.native(vocoder, features, f0)
        waveform = vocoder.synthesize(own["features"], own.get("f0"), options=options, seed=seed, progress=progress)
        waveform = waveform[..., : foreign.num_samples(log_mel.shape[-1])]
        return foreign.refine(waveform.cpu(), log_mel, vocoder.refinement_iterations(options)).to(waveform)

    def native(self, vocoder: "Vocoder", features: Any, f0: Any = None) -> dict[str, Tensor]:
        """Return features, and F0 if given, in the mel and the frames of a vocoder; arguments and errors as above."""
        foreign, log_mel = self._foreign(vocoder), self.convention.to_log_mel(features)
        if f0 is not None:
            f0 = check_f0(f0, log_mel)
        if foreign.is_native:
            return {"features": log_mel} if f0 is None else {"features": log_mel, "f0": f0}
        converted = foreign.convert(log_mel, f0)
        if f0 is not None:
            positions = foreign.frame_positions(log_mel.shape[-1], vocoder.f0_offset)
            return {"features": converted, "f0": interpolate_contour(f0, positions)}
        if foreign.hides_harmonics:
            found = estimate_f0(converted, foreign.target)
            converted = foreign.convert(log_mel, foreign.at_given_frames(found, log_mel.shape[-1]))
        return {"features": converted}

    def _foreign(self, vocoder: "Vocoder") -> ForeignMel:
        if vocoder.mel is None:
            raise ConfigError(f"{type(vocoder).__name__} takes no mel; leave out the mel convention")
        return ForeignMel(self.convention, vocoder.mel, self.beyond)
