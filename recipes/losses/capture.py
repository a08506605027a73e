"""Losses with which captures of amplifiers and pedals are published, as means over whole batches.

The recipe for WaveNets adds the mean squared error and a small spectral distance of the pre-emphasised audio:
``{mse: 1.0, emphasised_stft: 2.0e-4}``; of the second generation ``{mse: 1.0, stft: 5.0e-4}``; for LSTMs
``{mse: 1.0, emphasised_mse: 1.0}``; for recurrent networks with a skip connection ``{batch_esr: 0.75,
batch_dc: 0.25}``.
"""

import torch
from torch import Tensor, nn

__all__ = [
    "BatchDCLoss",
    "BatchErrorToSignalRatio",
    "EmphasisedMeanSquaredError",
    "EmphasisedSpectralDistance",
    "MeanSquaredError",
    "SpectralDistance",
    "emphasise",
]

_COEFFICIENT = 0.85
_FLOOR = 1e-5


def emphasise(x: Tensor, coefficient: float = _COEFFICIENT) -> Tensor:
    """Return ``x[t] - coefficient x[t - 1]``, (..., T - 1)."""
    return x[..., 1:] - coefficient * x[..., :-1]


class MeanSquaredError(nn.Module):
    """Mean squared error over all samples of a batch."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        return (target - prediction).square().mean()


class EmphasisedMeanSquaredError(MeanSquaredError):
    """Mean squared error after the pre-emphasis 1 - 0.85 z^-1."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        return super().forward(emphasise(prediction), emphasise(target), dry)


class SpectralDistance(nn.Module):
    """Spectral convergence and mean difference of log magnitudes, at three resolutions.

    Source: Yamamoto et al. 2020 (arXiv 1910.11480), with norms over the whole batch. In contrast to ``spectral``, which
    compares audible magnitudes, the logarithm has no audible floor, so inaudible bins matter too.
    """

    #: FFT, hop and window in samples.
    resolutions = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
    floor = 1e-8

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        terms = []
        for resolution in self.resolutions:
            x, y = (self._magnitude(audio, *resolution) for audio in (prediction, target))
            terms.append((y - x).norm() / y.norm() + (x.log() - y.log()).abs().mean())
        return torch.stack(terms).mean()

    def _magnitude(self, x: Tensor, n_fft: int, hop: int, window: int) -> Tensor:
        hann = torch.hann_window(window, device=x.device, dtype=x.dtype)
        spectrum = torch.stft(x.flatten(0, 1), n_fft, hop, window, hann, return_complex=True)
        return (spectrum.real.square() + spectrum.imag.square()).clamp(min=self.floor).sqrt()


class EmphasisedSpectralDistance(SpectralDistance):
    """The spectral distance after the pre-emphasis 1 - 0.85 z^-1."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        return super().forward(emphasise(prediction), emphasise(target), dry)


class BatchErrorToSignalRatio(nn.Module):
    """Energy of a batch's error over that of its target, both after the pre-emphasis 1 - 0.85 z^-1.

    Source: Wright et al. 2020. In contrast to ``esr``, loud items count more.
    """

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        error, signal = emphasise(target - prediction), emphasise(target)
        return error.square().mean() / (signal.square().mean() + _FLOOR)


class BatchDCLoss(nn.Module):
    """Squared error of the items' means over the energy of a batch's target."""

    def forward(self, prediction: Tensor, target: Tensor, dry: Tensor) -> Tensor:
        """Return the loss."""
        return (target - prediction).mean(dim=-1).square().mean() / (target.square().mean() + _FLOOR)
