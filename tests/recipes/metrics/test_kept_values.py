"""Values that are kept in a folder: nothing is measured twice, nothing stale is used, and shares meet there."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.metrics import kept_values
from recipes.metrics.evaluation import Alignment, EvaluationResult, evaluate_systems
from recipes.metrics.metric import Metric, SignalPair, UndefinedMetricError
from vocoders.core.audio import write_audio
from vocoders.core.errors import DataError

RATE = 8000


class Counted(Metric):
    """A difference of means that counts its calls."""

    name = "counted"
    title = heading = "counted"
    calls = 0

    def __init__(self, definition: str = "mean of reference - generated") -> None:
        self.definition = definition

    def measure(self, pair: SignalPair) -> float:
        Counted.calls += 1
        if pair.generated.samples[0] > 0.99:
            raise UndefinedMetricError("loud")
        return float(np.mean(pair.reference.samples - pair.generated.samples))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    random = torch.Generator().manual_seed(0)
    for number in range(5):
        audio = torch.rand(1, RATE, generator=random) - 0.5
        write_audio(tmp_path / "ref" / f"u{number}.wav", audio, RATE, "FLOAT")
        write_audio(tmp_path / "gen" / f"u{number}.wav", audio / 2, RATE, "FLOAT")
    return tmp_path


def measure(folder: Path, metric: Metric | None = None, nj: int = 1, **options: object) -> tuple[int, EvaluationResult]:
    """Return the number of measured pairs, and the result."""
    Counted.calls = 0
    metrics = [metric or Counted()]
    found = evaluate_systems(folder / "ref", {"x": folder / "gen"}, metrics, nj, keep=folder / "kept", **options)  # type: ignore[arg-type]
    return Counted.calls, found


def test_nothing_is_measured_twice(folders: Path) -> None:
    calls, first = measure(folders)
    assert calls == 5
    calls, second = measure(folders)
    assert calls == 0
    assert second.scores == first.scores
    assert second.summary("x", "counted") == first.summary("x", "counted")


def test_shares_meet_in_the_folder(folders: Path) -> None:
    parts = [measure(folders, share=(number, 3)) for number in range(3)]
    assert [calls for calls, _ in parts] == [2, 2, 1]
    calls, whole = measure(folders, nj=2)
    assert calls == 0
    assert sorted(score.utt_id for _, part in parts for score in part.scores) == [s.utt_id for s in whole.scores]
    assert measure(folders, share=(8, 9))[1].scores == ()


@pytest.mark.parametrize("change", ["audio", "time", "metric", "alignment", "version", "damage"])
def test_what_has_changed_is_measured_again(folders: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    measure(folders)
    metric, options = Counted(), {}
    file = folders / "gen" / "u3.wav"
    if change == "audio":
        write_audio(file, torch.zeros(1, RATE - 10), RATE, "FLOAT")
    elif change == "time":
        os.utime(file, (1, 1))
    elif change == "metric":
        metric = Counted("another one")
    elif change == "alignment":
        options["alignment"] = Alignment(resample=True)
    elif change == "version":
        monkeypatch.setattr(kept_values, "package_versions", lambda: {"ondes": "0"})
    else:
        for number, kept in enumerate(sorted((folders / "kept").iterdir())):
            kept.write_bytes([b"", b"[]", b'{"values": 3}', b"\xff", kept.read_bytes()[:-9]][number])
    calls, found = measure(folders, metric, **options)
    assert calls == (1 if change in ("audio", "time") else 5)
    assert len(found.scores) == 5
    assert measure(folders, metric, **options)[0] == 0


def test_problems_are_kept_and_failures_are_tried_again(folders: Path) -> None:
    write_audio(folders / "gen" / "u0.wav", torch.ones(1, RATE), RATE, "FLOAT")
    write_audio(folders / "gen" / "u1.wav", torch.zeros(1, RATE), RATE // 2, "FLOAT")
    calls, first = measure(folders)
    assert {(p.utt_id, p.kind) for p in first.problems} == {("u0", "undefined"), ("u1", "failed")}
    assert calls == 4
    calls, second = measure(folders)
    assert calls == 0
    assert second.problems == first.problems


def test_parts_of_long_files_are_kept_one_by_one(folders: Path) -> None:
    alignment = Alignment(part_seconds=0.3)
    assert measure(folders, alignment=alignment)[0] == 20
    next((folders / "kept").iterdir()).unlink()
    assert measure(folders, alignment=alignment)[0] == 1


def test_a_file_in_place_of_the_folder(folders: Path) -> None:
    (folders / "kept").write_text("x")
    with pytest.raises(DataError, match="kept"):
        measure(folders)
