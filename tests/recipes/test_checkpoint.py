"""Checkpoints appear whole or not at all, and a damaged one costs a warning, not the run."""

import errno
import logging
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from recipes.checkpoint import (
    checkpoint_path,
    find_checkpoints,
    load_checkpoint,
    load_initial_state,
    load_latest_checkpoint,
    save_checkpoint,
)
from vocoders.core.errors import CheckpointError
from vocoders.core.pretrained import read_tensors, resolve_model


def state_of(step: int) -> dict:
    return {"weights": torch.full((100,), float(step)), "rng": torch.get_rng_state(), "config": {"name": "x"}}


def steps_in(folder: Path) -> list[int]:
    return [int(path.stem.removeprefix("checkpoint-")) for path in find_checkpoints(folder)]


def test_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = state_of(7)
    path = save_checkpoint(tmp_path / "new" / "folder", 7, state, keep=1)
    assert path == checkpoint_path(tmp_path / "new" / "folder", 7)
    loaded = load_checkpoint(path)
    assert loaded["step"] == 7
    assert loaded["config"] == {"name": "x"}
    assert torch.equal(loaded["weights"], state["weights"])
    assert torch.equal(loaded["rng"], state["rng"])
    assert "step" not in state, "the caller's state must not change"


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_latest_are_kept(tmp_path: Path, keep: int) -> None:
    # Numbers of different width: sorting by name alone would call 99999999 later than 100000000.
    steps = [9, 10, 99_999_999, 100_000_000]
    for step in steps:
        save_checkpoint(tmp_path, step, state_of(step), keep)
    assert steps_in(tmp_path) == steps[-keep:]
    assert load_latest_checkpoint(tmp_path)["step"] == 100_000_000


def test_other_files_are_no_checkpoints_and_stay(tmp_path: Path) -> None:
    others = ["best.pt", "checkpoint-x.pt", "checkpoint-00000001.pt.old", "my-checkpoint-00000001.pt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, state_of(step), keep=1)
    assert steps_in(tmp_path) == [3]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "checkpoint-00000003.pt"])


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), CheckpointError),
        (RuntimeError("PytorchStreamWriter failed writing file"), CheckpointError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk full", "torch", "Ctrl-C"],
)
@pytest.mark.parametrize("step", [1, 2])
def test_failure_while_writing_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, raised: type, step: int
) -> None:
    save_checkpoint(tmp_path, 1, state_of(1), keep=1)
    before = checkpoint_path(tmp_path, 1).read_bytes()

    def write_half(state: dict, stream: BinaryIO) -> None:
        stream.write(before[: len(before) // 2])
        raise failure

    monkeypatch.setattr(torch, "save", write_half)
    with pytest.raises(raised) as caught:
        save_checkpoint(tmp_path, step, state_of(5), keep=1)
    if raised is CheckpointError:
        assert "earlier checkpoints" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]
    assert checkpoint_path(tmp_path, 1).read_bytes() == before
    assert load_latest_checkpoint(tmp_path)["step"] == 1


def damage(path: Path, kind: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "text": b"not a checkpoint"}[kind])


@pytest.mark.parametrize("kind", ["empty", "half", "text"])
def test_damaged_latest_falls_back_to_the_one_before_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, state_of(step), keep=3)
    damage(checkpoint_path(tmp_path, 3), kind)
    with caplog.at_level(logging.WARNING):
        loaded = load_latest_checkpoint(tmp_path)
    assert loaded["step"] == 2
    assert torch.equal(loaded["weights"], state_of(2)["weights"])
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "checkpoint-00000003.pt: " in record.getMessage()
    assert "\n" not in record.getMessage()


def test_all_damaged_is_an_error_and_none_at_all_is_not(tmp_path: Path) -> None:
    assert load_latest_checkpoint(tmp_path) is None
    assert load_latest_checkpoint(tmp_path / "absent") is None
    for step in (1, 2):
        damage(save_checkpoint(tmp_path, step, state_of(step), keep=2), "half")
    with pytest.raises(CheckpointError, match=" 2 .*damaged"):
        load_latest_checkpoint(tmp_path)


def test_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "checkpoint-00000001.pt")


def test_a_run_folder_gives_its_latest_whole_checkpoint_as_a_start(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        path = save_checkpoint(tmp_path / "checkpoints", step, {"family": "x", "parts": {}}, keep=3)
    assert load_initial_state(tmp_path)["step"] == 3
    damage(path, "half")
    assert load_initial_state(tmp_path)["step"] == 2


def test_a_model_is_a_start_by_its_name_or_folder() -> None:
    folder = resolve_model("lowpass-graybox")
    starts = [load_initial_state(source) for source in ("lowpass-graybox", Path("lowpass-graybox"), folder)]
    weights = read_tensors(folder / "model.safetensors")
    for start in starts:
        assert start["family"] == "graybox"
        assert all(torch.equal(start["parts"]["generator"][name], tensor) for name, tensor in weights.items())
    with pytest.raises(CheckpointError, match="'lowpass-graybox'"):
        load_initial_state("lowpass-graybx")


def test_a_checkpoint_of_another_program_is_no_start(tmp_path: Path) -> None:
    torch.save({"model": {}, "iteration": 1}, tmp_path / "G_1.pth")
    with pytest.raises(CheckpointError, match="no checkpoint.* reference"):
        load_initial_state(tmp_path / "G_1.pth")
    torch.save({f"estimator.mlp.{index}.weight": torch.ones(1) for index in range(4)}, tmp_path / "G_1.pth")
    with pytest.raises(CheckpointError, match=r"ondes convert .*G_1\.pth --family periodwave "):
        load_initial_state(tmp_path / "G_1.pth")


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    proof, path = tmp_path / "executed", tmp_path / "checkpoint-00000001.pt"
    torch.save({"step": 1, "x": Payload(proof)}, path)
    with pytest.raises(CheckpointError):
        load_latest_checkpoint(tmp_path)
    assert not proof.exists()
