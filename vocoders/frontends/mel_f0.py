"""F0 from the log-mels of any vocoder, by the shipped estimator."""

from functools import lru_cache

import torch
from torch import Tensor

from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_conversion import ForeignMel, interpolate_contour
from vocoders.frontends.mel_pitch import MelPitch, shipped_mel_pitch

__all__ = ["estimate_f0", "octaves_from_mel"]

_LEAST_FRAMES = 10


@torch.inference_mode()
def estimate_f0(
    features: Tensor, mel: MelConfig, offset: float | None = None, estimator: MelPitch | None = None
) -> Tensor:
    """Estimate F0 from log-mels alone; see :class:`~vocoders.frontends.mel_pitch.MelPitch`.

    Mels of another kind than the estimator's are converted (:class:`~vocoders.frontends.mel_conversion.ForeignMel`).
    The result is best where the mel has windows of about 40 ms and 80 bands or more.

    Args:
        features: log-mels (B, n_mels, F), finite.
        mel: what they are.
        offset: time of the F0 of frame n minus n hops, in hops; ``None``: that of the centres of the mel's frames.
        estimator: the network; ``None``: the shipped one.

    Returns:
        (B, 1, F) in Hz, 0 = unvoiced, on the device of ``features``.

    Raises:
        CheckpointError: if the estimator's files are damaged.
    """
    estimator = estimator or shipped_mel_pitch()
    foreign, back = _conversions(mel, estimator.config.mel)  # pyright: ignore[reportArgumentType]  (frozen: hashable)
    log_mel = features.detach().cpu().float()
    f0 = estimator.estimate(log_mel if foreign.is_native else foreign.convert(log_mel))
    positions = back.frame_positions(f0.shape[-1], offset)[: features.shape[-1]]
    return interpolate_contour(f0, positions).to(features.device)


def octaves_from_mel(f0: Tensor, features: Tensor, mel: MelConfig) -> float:
    """Return by how many octaves F0 lies above that of a mel: the median of frames voiced in both, 0 if they are few.

    Args:
        f0: (1, 1, F) in Hz, 0 = unvoiced.
        features: log-mels (1, n_mels, F), finite.
        mel: what they are.
    """
    own = estimate_f0(features, mel)
    both = (own > 0) & (f0 > 0)
    if int(both.sum()) < _LEAST_FRAMES:
        return 0.0
    return float(torch.log2(f0[both] / own[both]).median())


@lru_cache(maxsize=4)
def _conversions(mel: MelConfig, own: MelConfig) -> tuple[ForeignMel, ForeignMel]:
    """Return the conversion to the estimator's mel and the one back; streams need them for every frame."""
    return ForeignMel(MelConvention(mel=mel), own), ForeignMel(MelConvention(mel=own), mel)
