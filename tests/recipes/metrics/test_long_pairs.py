"""Long files are measured part by part: the same values where a metric is a mean over time, in bounded memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.metrics.evaluation import Alignment, evaluate_systems
from recipes.metrics.metric import Metric, SignalPair
from vocoders.core.audio import write_audio

RATE = 8000


class MeanDifference(Metric):
    """A mean over samples, which parts of equal length leave as it is."""

    name = "mean_difference"
    title = heading = definition = "mean difference"
    decimals = 6
    longest = 0

    def measure(self, pair: SignalPair) -> float:
        MeanDifference.longest = max(MeanDifference.longest, len(pair.reference.samples))
        return float(np.abs(pair.reference.samples - pair.generated.samples).mean())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    noise = torch.rand(1, 10 * RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    for name, audio in (("ref", noise), ("gen", 0.5 * noise[:, : -RATE // 20])):
        write_audio(tmp_path / name / "a.wav", audio, RATE, "FLOAT")
    return tmp_path / "ref", tmp_path / "gen"


def test_parts_give_the_mean_of_the_whole(folders: tuple[Path, Path]) -> None:
    ref, gen = folders
    found = {}
    for seconds in (100.0, 3.0):
        MeanDifference.longest = 0
        result = evaluate_systems(ref, {"x": gen}, [MeanDifference()], alignment=Alignment(part_seconds=seconds))
        assert MeanDifference.longest <= seconds * RATE + 1
        found[seconds] = result.scores[0].values["mean_difference"], result.scores[0].duration
        kinds = [problem.kind for problem in result.problems]
        assert ("divided" in kinds) == (seconds == 3.0)
    assert found[3.0] == pytest.approx(found[100.0], rel=1e-4)


def test_a_long_pair_of_other_lengths_fails_as_a_short_one(folders: tuple[Path, Path]) -> None:
    ref, gen = folders
    write_audio(gen / "a.wav", torch.zeros(1, 5 * RATE), RATE)
    result = evaluate_systems(ref, {"x": gen}, [MeanDifference()], alignment=Alignment(part_seconds=3.0))
    assert [problem.kind for problem in result.problems] == ["failed"]
    assert result.scores == ()
