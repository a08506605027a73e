"""Effects in blocks: loads and latency of models whose behaviour is known."""

import time

import pytest
import torch

from effects.models.recurrent import VARIANTS, Recurrent
from recipes.benchmark.blocks import OnnxPlayer, in_engine, measure_blocks
from recipes.benchmark.find import find_effect


class Stumbling(Recurrent):
    """Takes 2 ms for each call, and every tenth time 12 ms."""

    calls = 0

    def stream(self, audio, knobs, state):
        self.calls += 1
        time.sleep(0.012 if self.calls % 10 == 0 else 0.002)
        return audio, state


def test_loads_tell_single_blocks_apart():
    torch.manual_seed(0)
    model = Stumbling(VARIANTS["lstm_32"])
    (row,) = measure_blocks({"x": in_engine(model, 441)}, 441, 0.5, 1, runs=1)
    # Blocks of 10 ms; a busy machine sleeps longer.
    assert 0.3 < row["rtf"] < 0.8
    assert 1.2 < row["load_p95"] < 4
    assert row["load_max"] >= row["load_p95"]
    assert (row["effect"], row["block"], row["threads"], row["latency"]) == ("x", 441, 1, 0)
    # 50 blocks, once to warm up.
    assert model.calls == 100


def test_effects_that_cannot_run_on_any_block_wait():
    models = {name: find_effect(name) for name in ("recurrent:lstm_32", "signaltrain:quarter")}
    waits, turns = [], []
    for block in (64, 1024):
        streams = {name: in_engine(model, block) for name, model in models.items()}
        rows = measure_blocks(streams, block, 0.05, 1, runs=1, advance=lambda: turns.append(1))
        waits.append([row["latency"] for row in rows])
        assert all(0 < row["rtf"] for row in rows)
    assert waits[0][0] == waits[1][0] == 0
    assert waits[0][1] > waits[1][1]
    assert len(turns) == 8


@torch.inference_mode()
def test_the_exported_graph_is_the_same_effect_in_another_runtime(tmp_path):
    pytest.importorskip("onnxruntime")
    model = find_effect("recurrent:lstm_32")
    streams = {"torch": in_engine(model, 64), "onnx": OnnxPlayer(model, tmp_path / "graph", 64).stream(64)}
    blocks = 0.3 * torch.randn(4, 1, 64)
    first, again = ([[stream.process(x) for x in blocks] for stream in streams.values()] for _ in range(2))
    torch.testing.assert_close(torch.cat(first[0]), torch.cat(first[1]), rtol=0, atol=1e-6)
    assert not torch.equal(first[1][0], again[1][0])
    streams["onnx"].reset()
    assert torch.equal(streams["onnx"].process(blocks[0]), first[1][0])
    rows = measure_blocks(streams, 64, 0.02, 2, runs=1)
    assert [(row["effect"], row["threads"]) for row in rows] == [("torch", 2), ("onnx", 1)]
    windowed = find_effect("signaltrain:old_quarter")
    player = OnnxPlayer(windowed, tmp_path / "windowed", 64)
    assert player.stream(65) is None
    assert player.stream(windowed.block_length) is not None
