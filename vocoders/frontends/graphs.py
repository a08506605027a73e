"""Front ends and mel refinement as networks that ONNX can express: their transforms are convolutions."""

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.graphs.tracing import GraphPlan, Port
from vocoders.frontends.mel import LogMel
from vocoders.frontends.mel_consistency import LARGEST_RATIO, MelConsistency
from vocoders.frontends.mel_consistent_start import MelConsistentPrior
from vocoders.frontends.stft import STFT, fourier_kernels

__all__ = ["RefinementGraph", "StartGraph", "log_mel_plan", "real_valued", "refinement_plan"]

ModuleType = TypeVar("ModuleType", bound=nn.Module)

# Frames of the examples and trials, and items of their batches.
_SHAPES = ((1, 40), (3, 17), (1, 96))
# Iterations with which the refinement is compared.
_ITERATIONS = 8


def real_valued(module: ModuleType) -> ModuleType:
    """Return a copy on the CPU, in evaluation mode, whose transforms are convolutions."""
    module = copy.deepcopy(module).cpu().float().eval()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, STFT):
                made = STFT(child.n_fft, child.hop_length, child.padding, child.norm, real_valued=True)
                setattr(parent, name, made)
    return module


class _MelTransform(nn.Module):
    """The transform of a log-mel, forward and back, with real numbers."""

    analysis: Tensor
    synthesis: Tensor
    squared_window: Tensor
    basis: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.config = config = log_mel.config
        spare = config.n_fft - config.window_length
        window = F.pad(log_mel.window.float().cpu(), (spare // 2, spare - spare // 2))
        analysis, synthesis = fourier_kernels(window, "backward")
        self.register_buffer("analysis", analysis)
        self.register_buffer("synthesis", synthesis)
        self.register_buffer("squared_window", (window**2)[None, None])
        self.register_buffer("basis", log_mel.basis.detach().float().cpu())
        total = config.n_fft if config.padding.startswith("center") else config.n_fft - config.hop_length
        self.margins = (total // 2, total - total // 2)
        self.mode = "constant" if config.padding.endswith("zero") else "reflect"

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part, (B, bins, F) each, of audio (B, 1, F * hop_length)."""
        frames = F.conv1d(F.pad(audio, self.margins, mode=self.mode), self.analysis, stride=self.config.hop_length)
        if self.config.padding.startswith("center"):
            frames = frames[..., :-1]
        real, imag = frames.chunk(2, dim=1)
        return real, imag


class LogMelGraph(nn.Module):
    """Log-mel of audio (B, 1, F * hop_length)."""

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        self.transform = _MelTransform(log_mel)

    def forward(self, audio: Tensor) -> Tensor:
        """Return the log-mel (B, n_mels, F)."""
        real, imag = self.transform(audio)
        config = self.transform.config
        magnitude = torch.sqrt(real**2 + imag**2 + config.magnitude_epsilon)
        mel = torch.matmul(self.transform.basis, magnitude if config.power == 1 else magnitude**2)
        mel = mel.clamp(min=config.floor)
        return torch.log(mel) if config.log == "ln" else torch.log10(mel)


class RefinementGraph(nn.Module):
    """Mel refinement with the number of iterations as an input."""

    covered: Tensor
    sums: Tensor
    kernels: Tensor
    updates: Tensor
    moves: Tensor

    def __init__(self, refinement: MelConsistency) -> None:
        super().__init__()
        self.transform = _MelTransform(refinement.log_mel)
        sums = self.transform.basis.sum(dim=0)[:, None]
        self.register_buffer("covered", sums > 1e-6 * sums.max())
        self.register_buffer("sums", sums.clamp(min=1e-12))
        # An ordinary step, then the closing ones; its kernel leaves the ratios as they are.
        steps = (refinement.ordinary, *refinement.closing)
        kernels = [torch.ones(1, 1) if step.kernel is None else step.kernel for step in steps]
        rows, columns = (max(kernel.shape[axis] // 2 for kernel in kernels) for axis in (0, 1))
        padded = [F.pad(k, [columns - k.shape[1] // 2] * 2 + [rows - k.shape[0] // 2] * 2) for k in kernels]
        self.register_buffer("kernels", torch.stack(padded)[:, None])
        self.register_buffer("updates", torch.tensor([step.updates for step in steps]))
        self.register_buffer("moves", torch.tensor([[step.relaxation, step.momentum] for step in steps]))

    def forward(self, audio: Tensor, features: Tensor, iterations: Tensor) -> Tensor:
        """Return refined audio."""
        transform, config = self.transform, self.transform.config
        wanted = torch.exp(features) if config.log == "ln" else 10**features
        # One for each frame, made from the input so that its number is not taken for a constant.
        ones = features[:1, :1] * 0 + 1
        weight = F.conv_transpose1d(ones, transform.squared_window, stride=config.hop_length)
        left = transform.margins[0]
        return _scripted_iterations()(
            audio,
            wanted,
            iterations,
            transform.analysis,
            transform.synthesis,
            weight,
            transform.basis,
            self.covered,
            self.sums,
            config.hop_length,
            list(transform.margins),
            transform.mode,
            left,
            config.padding.startswith("center"),
            float(config.power),
            self.updates,
            self.moves,
            self.kernels,
            LARGEST_RATIO,
        )


class StartGraph(nn.Module):
    """A start that agrees with the mel, from :func:`real_valued`; it is called as :class:`MelConsistentPrior` is."""

    def __init__(self, start: MelConsistentPrior) -> None:
        super().__init__()
        self.start, self.refinement = start, RefinementGraph(start.refinement)

    def forward(self, excitation: Tensor, features: Tensor) -> Tensor:
        """Return audio (B, 1, F * hop_length) with the log-mels ``features`` from a flat excitation."""
        if self.start.shaper is not None:
            return self.start.shaper(excitation, features)
        shaped = self.start.envelope.multiply(excitation, features)
        return self.refinement(shaped, features, torch.tensor(self.start.iterations))


@cache
def _scripted_iterations() -> Callable[..., Tensor]:
    """Return :func:`_iterate` as TorchScript, whose loop stays one; made while tracing, which needs it alone."""
    return torch.jit.script(_iterate)


def _iterate(
    audio: Tensor,
    wanted: Tensor,
    iterations: Tensor,
    analysis: Tensor,
    synthesis: Tensor,
    weight: Tensor,
    basis: Tensor,
    covered: Tensor,
    sums: Tensor,
    hop: int,
    margins: list[int],
    mode: str,
    left: int,
    is_centred: bool,
    power: float,
    updates: Tensor,
    moves: Tensor,
    kernels: Tensor,
    largest: float,
) -> Tensor:  # pragma: no cover  (compiled by PyTorch)
    """Run the iterations of :class:`MelConsistency`: a loop, which tracing alone would unroll."""
    signal = audio
    before = audio
    length = audio.size(2)
    missing = left + length - weight.size(2)
    if missing > 0:
        weight = F.pad(weight, [0, missing])
    weight = weight[:, :, left : left + length].clamp(min=1e-3)
    count = int(iterations)
    rows, columns = kernels.size(2) // 2, kernels.size(3) // 2
    for iteration in range(count):
        step = max(0, kernels.size(0) - count + iteration)
        frames = F.conv1d(F.pad(signal, margins, mode=mode), analysis, stride=hop)
        if is_centred:
            frames = frames[:, :, :-1]
        real, imag = frames.chunk(2, dim=1)
        present = torch.sqrt(real * real + imag * imag).clamp(min=1e-9)
        if power != 1.0:
            present = present**power
        improved = present
        for _ in range(int(updates[step])):
            ratio = wanted / torch.matmul(basis, improved).clamp(min=1e-9)
            ratio = torch.log(ratio.clamp(1 / largest, largest)).unsqueeze(1)
            ratio = F.pad(ratio, [columns, columns, rows, rows], mode="replicate")
            # By all kernels, of which one counts: runtimes want weights that are known beforehand.
            ratio = F.conv2d(ratio, kernels)[:, step]
            ratio = torch.exp(ratio.clamp(-math.log(largest), math.log(largest)))
            ratio = torch.matmul(basis.t(), ratio) / sums
            improved = torch.where(covered, improved * ratio, improved)
        gain = improved / present
        if power != 1.0:
            gain = gain ** (1 / power)
        summed = F.conv_transpose1d(torch.cat([real * gain, imag * gain], 1), synthesis, stride=hop)
        if missing > 0:
            summed = F.pad(summed, [0, missing])
        now = signal + moves[step, 0] * (summed[:, :, left : left + length] / weight - signal)
        signal = now + moves[step, 1] * (now - before)
        before = now
    return before


def log_mel_plan(log_mel: LogMel) -> GraphPlan:
    """Return the graph of a front end, audio to log-mel."""
    hop, bands = log_mel.config.hop_length, log_mel.config.n_mels
    trials = tuple({"audio": _noise(batch, frames * hop)} for batch, frames in _SHAPES)
    return GraphPlan(
        "log_mel",
        LogMelGraph(log_mel),
        copy.deepcopy(log_mel).cpu().float(),
        (
            Port(
                "audio",
                ("batch", 1, "samples"),
                f"in [-1, 1] at {log_mel.config.sample_rate} Hz; samples: frames * {hop}",
            ),
        ),
        (Port("features", ("batch", bands, "frames"), log_mel.fingerprint),),
        {"audio": _noise(2, 33 * hop)},
        trials,
        "log-mel of audio",
    )


def refinement_plan(refinement: MelConsistency) -> GraphPlan:
    """Return the graph of the mel refinement."""
    refinement = copy.deepcopy(refinement).cpu().float()
    config = refinement.log_mel.config

    def inputs(batch: int, frames: int) -> dict[str, Tensor]:
        audio = _noise(batch, frames * config.hop_length)
        features = refinement.log_mel(0.5 * audio.roll(77, -1))
        return {"audio": audio, "features": features, "iterations": torch.tensor(_ITERATIONS)}

    def reference(audio: Tensor, features: Tensor, iterations: Tensor) -> Tensor:
        return refinement(audio, features, int(iterations))

    samples = ("batch", 1, "samples")
    return GraphPlan(
        "mel_refinement",
        RefinementGraph(refinement),
        reference,
        (
            Port("audio", samples, "output of the vocoder"),
            Port("features", ("batch", config.n_mels, "frames"), f"the input of the vocoder: {config.fingerprint}"),
            Port("iterations", (), "number of iterations", dtype="int64"),
        ),
        (Port("refined", samples, "audio whose mel is nearer to the features"),),
        inputs(2, 33),
        tuple(inputs(*shape) for shape in _SHAPES),
        "moves the mel of audio towards features",
    )


def _noise(*shape: Any) -> Tensor:
    """Return quiet noise (B, 1, T), the same on every call."""
    return 0.1 * torch.randn(shape[0], 1, shape[1], generator=torch.Generator().manual_seed(shape[1]))
