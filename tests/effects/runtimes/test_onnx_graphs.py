"""What graphs of state-space effects, gray boxes and SignalTrain are made of, at its limits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from effect_cases import KNOBS, make_model

from effects.models import EffectModel
from effects.models.differentiable_recursions import ballistics as model_ballistics
from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.models.s4 import S4Effect, S4EffectConfig
from effects.models.signaltrain import SignalTrain, SignalTrainConfig
from effects.runtimes.onnx.export import export_onnx
from effects.runtimes.onnx.graph import Graph
from effects.runtimes.onnx.parts import DOUBLE, END, FLOAT, Rows, add_output, integers
from effects.runtimes.onnx.recursions import ballistics, two_poles
from effects.runtimes.onnx.s4 import CHUNK
from effects.runtimes.onnx.signaltrain import _angle
from effects.runtimes.onnx.stream import OnnxStream, StepRunner

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SIZES = [1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 7, 131]


def noise(channels: int, length: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.8, 0.8, (1, channels, length)).astype(np.float32)


def played(graph: Graph, audio: np.ndarray) -> np.ndarray:
    """Return what a graph makes of (1, C, T), in blocks of all sizes in turn."""
    runner = StepRunner(graph.model("test").SerializeToString(), graph.states)
    places = np.cumsum(SIZES * (audio.shape[-1] // sum(SIZES) + 1))
    blocks = np.split(audio, places[places < audio.shape[-1]], axis=-1)
    return np.concatenate([runner.run(block) for block in blocks], axis=-1)


def stream_and_model(model: EffectModel, folder: Path, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an exported stream's output, in blocks of all sizes, and the model's in double precision; (1, C, T)."""
    export_onnx(model, folder)
    stream, blocks, start = OnnxStream(folder), [], 0
    while start < audio.shape[-1]:
        size = SIZES[len(blocks) % len(SIZES)] * model.block_length
        blocks.append(stream.process(torch.from_numpy(audio[0, :, start : start + size])))
        start += size
    knobs = model.knobs.normalize(model.knobs.values())[None]
    with torch.no_grad():
        expected, _ = model.double()(torch.from_numpy(audio).double(), knobs.double())
    return torch.cat(blocks, dim=-1)[None].numpy(), expected.numpy()


# A high-pass next to 0 Hz, a sharp resonance, two real poles, no memory of the sample before.
@pytest.mark.parametrize(("a1", "a2"), [(-1.9998, 0.99980002), (-1.2, 0.9995), (-1.1, 0.3), (0.0, 0.7), (1.9, 0.91)])
def test_two_poles_are_the_recursion(a1: float, a2: float) -> None:
    from scipy.signal import lfilter

    graph, channels = Graph(2, 0), 2
    rows, state = Rows(graph, channels), graph.state("memory", 2, channels, dtype="float64")
    x = graph.op("Cast", rows.audio, to=DOUBLE)
    y = two_poles(graph, rows, x, graph.constant(np.array([a1])), graph.constant(np.array([a2])), state.input)
    known = graph.op("Concat", state.input, y, axis=0)
    graph.op("Slice", known, integers(-2), integers(END), integers(0), name=state.output)
    add_output(graph, graph.op("Cast", y, to=FLOAT), channels)
    audio = noise(channels, 3000)
    expected = lfilter([1.0], [1.0, a1, a2], audio.astype(np.float64))
    assert np.abs(played(graph, audio) - expected).max() <= 1e-7 * np.abs(expected).max()


@pytest.mark.parametrize(("fall", "rise"), [(0.9, 0.999), (0.999, 0.9), (1e-12, 1 - 1e-6)])
def test_ballistics_are_those_of_the_model(fall: float, rise: float) -> None:
    graph = Graph(2, 0)
    rows, state = Rows(graph, 2), graph.state("gain_db", 2, dtype="float64")
    gain = graph.op("Cast", rows.audio, to=DOUBLE)
    coefficients = (graph.constant(np.array([value])) for value in (fall, rise))
    smooth = ballistics(graph, gain, *coefficients, state.input, state.output)
    add_output(graph, graph.op("Cast", smooth, to=FLOAT), 2)
    audio = noise(2, 2000)
    parameters = (torch.tensor([[value]], dtype=torch.float64) for value in (fall, rise))
    last = torch.zeros(1, 2, dtype=torch.float64)
    expected = model_ballistics(torch.from_numpy(audio).double(), *parameters, last)
    np.testing.assert_allclose(played(graph, audio), expected.numpy(), rtol=0, atol=1e-7)


