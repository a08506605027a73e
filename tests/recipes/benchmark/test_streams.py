"""Streams in a benchmark: what the model waits for counts as latency, and so does its computation."""

import pytest
import torch

from recipes.benchmark.models import VocoderContender, contender_of
from recipes.benchmark.streams import measure_streams, streamed
from recipes.benchmark.tables import _streams_table
from vocoders.core.errors import ConfigError
from vocoders.registry import load_vocoder
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax


@pytest.fixture(scope="module")
def contender() -> VocoderContender:
    torch.manual_seed(0)
    sizes = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame", "look_ahead": 1}
    return contender_of("tiny", Wavehax(WavehaxConfig(**sizes)).eval())


def test_latency_is_chunk_look_ahead_and_computing(contender: VocoderContender) -> None:
    told: list[int] = []
    rows = measure_streams([contender], [1, 4], 0.2, 1, 2, lambda: told.append(1))
    assert len(told) == 6
    for row, chunk in zip(rows, (1, 4), strict=True):
        assert (row["system"], row["chunk"], row["threads"]) == ("tiny", chunk, 1)
        assert row["lag"] == contender.system.stream().latency_seconds
        assert row["latency"] == pytest.approx(0.01 * chunk + row["lag"] + row["time"])
        assert 0 < row["time"] <= row["time_p95"]
    # 360 + 240 samples are missing, so audio comes with the third frame.
    assert 0.03 < rows[0]["first_audio"] < 0.03 + 1
    table = _streams_table({"streams": rows})
    assert table.count("\n") == 4


def test_systems_without_streams_and_long_chunks(contender: VocoderContender) -> None:
    assert streamed([contender, contender_of("none", load_vocoder("griffin-lim"))]) == [contender]
    with pytest.raises(ConfigError):
        measure_streams([contender], [100], 0.1, 1, 1)
