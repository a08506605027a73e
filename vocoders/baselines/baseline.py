"""The common base of the baselines, which are made from a name, or to match a vocoder."""

from abc import abstractmethod
from typing import Self

from torch import Tensor

from vocoders.core.errors import ConfigError, OndesError
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig, from_logarithm
from vocoders.frontends.mel_spectrum import spectrum_of_mel
from vocoders.interface import Vocoder

__all__ = ["BaselineVocoder", "MelBaseline"]

_DEFAULT_MEL = "bigvgan_24k"


class BaselineVocoder(Vocoder):
    """A vocoder without training."""

    @classmethod
    @abstractmethod
    def from_details(cls, details: str) -> Self:
        """Make the baseline from the part of its name after the colon, which may be empty.

        Raises:
            ConfigError: for details that are not understood.
        """

    @classmethod
    @abstractmethod
    def matching(cls, vocoder: Vocoder) -> Self:
        """Make the baseline that takes the same input as ``vocoder``.

        Raises:
            ConfigError: if the baseline cannot take that input.
        """


class MelBaseline(BaselineVocoder):
    """A vocoder without training that starts from a mel.

    Args:
        mel: convention of the input mel; pass that of the vocoder to compare with.
    """

    def __init__(self, mel: MelConfig) -> None:
        self._mel, self.log_mel = mel, LogMel(mel)

    @classmethod
    def from_details(cls, details: str) -> Self:
        """Make the baseline of a mel convention, or of the mel of a model; by default the mel of BigVGAN at 24 kHz."""
        if not details or details in MEL_CONVENTIONS:
            return cls(MEL_CONVENTIONS[details or _DEFAULT_MEL].mel)
        from vocoders.registry import load_vocoder

        try:
            return cls.matching(load_vocoder(details))
        except OndesError as error:
            raise ConfigError(
                f"{error}; give a model with a mel, or a convention: {', '.join(MEL_CONVENTIONS)}"
            ) from None

    @classmethod
    def matching(cls, vocoder: Vocoder) -> Self:
        """Make the baseline for the mel of ``vocoder``; without one, for the first preset of its sample rate."""
        rate = vocoder.sample_rate
        mel = vocoder.mel or next((preset for preset in MEL_PRESETS.values() if preset.sample_rate == rate), None)
        if mel is None:
            found = f"{type(vocoder).__name__} has no mel, and no preset has its {rate} Hz"
            raise ConfigError(f"{found}; leave out the baseline {cls.__name__}")
        return cls(mel)

    @property
    def front_end(self) -> FrontEnd:
        """The input mel."""
        return FrontEnd(sample_rate=self._mel.sample_rate, mel=self._mel)

    @property
    def mel(self) -> MelConfig:
        """Convention of the input mel."""
        return self._mel

    def linear_spectrum(self, features: Tensor) -> Tensor:
        """Return non-negative magnitudes (B, n_fft // 2 + 1, F) whose mel is that of log-mels (B, n_mels, F)."""
        spectrum = spectrum_of_mel(from_logarithm(features, self.mel.log), self.log_mel.basis)
        return spectrum if self.mel.power == 1 else spectrum.sqrt()

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        return {"features": self.log_mel(audio)}
