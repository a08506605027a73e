"""Draws the pictures of the page of concepts when the site is built, with ondes itself."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure

from vocoders.frontends.harmonic import PriorConfig, draw_prior_noise, make_prior
from vocoders.layers.s4 import S4Config
from vocoders.layers.s4.kernel import StateSpaceKernel

__all__ = ["DRAWINGS"]

_RATE, _HOP = 24000, 240
_SPEECH = Path(__file__).resolve().parents[3] / "vocoders" / "examples" / "speech.flac"


def _spectrogram(axis, signal: np.ndarray, title: str) -> None:
    axis.specgram(
        signal + 1e-6 * np.random.default_rng(0).standard_normal(len(signal)), NFFT=1024, Fs=_RATE, noverlap=784
    )
    axis.set(title=title, xlabel="s", ylabel="Hz", ylim=(0, 8000))


def _saved(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    return file.getvalue()


def harmonic_prior() -> bytes:
    """Return a prior of a gliding voice with a pause, as a waveform and as a spectrogram."""
    f0 = torch.linspace(120, 240, 100)
    f0[45:55] = 0
    noise = draw_prior_noise(f0[None, None], _HOP, torch.Generator().manual_seed(0))
    prior = make_prior(f0[None, None], _HOP, _RATE, PriorConfig(), noise)[0, 0].numpy()
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(np.arange(720) / _RATE * 1000, prior[4800:5520], linewidth=0.9)
    left.set(title="30 ms of it", xlabel="ms")
    _spectrogram(right, prior, "harmonics of F0, noise where there is none")
    return _saved(figure)


def flow() -> bytes:
    """Return the path from noise to speech at four times, as spectrograms."""
    speech, rate = soundfile.read(_SPEECH)
    speech = speech[rate : 2 * rate]
    noise = 0.3 * np.random.default_rng(0).standard_normal(len(speech))
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True)
    for axis, time in zip(axes, (0.0, 0.5, 0.9, 1.0), strict=True):
        _spectrogram(axis, (1 - time) * noise + time * speech, f"t = {time:g}")
        axis.label_outer()
    return _saved(figure)


def state_space() -> bytes:
    """Return the kernels of some features of an untrained S4 layer: what each remembers of a click."""
    torch.manual_seed(0)
    kernels = StateSpaceKernel(3, S4Config(d_state=64))
    with torch.no_grad():
        kernel = kernels(2000).reshape(-1, 2000)[:3]
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    for axis, row in zip(figure.subplots(1, 3), kernel.numpy(), strict=True):
        axis.plot(row, linewidth=0.8)
        axis.set(xlabel="samples after a click")
    return _saved(figure)


#: Name of the file, and what draws it.
DRAWINGS: dict[str, Callable[[], bytes]] = {
    "pictures/harmonic_prior.png": harmonic_prior,
    "pictures/flow.png": flow,
    "pictures/state_space.png": state_space,
}
