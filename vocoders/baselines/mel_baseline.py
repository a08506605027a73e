"""What baselines that start from a mel have in common."""

import torch
from torch import Tensor

from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.interface import Vocoder

__all__ = ["MelBaseline"]


class MelBaseline(Vocoder):
    """A vocoder without training that starts from a mel.

    Args:
        mel: the mel that it starts from; take that of the vocoder beside it.
    """

    def __init__(self, mel: MelConfig) -> None:
        self._mel, self.log_mel = mel, LogMel(mel)
        self._inverse_basis = torch.linalg.pinv(self.log_mel.basis.double()).float()

    @property
    def mel(self) -> MelConfig:
        """The mel that the features are."""
        return self._mel

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.mel.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.mel.hop_length

    @property
    def num_features(self) -> int:
        """Number of mel bands."""
        return self.mel.n_mels

    @property
    def fingerprint(self) -> str:
        """The mel in one line."""
        return self.mel.fingerprint

    def linear_spectrum(self, features: Tensor) -> Tensor:
        """Return the magnitudes (B, n_fft // 2 + 1, F) whose mel is nearest to log-mels (B, n_mels, F).

        The spectrum is the least-squares solution of ``mel = basis @ spectrum`` (pseudo-inverse), cut at zero.
        """
        mel = features.exp() if self.mel.log == "ln" else 10.0**features
        spectrum = torch.matmul(self._inverse_basis, mel).clamp(min=0.0)
        return spectrum if self.mel.power == 1 else spectrum.sqrt()

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        return {"features": self.log_mel(audio)}
