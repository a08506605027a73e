"""A network is found in whatever its trainer put around it, and what is no network says so."""

import argparse
import logging
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import weight_norm as old_weight_norm
from torch.optim.swa_utils import AveragedModel

from vocoders.core.errors import CheckpointError
from vocoders.core.official import KeyMap, load_official_state, read_official_checkpoint
from vocoders.core.official_state import REFERENCES, find_reference, official_state

State = dict[str, Tensor]


class Reference(nn.Module):
    """Names like those of micro-TCN, and buffers as batch norm has them."""

    def __init__(self) -> None:
        super().__init__()
        self.gen = nn.Sequential(nn.Linear(2, 3))
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"conv1": nn.Conv1d(2, 2, 3), "res": nn.Conv1d(2, 2, 1), "bn": nn.BatchNorm1d(2)})
            for _ in range(2)
        )
        self.output = nn.Conv1d(2, 1, 1)


@pytest.fixture(scope="module")
def plain() -> State:
    torch.manual_seed(0)
    return Reference().state_dict()


@pytest.fixture(scope="module")
def average(plain: State) -> State:
    return {key: value + 1 for key, value in plain.items()}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def assert_same(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


@pytest.mark.parametrize(
    "words", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "net.", "model."]
)
@pytest.mark.parametrize(
    "keys", [(), ("model",), ("generator",), ("state_dict",), ("params",), ("model", "generator"), ("a", "b", "c")]
)
def test_wrappers_are_undone(plain: State, words: str, keys: tuple[str, ...]) -> None:
    checkpoint = prefixed(words, plain)
    for key in reversed(keys):
        checkpoint = {key: checkpoint, "steps": 7, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}}
    assert_same(official_state(checkpoint, "tcn", "c.pt"), plain)


def test_words_of_compiled_submodules_stand_in_the_middle(plain: State) -> None:
    inner = {key.replace(".conv1.", ".conv1._orig_mod."): value for key, value in plain.items()}
    assert_same(official_state(inner, "tcn", "c.pt"), plain)


