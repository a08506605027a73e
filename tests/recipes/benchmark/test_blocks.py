"""Effects in blocks: loads and latency of models whose behaviour is known."""

import time

import torch

from effects.models.recurrent import VARIANTS, Recurrent
from recipes.benchmark.blocks import measure_blocks
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
    (row,) = measure_blocks({"x": model}, 441, 0.5, 1, runs=1)
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
        rows = measure_blocks(models, block, 0.05, 1, runs=1, advance=lambda: turns.append(1))
        waits.append([row["latency"] for row in rows])
        assert all(0 < row["rtf"] for row in rows)
    assert waits[0][0] == waits[1][0] == 0
    assert waits[0][1] > waits[1][1]
    assert len(turns) == 8
