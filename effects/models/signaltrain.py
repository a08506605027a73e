"""SignalTrain: a short-time transform and two autoencoders along time (Hawley et al. 2019, arXiv 1905.11928).

Written from the published description; it loads the reference's checkpoints.

Examples:
    >>> import torch
    >>> from effects import render
    >>> from effects.knobs import Knob, KnobSet
    >>> from effects.models.signaltrain import SignalTrain, SignalTrainConfig
    >>> knobs = KnobSet(knobs=(Knob(name="threshold", unit="dB", min=-40, max=0, default=-20),))
    >>> model = SignalTrain(SignalTrainConfig(window_length=2048, output_frames=5, knobs=knobs))  # untrained
    >>> wet = render(model, torch.zeros(1, 8192), settings={"threshold": "-30dB"})
    >>> wet.shape
    torch.Size([1, 8192])
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from effects.models.model import EffectConfig, EffectModel, State
from vocoders.layers.containers import ModuleListOf

__all__ = ["VARIANTS", "SignalTrain", "SignalTrainConfig", "WindowResult"]


class SignalTrainConfig(EffectConfig):
    """Configuration of SignalTrain; the defaults are the published model.

    Attributes:
        window_length: number of input samples on which every output sample of a block depends.
        output_frames: number of frames at the end of the window, which give a block of
            ``(output_frames - 1) * hop_length - n_fft`` samples.
        n_fft: transform length.
        hop_length: distance between frames in samples.
    """

    window_length: int = Field(default=8192, gt=0)
    output_frames: int = Field(default=9, gt=0)
    n_fft: int = Field(default=1024, gt=0)
    hop_length: int = Field(default=384, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "SignalTrainConfig":
        if self.audio_channels != 1:
            raise ValueError(f"SignalTrain is a mono model, found audio_channels {self.audio_channels}")
        if self.n_fft % 2 or self.hop_length >= self.n_fft:
            raise ValueError(f"n_fft {self.n_fft} must be even and above hop_length {self.hop_length}")
        if self.output_frames > self.num_frames or not 0 < self.block_length <= self.window_length:
            raise ValueError(
                f"output_frames {self.output_frames} of {self.num_frames} give a block of {self.block_length} samples; "
                f"expected 1 .. {self.window_length}"
            )
        return self

    @property
    def num_frames(self) -> int:
        """Number of frames of a window, with ``n_fft`` zeros on both sides."""
        return (self.window_length + self.n_fft) // self.hop_length + 1

    @property
    def num_bins(self) -> int:
        """Frequency bins."""
        return self.n_fft // 2 + 1

    @property
    def block_length(self) -> int:
        """Number of output samples of a window."""
        return (self.output_frames - 1) * self.hop_length - self.n_fft


class WindowResult(NamedTuple):
    """Result for windows: W windows, T input frames, N output frames, F bins."""

    audio: Tensor
    """(W, block_length)."""
    synthesis: Tensor
    """(W, block_length): the signal that the network adds to the input."""
    magnitude: Tensor
    """(W, T, F): magnitudes of the input, at half its level."""
    phase: Tensor
    """(W, T, F): phases of the input in radians."""
    output_magnitude: Tensor
    """(W, N, F): magnitudes of the output, which training keeps small at high frequencies."""


class TimeAutoencoder(nn.Module):
    """Linear layers along time, each followed by ELU and common to all bins; the knobs enter in the middle.

    Shape:
        spectrum (W, T, F), knobs (W, K) -> (W, N, F).
    """

    def __init__(self, config: SignalTrainConfig) -> None:
        super().__init__()
        inward = (config.num_frames, 64, 32, 16, 16)
        outward = (16, 16, 32, 64, config.output_frames)
        self.encoder = ModuleListOf(nn.Linear(a, b) for a, b in zip(inward, inward[1:], strict=False))
        self.join_knobs = nn.Linear(16 + len(config.knobs), 16)
        self.decoder = ModuleListOf(nn.Linear(a, b) for a, b in zip(outward, outward[1:], strict=False))
        for layer in (*self.encoder, self.join_knobs, *self.decoder):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, spectrum: Tensor, knobs: Tensor) -> Tensor:
        """Return the decoded frames."""
        x = spectrum.transpose(1, 2)
        for layer in self.encoder:
            x = F.elu(layer(x))
        x = torch.cat([x, knobs[:, None].expand(-1, x.shape[1], -1)], dim=-1)
        for layer in (self.join_knobs, *self.decoder):
            x = F.elu(layer(x))
        return x.transpose(1, 2)


class SignalTrain(EffectModel[SignalTrainConfig]):
    """The SignalTrain network as an effect that works in blocks.

    The grid of blocks starts at sample 0 of the stream, after ``window_length - block_length`` zeros. The output for a
    sample depends on its position in the grid.

    Args:
        config: see :class:`SignalTrainConfig`.
    """

    family = "signaltrain"
    config_class = SignalTrainConfig
    onnx_graph = "effects.runtimes.onnx.signaltrain:build_signaltrain"

    def __init__(self, config: SignalTrainConfig) -> None:
        super().__init__()
        self.config = config
        size, hop = config.n_fft, config.hop_length
        self.analysis_real, self.analysis_imag = (nn.Conv1d(1, size, size, bias=False) for _ in range(2))
        self.synthesis_real, self.synthesis_imag = (
            nn.ConvTranspose1d(size, 1, size, stride=hop, bias=False) for _ in range(2)
        )
        self.magnitude_network, self.phase_network = TimeAutoencoder(config), TimeAutoencoder(config)
        # A hook point for training: the published loss keeps these magnitudes small at high frequencies.
        self.output_magnitude = nn.Identity()
        self._start_as_fourier_transform()

    @property
    def spectrum(self) -> nn.Module:
        """Module that the magnitudes of the output pass through."""
        return self.output_magnitude

    @property
    def block_length(self) -> int:
        """``forward`` takes multiples of this number of samples."""
        return self.config.block_length

    @property
    def receptive_field(self) -> int:
        """Length of the window, on which the last sample of a block depends."""
        return self.config.window_length

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`. Each block uses the knobs at its end."""
        state = self.check_inputs(audio, knobs, state)
        batch, _, length = audio.shape
        block, window = self.config.block_length, self.config.window_length
        known = torch.cat([state["past"], audio], dim=-1)
        state = {"past": known[..., known.shape[-1] - (window - block) :]}
        if length == 0:
            return audio.clone(), state
        windows = known[:, 0].unfold(-1, window, block)
        count = windows.shape[1]
        knobs = knobs.to(audio.dtype)
        knobs = knobs[..., block - 1 :: block].mT if knobs.ndim == 3 else knobs[:, None].expand(-1, count, -1)
        result = self.process_windows(windows.reshape(batch * count, window), knobs.reshape(batch * count, -1))
        return result.audio.reshape(batch, 1, length), state

    def process_windows(self, windows: Tensor, knobs: Tensor) -> WindowResult:
        """Compute the last samples of each window.

        Args:
            windows: (W, window_length).
            knobs: (W, K), normalised.
        """
        config = self.config
        half = windows / 2
        real, imag = (self._analyse(half, conv) for conv in (self.analysis_real, self.analysis_imag))
        # The lower bound keeps gradients finite in digital silence.
        magnitude = torch.sqrt((real.square() + imag.square()).clamp(min=1e-30))
        phase = torch.atan2(imag, real + 1e-7)
        last = config.num_frames - config.output_frames
        output_magnitude = self.output_magnitude(self.magnitude_network(magnitude, knobs) * magnitude[:, last:])
        output_phase = self.phase_network(phase, knobs) + phase[:, last:]
        real = output_magnitude * torch.cos(output_phase)
        imag = output_magnitude * torch.sin(output_phase)
        synthesis = 2 * self._synthesise(real, imag)
        audio = synthesis + windows[:, config.window_length - config.block_length :]
        return WindowResult(audio, synthesis, magnitude, phase, output_magnitude)

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state after silence: the part of the window before the block."""
        length = self.config.window_length - self.config.block_length
        return {"past": torch.zeros(batch, 1, length, device=device, dtype=dtype)}

    def _analyse(self, windows: Tensor, conv: nn.Conv1d) -> Tensor:
        # Rows beyond the Nyquist frequency exist in checkpoints, but are not used.
        kernels = conv.weight[: self.config.num_bins]
        frames = F.conv1d(windows[:, None], kernels, stride=self.config.hop_length, padding=self.config.n_fft)
        return frames.transpose(1, 2)

    def _synthesise(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the signal of frames (W, N, F), without the ``n_fft`` samples at both ends."""
        mirror = slice(1, self.config.num_bins - 1)
        real = torch.cat([real, real[..., mirror].flip(-1)], dim=-1).transpose(1, 2)
        imag = torch.cat([imag, -imag[..., mirror].flip(-1)], dim=-1).transpose(1, 2)
        signal = self.synthesis_real(real) + self.synthesis_imag(imag)
        return signal[:, 0, self.config.n_fft : -self.config.n_fft]

    @torch.no_grad()
    def _start_as_fourier_transform(self) -> None:
        """Set the kernels to a DFT with a Hamming window, and its least-squares inverse."""
        size, hop = self.config.n_fft, self.config.hop_length
        n = torch.arange(size, dtype=torch.float64)
        # In cycles modulo one, so that the argument of the exponential stays small.
        kernel = torch.exp(-2j * math.pi * (torch.outer(n, n) % size / size)) / math.sqrt(size)
        window = torch.hamming_window(size, periodic=False, dtype=torch.float64)
        energy = torch.zeros(size, dtype=torch.float64)
        for shift in range(-2, 3):
            start, stop = max(0, shift * hop), min(size, size + shift * hop)
            if start < stop:
                energy[start:stop] += window[start - shift * hop : stop - shift * hop].square()
        analysis, synthesis = kernel * window, kernel * (window / energy)
        self.analysis_real.weight.copy_(analysis.real[:, None])
        self.analysis_imag.weight.copy_(analysis.imag[:, None])
        self.synthesis_real.weight.copy_(synthesis.real[:, None])
        self.synthesis_imag.weight.copy_(synthesis.imag[:, None])


VARIANTS: dict[str, SignalTrainConfig] = {
    "quarter": SignalTrainConfig(window_length=2048, output_frames=5),
    "half": SignalTrainConfig(window_length=4096, output_frames=6),
    "default": SignalTrainConfig(),
    "unshrunk": SignalTrainConfig(output_frames=25),
    "double": SignalTrainConfig(window_length=16384, output_frames=14),
    "quadruple": SignalTrainConfig(window_length=32768, output_frames=25),
    "old_quarter": SignalTrainConfig(window_length=2048, output_frames=9, n_fft=256, hop_length=96),
}