def test_angles_of_all_quadrants_and_of_nothing() -> None:
    graph = Graph(2, 0)
    imag, real = graph.ops("Split", "audio", names=2, axis=1, num_outputs=2)
    angle = _angle(graph, imag, real)
    graph.op("Concat", angle, angle, axis=1, name="output")
    parts = np.array([-2e30, -1.0, -1e-7, -1e-30, 0.0, 1e-30, 1e-7, 0.3, 1.0, 2e30], dtype=np.float32)
    audio = np.stack(np.meshgrid(parts, parts)).reshape(1, 2, -1)
    expected = np.arctan2(*audio[0].astype(np.float64))
    np.testing.assert_allclose(played(graph, audio)[0, 0], expected, rtol=0, atol=5e-7)


@pytest.mark.parametrize("seed", range(4))
def test_a_gray_box_of_any_parameters(seed: int, tmp_path: Path) -> None:
    stages = ("filter", "dynamics", "shaper", "blend", "dynamics")
    config = GrayBoxConfig(stages=stages, num_sections=3, audio_channels=2, knobs=KNOBS)
    torch.manual_seed(seed)
    model = GrayBox(config).eval()
    with torch.no_grad():
        model.projection.bias.normal_(std=0.8)
        model.projection.weight.normal_(std=0.2)
    output, expected = stream_and_model(model, tmp_path / "x", noise(2, 1500))
    assert np.abs(expected).max() > 0.01
    assert np.abs(output - expected).max() <= 1e-6 * np.abs(expected).max()


def test_states_of_a_gray_box_are_in_double_precision_and_silence_stays_silence(tmp_path: Path) -> None:
    model = make_model("graybox_drive", torch.float32)
    metadata = export_onnx(model, tmp_path / "x")
    shapes = {state["name"]: (state["dtype"], state["shape"]) for state in metadata["states"]}
    assert shapes == {f"{number}.memory.{place}": ("float64", (2, 1)) for number in (0, 3) for place in range(3)}
    assert not OnnxStream(tmp_path / "x").process(torch.zeros(1, 300)).any()


def without_knobs(family: str) -> EffectModel:
    torch.manual_seed(1)
    if family == "s4":
        return S4Effect(S4EffectConfig(channels=4, num_blocks=1, condition_channels=(4,)))
    if family == "graybox":
        return GrayBox(GrayBoxConfig(stages=("dynamics", "filter"), hidden_sizes=(4,)))
    # The window is the block: no sample is known from the call before.
    return SignalTrain(SignalTrainConfig(window_length=104, n_fft=32, hop_length=8, output_frames=18))


@pytest.mark.parametrize("family", ["s4", "graybox", "signaltrain"])
def test_effects_without_knobs(family: str, tmp_path: Path) -> None:
    model = without_knobs(family).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    output, expected = stream_and_model(model, tmp_path / "x", noise(1, 13 * model.block_length))
    assert np.abs(output - expected).max() <= 2e-6 * np.abs(expected).max()
    assert not any(item.name == "knobs" for item in onnx.load(tmp_path / "x" / "step.onnx").graph.input)


@pytest.mark.parametrize("head", ["gain", "direct"])
def test_state_spaces_of_short_and_long_memory(head: str, tmp_path: Path) -> None:
    sizes = {"channels": 6, "num_blocks": 2, "condition_channels": (4,), "d_state": 16}
    config = S4EffectConfig(knobs=KNOBS, dt_min=1e-5, dt_max=3.0, head=head, audio_channels=2, **sizes)
    torch.manual_seed(0)
    model = S4Effect(config).eval()
    with torch.no_grad():
        model.projection.weight.normal_(std=0.3)
    poles = model.blocks[0].layer.kernel.discretise().poles.abs()
    assert poles.max() > 0.9999
    # What is left of such a state behind a chunk is not a number to divide by.
    assert (poles**CHUNK).min() < 1e-8
    output, expected = stream_and_model(model, tmp_path / "x", noise(2, 2000))
    assert np.abs(output - expected).max() <= 2e-6 * np.abs(expected).max()


def test_the_graph_of_a_state_space_can_be_left_and_entered_at_any_sample(tmp_path: Path) -> None:
    model = make_model("s4_gain", torch.float32)
    export_onnx(model, tmp_path / "x")
    audio = torch.from_numpy(noise(1, 3 * CHUNK)[0])
    whole = OnnxStream(tmp_path / "x").process(audio)
    for place in range(1, 2 * CHUNK + 2):
        stream = OnnxStream(tmp_path / "x")
        parts = [stream.process(audio[:, :place]), stream.process(audio[:, place:])]
        torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-6)
