"""Step graphs: equal to the model in any blocks, with states that can be stored, and refused where they are not."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from effect_cases import CONFIGS, make_model

from effects.engine import render
from effects.models import EffectModel
from effects.models.s4 import S4Effect
from effects.models.tcn import TCN, TCNConfig
from effects.runtimes.bundle import TestVector, make_test_vector, verify
from effects.runtimes.onnx import tcn as tcn_graph
from effects.runtimes.onnx.export import export_onnx
from effects.runtimes.onnx.graph import StateTensor
from effects.runtimes.onnx.stream import OnnxStream, StepRunner
from vocoders.core.errors import CheckpointError, ConfigError, DataError, MissingExtraError, ShapeError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# Sizes that come round a ring of 8 + 20 samples many times, in whole blocks of the model.
BLOCKS = [1, 20, 3, 8, 19, 2]


def noise(model: EffectModel, length: int = 1500) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    length = -(-length // model.block_length) * model.block_length
    return torch.rand(model.config.audio_channels, length, generator=generator) * 1.6 - 0.8


def knobs_of(model: EffectModel) -> dict:
    return {"drive": 0.9, "mode": "on"} if len(model.knobs) else {}


def expected_output(model: EffectModel, audio: torch.Tensor, settings: dict) -> torch.Tensor:
    knobs = model.knobs.normalize(model.knobs.values(settings))[None].float()
    with torch.no_grad():
        return model(audio[None], knobs)[0][0]


def in_blocks(stream: OnnxStream, audio: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    blocks, start, turn = [], 0, 0
    while start < audio.shape[-1]:
        size = sizes[turn % len(sizes)]
        blocks.append(stream.process(audio[:, start : start + size]))
        start, turn = start + size, turn + 1
    return torch.cat(blocks, dim=-1)


def assert_equal(output: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6 * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("rings", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_any_blocks_give_the_model(name: str, rings: bool, tmp_path: Path, monkeypatch) -> None:
    if rings and not name.startswith("tcn"):
        pytest.skip("no rings in this family")
    monkeypatch.setattr(tcn_graph, "RING_FROM", 6 if rings else 10**6)
    model = make_model(name, torch.float32)
    metadata = export_onnx(model, tmp_path / "export", knobs_of(model), max_block=20)
    assert any(state["in_place"] for state in metadata["states"]) == rings
    assert metadata["verification"]["max_relative_error"] <= 1e-6
    audio, expected = noise(model), expected_output(model, noise(model), knobs_of(model))
    sizes = [size * model.block_length for size in BLOCKS]
    for in_place in (False, True):
        output = in_blocks(OnnxStream(tmp_path / "export", in_place=in_place), audio, sizes)
        assert_equal(output, expected)
        # Longer than one call can take: the stream cuts it.
        whole = OnnxStream(tmp_path / "export", in_place=in_place).process(audio)
        assert_equal(whole, expected)


@pytest.mark.parametrize(
    "name",
    ["tcn_gain", "lstm", "lstm_film_gain", "gru_deep", "s4_gain", "graybox_dynamics", "graybox_drive", "signaltrain"],
)
def test_knobs_are_live_and_frozen_ones_are_their_snapshot(name: str, tmp_path: Path) -> None:
    model = make_model(name, torch.float32)
    export_onnx(model, tmp_path / "live")
    export_onnx(model, tmp_path / "frozen", {"drive": 0.9, "mode": "on"}, freeze=True)
    live, audio = OnnxStream(tmp_path / "live"), noise(model)
    assert not torch.allclose(live.process(audio), expected_output(model, audio, knobs_of(model)), atol=1e-3)
    turned = OnnxStream(tmp_path / "live", {"drive": 0.9, "mode": "on"}).process(audio)
    assert_equal(turned, expected_output(model, audio, knobs_of(model)))
    assert_equal(OnnxStream(tmp_path / "frozen").process(audio), turned)
    inputs = {item.name for item in onnx.load(tmp_path / "frozen" / "step.onnx").graph.input}
    assert "knobs" not in inputs
    with pytest.raises(ConfigError, match="unknown knob 'drive'"):
        OnnxStream(tmp_path / "frozen", {"drive": 0.1})


def test_knobs_turned_in_mid_stream_act_from_there(tmp_path: Path) -> None:
    model = make_model("tcn", torch.float32)
    export_onnx(model, tmp_path / "x", {"drive": 0.2})
    stream, audio = OnnxStream(tmp_path / "x"), noise(model)
    first = stream.process(audio[:, :700])
    stream.set_knobs({"drive": 0.9})
    second = stream.process(audio[:, 700:])
    low, high = (model.knobs.normalize(model.knobs.values({"drive": value}))[None].float() for value in (0.2, 0.9))
    with torch.no_grad():
        a, state = model(audio[None, :, :700], low)
        b, _ = model(audio[None, :, 700:], high, state)
    torch.testing.assert_close(torch.cat([first, second], -1), torch.cat([a, b], -1)[0], rtol=0, atol=1e-6)


def test_the_export_is_what_the_engine_plays(tmp_path: Path) -> None:
    model = make_model("tcn_noncausal_gain", torch.float32)
    metadata = export_onnx(model, tmp_path / "x")
    late = metadata["latency_samples"]
    assert late == model.latency > 0
    audio = noise(model)
    played = OnnxStream(tmp_path / "x").process(torch.nn.functional.pad(audio, (0, late)))[:, late:]
    torch.testing.assert_close(played, render(model, audio), rtol=0, atol=1e-6)


def test_the_folder_says_all_that_a_host_needs(tmp_path: Path) -> None:
    model = make_model("tcn_gain", torch.float32)
    export_onnx(model, tmp_path / "x", {"drive": 0.8}, max_block=100)
    metadata = json.loads((tmp_path / "x" / "metadata.json").read_text())
    assert {"step.onnx", "effect.hpp", "example.cpp"} <= set(metadata["files"])
    files = {path.name for path in (tmp_path / "x").iterdir()}
    assert files == {"metadata.json", "test_vector.npz", *metadata["files"]}
    assert metadata["sample_rate"] == 44100
    assert metadata["settings"] == {"drive": 0.8, "mode": 0.0}
    assert [knob["name"] for knob in metadata["knobs"]["knobs"]] == ["drive", "mode"]
    assert metadata["knobs"]["norm"] == [-1.0, 1.0]
    graph = onnx.load(tmp_path / "x" / "step.onnx").graph
    states = metadata["states"]
    assert [item.name for item in graph.input] == ["audio", "knobs", *(state["input"] for state in states)]
    assert [item.name for item in graph.output] == ["output", *(state["output"] for state in states)]
    vector = np.load(tmp_path / "x" / "test_vector.npz")
    runner = StepRunner(tmp_path / "x" / "step.onnx", [StateTensor(s["name"], tuple(s["shape"])) for s in states])
    runner.set_knobs(vector["knobs"])
    blocks = np.split(vector["input"], range(100, vector["input"].shape[-1], 100), axis=-1)
    output = np.concatenate([runner.run(block[None])[0] for block in blocks], axis=-1)
    assert np.abs(output - vector["output"]).max() <= 1e-6 * np.abs(vector["output"]).max()
    np.testing.assert_allclose(vector["knobs"], [0.6, -1.0], atol=1e-6)
    content = (tmp_path / "x" / "step.onnx").read_bytes()
    assert str(Path.cwd()).encode() not in content


def test_too_long_a_block_is_an_error_and_no_wrong_audio(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tcn_graph, "RING_FROM", 6)
    model = make_model("tcn", torch.float32)
    metadata = export_onnx(model, tmp_path / "x", max_block=16)
    assert metadata["block"] == {"multiple_of": 1, "largest": 16}
    states = [StateTensor(s["name"], tuple(s["shape"]), s["dtype"]) for s in metadata["states"]]
    runner = StepRunner(tmp_path / "x" / "step.onnx", states)
    assert runner.run(np.zeros((1, 1, 16), np.float32)).shape == (1, 1, 16)
    with pytest.raises(Exception, match="out of"):
        runner.run(np.zeros((1, 1, 17), np.float32))


def test_states_can_be_reset_and_bad_blocks_are_refused(tmp_path: Path) -> None:
    model = make_model("gru_stereo", torch.float32)
    export_onnx(model, tmp_path / "x")
    stream, audio = OnnxStream(tmp_path / "x"), noise(model, 300)
    first = stream.process(audio)
    assert not torch.equal(stream.process(audio), first)
    stream._runner.reset()
    assert torch.equal(stream.process(audio), first)
    assert stream.process(audio[:, :0]).shape == (2, 0)
    with pytest.raises(ShapeError, match=r"expected \(2, T\)"):
        stream.process(audio[:1])


def test_a_graph_that_computes_something_else_is_never_written(tmp_path: Path, monkeypatch) -> None:
    model = make_model("tcn", torch.float32)
    build = tcn_graph.build_tcn

    def build_wrong(still: TCN, graph, max_block: int) -> None:
        still.projection.bias.add_(1e-5)
        build(still, graph, max_block)

    monkeypatch.setattr(tcn_graph, "build_tcn", build_wrong)
    with pytest.raises(CheckpointError, match=r"\d of the peak"):
        export_onnx(model, tmp_path / "x")
    assert not any(tmp_path.iterdir())


def test_verification_sees_one_wrong_sample() -> None:
    model = make_model("lstm", torch.float32)
    vector = make_test_vector(model, model.knobs.resolve())
    assert np.abs(vector.output).max() > 0.05
    off = vector.output.copy()
    off[0, 1234] += 2e-6 * np.abs(vector.output).max()
    assert verify(vector, {"same": vector.output}).max_relative_error == 0
    with pytest.raises(CheckpointError, match=r"export \(off\) differs"):
        verify(vector, {"same": vector.output, "off": off})
    with pytest.raises(CheckpointError):
        verify(vector, {"nan": off * np.nan})
    with pytest.raises(CheckpointError):
        verify(TestVector(vector.input, vector.knobs, vector.output[:, :-1], 0.0), {"short": off})


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch) -> None:
    model = make_model("tcn", torch.float32)
    with pytest.raises(ConfigError, match="unknown knob 'gain'"):
        export_onnx(model, tmp_path / "x", {"gain": 1})
    with pytest.raises(ConfigError, match="largest block of 0"):
        export_onnx(model, tmp_path / "x", max_block=0)
    export_onnx(model, tmp_path / "x")
    with pytest.raises(DataError, match="exists already"):
        export_onnx(model, tmp_path / "x")
    with pytest.raises(CheckpointError, match="is not an export"):
        OnnxStream(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ondes\[export\]'"):
        export_onnx(model, tmp_path / "y")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"onnxruntime.*ondes\[export\]"):
        OnnxStream(tmp_path / "x")


def test_slopes_above_one_and_channels_that_are_parted(tmp_path: Path) -> None:
    sizes = {"channels": 8, "num_blocks": 2, "kernel_size": 3, "condition_channels": (4,), "audio_channels": 2}
    model = TCN(TCNConfig(crop="official", **sizes)).eval()
    with torch.no_grad():
        model.blocks[0].activation.weight.fill_(1.7)
    metadata = export_onnx(model, tmp_path / "x")
    assert metadata["verification"]["max_relative_error"] <= 1e-6


def test_families_without_a_graph_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(S4Effect, "onnx_graph", None)
    with pytest.raises(ConfigError, match="'s4'.* ONNX"):
        export_onnx(make_model("s4_gain", torch.float32), tmp_path / "x")
    assert not any(tmp_path.iterdir())
