"""The step graph of SignalTrain: transform, autoencoders and inverse transform of all windows of a call at once."""

import math

import numpy as np
from torch import nn

from effects.models.signaltrain import SignalTrain, TimeAutoencoder
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import END, integers, weight

__all__ = ["build_signaltrain"]


def build_signaltrain(model: SignalTrain, graph: Graph, max_block: int) -> None:
    """Write SignalTrain to ``graph``; calls take any number of whole blocks, ``max_block`` is not used."""
    config, op = model.config, graph.op
    windows, dry = _add_windows(model, graph)
    # From here on (W, bins, frames) for W windows: time is the last axis, over which the autoencoders multiply.
    real, imag = _analyse(model, graph, windows)
    power = op("Add", op("Mul", real, real), op("Mul", imag, imag))
    magnitude = op("Sqrt", op("Max", power, np.float32(1e-30)))
    phase = _angle(graph, imag, op("Add", real, np.float32(1e-7)))
    last = integers(config.num_frames - config.output_frames), integers(END), integers(2)
    gain = _add_autoencoder(graph, model.magnitude_network, magnitude)
    turn = _add_autoencoder(graph, model.phase_network, phase)
    magnitude = op("Mul", gain, op("Slice", magnitude, *last))
    phase = op("Add", turn, op("Slice", phase, *last))
    real, imag = (op("Mul", magnitude, op(kind, phase)) for kind in ("Cos", "Sin"))
    wet = op("Add", _synthesise(model, graph, real, imag), dry)
    op("Reshape", wet, integers(1, 1, -1), name="output")


def _add_windows(model: SignalTrain, graph: Graph) -> tuple[str, str]:
    """Return the windows (W, 1, window_length), and their last samples (W, 1, block_length)."""
    window, block = model.config.window_length, model.config.block_length
    dry = graph.op("Reshape", "audio", integers(-1, 1, block))
    if window == block:
        return dry, dry
    audio = graph.op("Reshape", "audio", integers(-1))
    state = graph.state("past", window - block)
    known = graph.op("Concat", state.input, audio, axis=0)
    graph.op("Slice", known, integers(block - window), integers(END), integers(0), name=state.output)
    length = graph.op("Squeeze", graph.op("Shape", audio))
    starts = graph.op("Range", np.int64(0), length, np.int64(block))
    places = graph.op("Add", graph.op("Unsqueeze", starts, integers(1, 2)), np.arange(window))
    return graph.op("Gather", known, places), dry


def _analyse(model: SignalTrain, graph: Graph, windows: str) -> list[str]:
    """Return real and imaginary part (W, F, frames) of the windows at half their level."""
    config = model.config
    kernels = [conv.weight[: config.num_bins] / 2 for conv in (model.analysis_real, model.analysis_imag)]
    parts = np.concatenate([weight(kernel) for kernel in kernels])
    padding = [config.n_fft, config.n_fft]
    both = graph.op("Conv", windows, parts, strides=[config.hop_length], pads=padding)
    return graph.ops("Split", both, names=2, axis=1, num_outputs=2)


def _angle(graph: Graph, imag: str, real: str) -> str:
    """Return the angle of complex numbers, -pi .. pi, for which ONNX has no operator."""
    op, none = graph.op, np.float32(0)
    # 0 / 0 is undefined; an infinite quotient gives the right angle.
    real = op("Where", op("Equal", real, none), np.float32(1e-37), real)
    beyond = op("Where", op("Less", imag, none), np.float32(-math.pi), np.float32(math.pi))
    beyond = op("Where", op("Less", real, none), beyond, none)
    return op("Add", op("Atan", op("Div", imag, real)), beyond)


def _add_autoencoder(graph: Graph, network: TimeAutoencoder, spectrum: str) -> str:
    """Return the decoded frames (W, F, output frames)."""
    x = spectrum
    for layer in network.encoder:
        x = _elu(graph, x, weight(layer.weight.T), weight(layer.bias))
    joined, bias = weight(network.join_knobs.weight.T), weight(network.join_knobs.bias)
    inner, of_knobs = np.split(joined, [network.encoder[-1].out_features])
    # Constant knobs act as a bias.
    moved = bias if graph.knobs is None else graph.op("Gemm", graph.knobs, of_knobs, bias)
    x = _elu(graph, x, inner, moved)
    for layer in network.decoder:
        x = _elu(graph, x, weight(layer.weight.T), weight(layer.bias))
    return x


def _elu(graph: Graph, x: str, factors: np.ndarray, bias: str | np.ndarray) -> str:
    return graph.op("Elu", graph.op("Add", graph.op("MatMul", x, factors), bias))


def _synthesise(model: SignalTrain, graph: Graph, real: str, imag: str) -> str:
    """Return the signal (W, 1, block_length) of frames (W, F, N), at twice their level."""
    config = model.config
    parts = [
        _with_mirror(conv, config.num_bins, sign)
        for conv, sign in ((model.synthesis_real, 1), (model.synthesis_imag, -1))
    ]
    both, padding = graph.op("Concat", real, imag, axis=1), [config.n_fft, config.n_fft]
    return graph.op("ConvTranspose", both, np.concatenate(parts), strides=[config.hop_length], pads=padding)


def _with_mirror(conv: nn.ConvTranspose1d, bins: int, sign: int) -> np.ndarray:
    """Return twice the kernels (F, 1, n_fft), each plus its mirror image, whose input has the factor ``sign``."""
    kernels = conv.weight.detach().double().clone()
    kernels[1 : bins - 1] += sign * kernels[bins:].flip(0)
    return (2 * kernels[:bins]).float().numpy()
