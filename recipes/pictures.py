"""Spectrogram pictures for logs, reports and the command line."""

from collections.abc import Mapping
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import MissingExtraError

__all__ = ["spectrogram_picture"]

_WINDOW_SECONDS, _HOP_SECONDS, _RANGE_DB = 0.045, 0.008, 75.0
# The axis of frequency has the spacing of hearing (the mel scale), so that the harmonics of a voice can be told apart.
_ROWS, _TICKS_KHZ = 320, (0.2, 0.5, 1, 2, 4, 8, 16)


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
    spectra = {title: _decibels(audio.reshape(-1), sample_rate) for title, audio in signals.items()}
    top = max(float(spectrum.max()) for spectrum in spectra.values())
    axes = figure.subplots(len(spectra), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, spectrum) in zip(axes, spectra.items(), strict=True):
        extent = (0.0, spectrum.shape[1] * _HOP_SECONDS, 0.0, _mel(sample_rate / 2))
        colours = {"vmin": -_RANGE_DB, "vmax": 0, "cmap": "magma"}
        axis.imshow(spectrum - top, origin="lower", aspect="auto", extent=extent, **colours)
        axis.set_title(title, loc="left", fontsize=9)
        ticks = [tick for tick in _TICKS_KHZ if tick <= sample_rate / 2000]
        axis.set_yticks([_mel(1000 * tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
        axis.set_ylabel("kHz")
    axes[-1].set_xlabel("seconds")
    figure.colorbar(axes[-1].images[0], ax=list(axes), label="dB, loudest 0")
    canvas.draw()
    if path is not None:
        with atomic_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix.removeprefix(".") or "png")
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _decibels(audio: Tensor, sample_rate: int) -> np.ndarray:
    """Return levels (rows, frames) in dB, in rows of equal distance in mel."""
    window = torch.hann_window(max(int(_WINDOW_SECONDS * sample_rate), 2))
    n_fft, hop = 1 << (len(window) - 1).bit_length(), max(round(_HOP_SECONDS * sample_rate), 1)
    spectrum = torch.stft(
        audio.float(), n_fft, hop, len(window), window, pad_mode="constant", return_complex=True
    ).abs()
    edges = np.linspace(0, _mel(sample_rate / 2), _ROWS + 1)
    centres = librosa.mel_to_hz((edges[1:] + edges[:-1]) / 2, htk=True)
    bins = torch.from_numpy(centres * n_fft / sample_rate).clamp(max=n_fft // 2)
    below = bins.long().clamp(max=n_fft // 2 - 1)
    weight = (bins - below)[:, None].float()
    rows = spectrum[below] * (1 - weight) + spectrum[below + 1] * weight
    return (20 * torch.log10(rows.clamp(min=1e-7))).numpy()


def _mel(frequency: float) -> float:
    return float(librosa.hz_to_mel(frequency, htk=True))