def test_one_line_names_what_was_undone(plain: State, caplog: pytest.LogCaptureFixture) -> None:
    others = {"discriminator.a.weight": torch.ones(2)}
    checkpoint = {"state_dict": prefixed("generator.module.", plain) | others}
    with caplog.at_level(logging.INFO):
        assert_same(official_state(checkpoint, "tcn", "c.ckpt"), plain)
        official_state(plain, "tcn", "bare.pt")
    (record,) = caplog.records
    for word in ("c.ckpt", "state_dict", "'generator.'", "'module.'", "discriminator"):
        assert word in record.getMessage()
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda plain, average: {"model": plain, "ema": average},
        lambda plain, average: {"model": {"generator": plain}, "ema": {"generator": average}},
        lambda plain, average: {"params": plain, "params_ema": average},
        lambda plain, average: {"model": plain, "model_ema": prefixed("module.", average)},
        lambda plain, average: {"ema_model": {"n_averaged": torch.tensor(3), **prefixed("module.", average)}},
        lambda plain, average: {"n_averaged": torch.tensor(3), **prefixed("module.", average)},
        lambda plain, average: {"state_dict": prefixed("model.", plain) | prefixed("model_ema.", average)},
        lambda plain, average: {"initted": torch.tensor(1)} | prefixed("online_model.", plain)
        | prefixed("ema_model.", average),
        lambda plain, average: {"model": plain, "ema": {"decay": 0.99, "shadow": average}},
        lambda plain, average: {"g": plain, "g_ema": average},
        lambda plain, average: plain | prefixed("ema.", average),
        lambda plain, average: {"ema": average},
    ],
)  # fmt: skip
def test_the_moving_average_is_taken(plain: State, average: State, wrap, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert_same(official_state(wrap(plain, average), "tcn", "c.pt"), average)
    assert "moving average" in caplog.text


def test_an_averaged_model_of_torch_gives_its_average() -> None:
    averaged = AveragedModel(Reference())
    averaged.update_parameters(Reference())
    assert_same(official_state(averaged.state_dict(), "tcn", "c.pt"), averaged.module.state_dict())


def parameters_of(state: State) -> list[str]:
    return [key for key in state if "running" not in key and "num_batches" not in key]


def test_an_average_of_parameters_alone_keeps_the_buffers(plain: State, average: State) -> None:
    named = {key: average[key] for key in parameters_of(plain)}
    expected = plain | named
    assert_same(official_state({"model": plain, "ema": named}, "tcn", "c.pt"), expected)
    shadow = {"decay": 0.9, "num_updates": 5, "shadow_params": list(named.values()), "collected_params": []}
    assert_same(official_state({"model": prefixed("module.", plain), "ema": shadow}, "tcn", "c.pt"), expected)


def test_a_shadow_that_cannot_be_named_is_left_out_with_a_word(plain: State, caplog: pytest.LogCaptureFixture) -> None:
    shadow = {"shadow_params": [torch.zeros(2)]}
    with caplog.at_level(logging.INFO):
        assert_same(official_state({"model": plain, "ema": shadow}, "tcn", "c.pt"), plain)
    assert "left out" in caplog.text
    with pytest.raises(CheckpointError, match="without names"):
        official_state({"ema": shadow}, "tcn", "c.pt")


def test_two_networks_of_equal_right_are_not_guessed(plain: State, average: State) -> None:
    with pytest.raises(CheckpointError, match="tcn.* student, teacher"):
        official_state({"student": plain, "teacher": average}, "tcn", "c.pt")
    assert_same(official_state({"student": plain, "teacher": dict(plain)}, "tcn", "c.pt"), plain)


@pytest.mark.parametrize(
    ("checkpoint", "match"),
    [
        ({"epoch": 3}, "no weights.*epoch"),
        ({"state_dict": [1]}, "no weights"),
        ([1], "list"),
        (torch.ones(2), "Tensor"),
        ({"state_dict": {"a.b": torch.ones(1)}}, r"no blocks.0.conv1.weight.*state_dict: a\.b"),
        ({f"estimator.mlp.{i}.weight": torch.ones(1) for i in range(4)}, "--family periodwave"),
    ],
)
def test_strangers_are_shown(checkpoint, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        official_state(checkpoint, "tcn", "c.pt")
    assert str(caught.value).startswith("c.pt: ")
    assert "\n" not in str(caught.value)


def test_the_family_of_a_checkpoint_is_found(plain: State) -> None:
    assert find_reference({"model": prefixed("module.", plain)}) == "tcn"
    assert find_reference(nn.Linear(2, 2).state_dict()) is None
    assert find_reference("text") is None


def test_every_family_with_reference_checkpoints_is_recognised_by_its_example() -> None:
    import effects.registry
    import vocoders.registry

    known = {name for name, family in vocoders.registry.FAMILIES.items() if family.converter}
    assert REFERENCES.keys() == known | {name for name, family in effects.registry.FAMILIES.items() if family.converter}
    for name, reference in REFERENCES.items():
        official_state({reference.example: torch.ones(1)}, name, "c.pt")


def effective(module: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in module]


@pytest.mark.parametrize(
    "make", [lambda: nn.Conv1d(2, 3, 5), lambda: nn.ConvTranspose2d(2, 1, 3), lambda: nn.Linear(3, 1)]
)
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_normalisation_is_put_on_and_taken_off(make, dim: int | None) -> None:
    torch.manual_seed(0)
    bare = nn.Sequential(make(), make())
    normalised = nn.Sequential(*(parametrizations.weight_norm(make(), dim=dim) for _ in range(2)))
    old = nn.Sequential(*(old_weight_norm(make(), dim=dim) for _ in range(2)))
    with torch.no_grad():
        bare[1].weight[0] = 0
        old[0].weight_g.mul_(3)
    load_official_state(normalised, bare.state_dict(), KeyMap(), "c.pt")
    for found, expected in zip(effective(normalised), effective(bare), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    load_official_state(bare, normalised.state_dict(), KeyMap(), "c.pt")
    for found, expected in zip(effective(bare), effective(normalised), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    load_official_state(bare, old.state_dict(), KeyMap(), "c.pt")
    for found, layer in zip(effective(bare), old, strict=True):
        expected = torch._weight_norm(layer.weight_v, layer.weight_g, -1 if dim is None else dim)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_unexpected_keys_name_the_nearest_missing_one() -> None:
    state = nn.Linear(2, 2).state_dict()
    state["wieght"] = state.pop("weight")
    with pytest.raises(CheckpointError, match=r"1 .*wieght .*weight\).* do that"):
        load_official_state(nn.Linear(2, 2), state, KeyMap(), "c.pt", lambda: "do that")


def test_safetensors_are_read_whatever_their_suffix(plain: State, tmp_path: Path) -> None:
    for name in ("c.safetensors", "c.pt"):
        save_file(plain, tmp_path / name)
        assert_same(read_official_checkpoint(tmp_path / name), plain)
    (tmp_path / "c.safetensors").write_bytes((tmp_path / "c.safetensors").read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="truncated"):
        read_official_checkpoint(tmp_path / "c.safetensors")


def write(path: Path, kind: str) -> None:
    contents = {
        "empty": b"",
        "text": b"some words\nand more",
        "page": b"<!DOCTYPE html>\n<html><head>",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        "gzip": b"\x1f\x8b\x08\x00",
        "hdf5": b"\x89HDF\r\n\x1a\n",
        "noise": bytes(range(255, 100, -1)),
        "plain pickle": pickle.dumps({"a": [1]}, protocol=2),
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("read.me", "words")
    elif kind == "numpy":
        with open(path, "wb") as stream:
            np.savez(stream, a=np.ones(2))
    elif kind == "script":
        torch.jit.script(nn.Linear(2, 2)).save(path)
    else:
        torch.save({"weight": torch.ones(1000)}, path)
        path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("empty", "it is empty"),
        ("text", "text file"),
        ("page", "web page"),
        ("pointer", "git lfs pull"),
        ("gzip", "gzip"),
        ("hdf5", "HDF5"),
        ("noise", "damaged"),
        ("plain pickle", "plain pickle.*torch.save"),
        ("zip", r"zip archive of other things \(read\.me\)"),
        ("numpy", "zip archive"),
        ("script", "TorchScript.*state_dict"),
        ("cut", "truncated"),
    ],
)
def test_what_is_no_checkpoint_names_the_cause(tmp_path: Path, kind: str, cause: str, recwarn) -> None:
    write(tmp_path / "c.pt", kind)
    recwarn.clear()
    with pytest.raises(CheckpointError, match=cause) as caught:
        read_official_checkpoint(tmp_path / "c.pt")
    assert str(caught.value).startswith(f"{tmp_path / 'c.pt'}: not a readable checkpoint: ")
    assert "\n" not in str(caught.value)
    assert not recwarn


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder"):
        read_official_checkpoint(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_foreign_classes_are_named(tmp_path: Path, zipped: bool, protocol: int) -> None:
    content = {"w": torch.ones(1), "options": argparse.Namespace(a=Path("x"))}
    torch.save(content, tmp_path / "c.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"argparse\.Namespace, pathlib\.(_local\.)?PosixPath, .*state_dict"):
        read_official_checkpoint(tmp_path / "c.pt")


def test_our_own_weights_without_their_folder_are_not_taken_for_a_reference(tmp_path: Path) -> None:
    from vocoders.wavehax import VARIANTS, Wavehax

    with pytest.raises(CheckpointError, match="whole folder"):
        official_state(Wavehax(VARIANTS["v2"]).state_dict(), "wavehax", "model.safetensors")


def test_weight_normalisation_that_is_put_on_is_named(caplog: pytest.LogCaptureFixture) -> None:
    layer = parametrizations.weight_norm(nn.Conv1d(2, 3, 5))
    with caplog.at_level(logging.INFO):
        load_official_state(layer, layer.state_dict(), KeyMap(), "c.pt")
        assert not caplog.records
        load_official_state(layer, nn.Conv1d(2, 3, 5).state_dict(), KeyMap(), "c.pt")
        load_official_state(nn.Conv1d(2, 3, 5), layer.state_dict(), KeyMap(), "c.pt")
    assert ["put on 1" in caplog.messages[0], "taken off 1" in caplog.messages[1]] == [True, True]
