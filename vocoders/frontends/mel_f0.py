"""F0 from the log-mels of any convention, by the shipped estimator."""

import torch
from torch import Tensor

from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.mel_pitch import MelPitch, shipped_mel_pitch
from vocoders.frontends.mel_spectrum import spectrum_of_mel

__all__ = ["contour_at", "estimate_f0"]


@torch.inference_mode()
def estimate_f0(features: Tensor, mel: MelConfig, offset: float | None = None) -> Tensor:
    """Estimate F0 from log-mels alone; see :class:`~vocoders.frontends.mel_pitch.MelPitch`.

    Mels of another convention than the estimator's become a spectrum, from which its mel is computed at its own frame
    distance. The result is best where the mel has windows of about 40 ms and 80 bands or more.

    Args:
        features: log-mels (B, n_mels, F), finite.
        mel: their convention.
        offset: time of frame n minus n hops, in hops; ``None``: that of the centres of the mel's frames.

    Returns:
        (B, 1, F) in Hz, 0 = unvoiced, on the device of ``features``.

    Raises:
        CheckpointError: if the estimator's files are damaged.
    """
    estimator = shipped_mel_pitch()
    own = estimator.config.mel
    centre = 0.5 if mel.padding.startswith("same") else 0.0
    offset = centre if offset is None else offset
    num_frames = features.shape[-1]
    log_mel = features.detach().cpu().float()
    if (mel.fingerprint, offset) == (own.fingerprint, centre):
        return estimator.estimate(log_mel).to(features.device)
    hop, own_hop = mel.hop_length / mel.sample_rate, own.hop_length / own.sample_rate
    own_frames = max(1, round(num_frames * hop / own_hop))
    if mel.fingerprint != own.fingerprint:
        # Frame n of the estimator's mel is centred at n + 1/2 of its hops.
        times = (torch.arange(own_frames) + 0.5) * own_hop / hop - centre
        log_mel = _interpolate(_convert(log_mel, mel, estimator), times)
    f0 = estimator.estimate(log_mel)
    times = (torch.arange(num_frames) + offset) * hop / own_hop - 0.5
    return contour_at(f0, times).to(features.device)


def _convert(log_mel: Tensor, mel: MelConfig, estimator: MelPitch) -> Tensor:
    """Return the estimator's log-mel of log-mels (B, n_mels, F) of another convention, at the same frames."""
    own = LogMel(estimator.config.mel)
    linear = torch.exp(log_mel) if mel.log == "ln" else 10**log_mel
    spectrum = spectrum_of_mel(linear, LogMel(mel).basis) ** (1 / mel.power)
    # A sinusoid has a magnitude proportional to the length of the window.
    spectrum = spectrum * (own.config.window_length / mel.window_length)
    top = own.config.sample_rate / mel.sample_rate * (mel.n_fft // 2)
    positions = torch.linspace(0, top, own.config.n_fft // 2 + 1)
    spectrum = _interpolate(spectrum.transpose(1, 2), positions).transpose(1, 2)
    spectrum = spectrum * (positions <= mel.n_fft // 2)[:, None]
    return torch.log(torch.matmul(own.basis, spectrum).clamp(min=own.config.floor))


def _interpolate(values: Tensor, positions: Tensor) -> Tensor:
    """Interpolate values (..., F) linearly at positions (N,) in frames; the ends are held."""
    last = values.shape[-1] - 1
    positions = positions.clamp(0, last)
    lower = positions.floor().long()
    weight = positions - lower
    return torch.lerp(values[..., lower], values[..., (lower + 1).clamp(max=last)], weight.to(values))


def contour_at(f0: Tensor, positions: Tensor) -> Tensor:
    """Return F0 (B, 1, N) at positions (N,) in frames of F0 (B, 1, F): the nearest frame, or between voiced frames.

    Between them the logarithm is interpolated, and beyond the ends they are held.
    """
    last = f0.shape[-1] - 1
    nearest = f0[..., positions.round().long().clamp(0, last)]
    lower = positions.clamp(0, last).floor().long()
    voiced = (f0[..., lower] > 0) & (f0[..., (lower + 1).clamp(max=last)] > 0)
    between = torch.exp(_interpolate(torch.log(f0.clamp(min=1.0)), positions))
    return torch.where(voiced & (nearest > 0), between, nearest)
