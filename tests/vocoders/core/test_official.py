"""Foreign checkpoints are read without running anything in them, and fit completely or not at all."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm as old_weight_norm
from torch.nn.utils.parametrizations import weight_norm

from vocoders.core.errors import CheckpointError
from vocoders.core.official import KeyMap, load_official_state, read_official_checkpoint


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def linear_state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(2, 3, generator=generator), "bias": torch.randn(2, generator=generator)}


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    state = {"model": {"generator": linear_state()}, "steps": 7}
    torch.save(state, tmp_path / "c.pt")
    read = read_official_checkpoint(tmp_path / "c.pt")
    assert read["steps"] == 7
    for key, value in linear_state().items():
        assert torch.equal(read["model"]["generator"][key], value)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path: Path, zipped: bool) -> None:
    path, proof = tmp_path / "c.pt", tmp_path / "executed"
    torch.save({"w": torch.zeros(1), "x": Payload(proof)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"c\.pt"):
        read_official_checkpoint(path)
    assert not proof.exists()
    torch.load(path, weights_only=False)
    assert proof.exists(), "the payload must be live, or this test proves nothing"


def test_plain_pickle_with_code_is_refused_and_not_executed(tmp_path: Path) -> None:
    path, proof = tmp_path / "c.pkl", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Payload(proof)))
    with pytest.raises(CheckpointError):
        read_official_checkpoint(path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())
    assert proof.exists()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "c.pt"
    torch.save(linear_state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(CheckpointError) as caught:
        read_official_checkpoint(path)
    assert "c.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_text_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such"):
        read_official_checkpoint(tmp_path / "none.pt")
    (tmp_path / "page.pt").write_text("<html>404</html>")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        read_official_checkpoint(tmp_path / "page.pt")


def test_fitting_state_is_copied_with_the_precision_of_the_network() -> None:
    module = nn.Linear(3, 2)
    state = {f"net.{key}": value.double() for key, value in linear_state().items()}
    load_official_state(module, {**state, "window": torch.ones(4)}, KeyMap([(r"^net\.", "")], ["window"]), "c.pt")
    assert module.weight.dtype == torch.float32
    for key, value in linear_state().items():
        assert torch.equal(module.state_dict()[key], value)


def test_missing_unexpected_and_misshaped_keys_are_all_listed_and_nothing_is_loaded() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = {
        "0.weight": torch.ones(3, 2),
        "0.bias": torch.ones(2),
        "1.bias": torch.ones(2),
        "tail.weight": torch.ones(1),
    }
    with pytest.raises(CheckpointError) as caught:
        load_official_state(module, state, KeyMap(), "c.pt")
    message = str(caught.value)
    assert message.startswith("c.pt: ")
    assert "1 missing: 1.weight" in message
    assert "1 unexpected: tail.weight" in message
    assert re.search(r"1 wrong shape: 0\.weight \(3, 2\).* \(2, 3\)", message)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_long_lists_of_keys_are_shortened_with_their_count() -> None:
    with pytest.raises(CheckpointError, match=r"20 unexpected: .* and 12 more"):
        load_official_state(nn.Linear(1, 1), {f"k{i:02}": torch.ones(1) for i in range(20)}, KeyMap(), "c.pt")


def test_drop_takes_whole_keys_only() -> None:
    state = {"window": torch.ones(1), "window.weight": torch.ones(1), "my_window": torch.ones(1)}
    assert set(KeyMap(drop=["window"]).apply(state)) == {"window.weight", "my_window"}


def test_old_weight_norm_names_give_the_same_network() -> None:
    torch.manual_seed(0)
    old = nn.Sequential(old_weight_norm(nn.Conv1d(2, 3, 5)), nn.Tanh(), old_weight_norm(nn.Conv1d(3, 1, 3)))
    new = nn.Sequential(weight_norm(nn.Conv1d(2, 3, 5)), nn.Tanh(), weight_norm(nn.Conv1d(3, 1, 3)))
    assert "0.weight_g" in old.state_dict()
    with torch.no_grad():
        old[0].weight_g.mul_(3.0)
    load_official_state(new, old.state_dict(), KeyMap(), "old.pt")
    x = torch.randn(1, 2, 20)
    torch.testing.assert_close(new(x), old(x), rtol=0, atol=1e-6)


def test_weight_norm_names_at_the_top_level_and_look_alikes() -> None:
    state = dict.fromkeys(["weight_g", "weight_v", "a.weight_g", "a.my_weight_g", "weight_g.b"], torch.ones(1))
    assert list(KeyMap().apply(state)) == [
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
        "a.parametrizations.weight.original0",
        "a.my_weight_g",
        "weight_g.b",
    ]
