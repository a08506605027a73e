"""Spectrogram pictures for logs, reports and the command line."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import MissingExtraError

__all__ = ["spectrogram_picture"]

_N_FFT, _HOP_LENGTH, _RANGE_DB = 1024, 256, 80.0


def spectrogram_picture(signals: Mapping[str, Tensor], sample_rate: int, path: Path | None = None) -> np.ndarray:
    """Draw the spectrograms of ``signals`` below each other, with one colour scale.

    Args:
        signals: title -> audio (1, T) or (T,) on the CPU.
        sample_rate: in Hz.
        path: PNG file to write; ``None``: no file.

    Returns:
        The picture, (height, width, 3) uint8.

    Raises:
        MissingExtraError: without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "metrics", "a spectrogram picture") from None
    figure = Figure(figsize=(9, 2.4 * len(signals) + 0.4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    spectra = {title: _decibels(audio.reshape(-1)) for title, audio in signals.items()}
    top = max(float(spectrum.max()) for spectrum in spectra.values())
    axes = figure.subplots(len(spectra), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, spectrum) in zip(axes, spectra.items(), strict=True):
        seconds = spectrum.shape[1] * _HOP_LENGTH / sample_rate
        extent = (0.0, seconds, 0.0, sample_rate / 2000)
        axis.imshow(spectrum, origin="lower", aspect="auto", extent=extent, vmin=top - _RANGE_DB, vmax=top)
        axis.set_title(title, loc="left", fontsize=9)
        axis.set_ylabel("kHz")
    axes[-1].set_xlabel("seconds")
    figure.colorbar(axes[-1].images[0], ax=list(axes), label="dB")
    canvas.draw()
    if path is not None:
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png")
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _decibels(audio: Tensor) -> np.ndarray:
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(audio.float(), _N_FFT, _HOP_LENGTH, window=window, pad_mode="constant", return_complex=True)
    return (20 * torch.log10(spectrum.abs().clamp(min=1e-7))).numpy()
