"""Model folders: exact round trips, strict loading, nothing lost."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vocoders.core import model_source
from vocoders.core.config import Config
from vocoders.core.errors import CheckpointError, ConfigError, DataError
from vocoders.core.pretrained import PretrainedModel, read_model_config, resolve_model, shipped_models

CARD = """---
license: cc-by-4.0
library_name: ondes
tags: [ondes]
description: A model of nothing in particular.
---

# Tiny
"""


class TinyConfig(Config):
    channels: int = 4
    sample_rate: int = 24000


class Tiny(PretrainedModel, nn.Module):
    """A network with a buffer, tied weights, a batch norm and dropout."""

    family = "tiny"
    config_class = TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.channels, 1))
        self.first = nn.Conv1d(config.channels, config.channels, 3, padding=1)
        self.second = nn.Conv1d(config.channels, config.channels, 3, padding=1)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(config.channels)
        self.dropout = nn.Dropout(0.5)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.norm(self.second(torch.tanh(self.first(features - self.mean)))))

    def reference_inputs(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(0)
        return {"features": torch.randn(1, 20, self.config.channels, generator=generator).transpose(1, 2)}


class Other(Tiny):
    family = "other"


@pytest.fixture
def model() -> Tiny:
    torch.manual_seed(0)
    model = Tiny(TinyConfig())
    model.mean.normal_()
    model.norm.running_mean.normal_()
    return model


@pytest.fixture
def folder(model: Tiny, tmp_path: Path) -> Path:
    return model.save_pretrained(tmp_path / "tiny", CARD)


def rewrite_config(folder: Path, **changes) -> None:
    content = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(content))


def rewrite_state(folder: Path, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def test_round_trip_is_exact_and_silent(model: Tiny, folder: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    loaded = Tiny.from_pretrained(folder, verify=True)
    assert torch.equal(torch.rand(3), expected), "loading disturbed the global random state"
    assert loaded.config == model.config
    assert not loaded.training
    assert model.training, "saving changed the mode of the model"
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert sorted(path.name for path in folder.iterdir()) == sorted(model_source.MODEL_FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize(("values", "named"), [((torch.zeros(4),), {}), ((), {"mean": torch.zeros(4)})])
def test_statistics_nobody_asked_for_are_refused(model: Tiny, values: tuple, named: dict) -> None:
    model.set_statistics()
    with pytest.raises(ConfigError):
        model.set_statistics(*values, **named)


def test_same_model_gives_the_same_bytes(model: Tiny, folder: Path, tmp_path: Path) -> None:
    for _ in range(10):
        again = model.save_pretrained(tmp_path / "again", CARD, overwrite=True)
        for name in model_source.MODEL_FILES:
            assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_others_may_read_all_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    assert {path.stat().st_mode for path in folder.iterdir()} == {(tmp_path / "plain").stat().st_mode}


def test_full_disk_leaves_no_folder(model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(DataError, match=r"tiny.* No space left"):
        model.save_pretrained(tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_file_format(folder: Path, model: Tiny) -> None:
    content = json.loads((folder / "config.json").read_text())
    assert set(content) == {"format", "family", "ondes", "config"}
    assert (content["format"], content["family"]) == (1, "tiny")
    reference = load_file(folder / "reference.safetensors")
    assert set(reference) == {"in.features", "out"}
    torch.testing.assert_close(model.eval()(reference["in.features"]), reference["out"])
    file = read_model_config(folder)
    assert (file.family, file.config) == ("tiny", {"channels": 4, "sample_rate": 24000})


def test_half_precision_halves_matrices_alone(model: Tiny, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "half", dtype=torch.float16)
    stored = load_file(folder / "model.safetensors")
    halved = {name for name, tensor in stored.items() if tensor.dtype == torch.float16}
    assert halved == {"first.weight", "second.weight"}
    loaded = Tiny.from_pretrained(folder, verify=True)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.mean, model.mean)
    assert not torch.equal(loaded.first.weight, model.first.weight)
    torch.testing.assert_close(loaded.first.weight, model.first.weight, rtol=2**-11, atol=1e-7)


def test_half_precision_that_changes_the_sound_is_refused(model: Tiny, tmp_path: Path) -> None:
    with torch.no_grad():
        model.first.weight.mul_(1e6)  # above the greatest half-precision number
    with pytest.raises(CheckpointError, match="changes by"):
        model.save_pretrained(tmp_path / "half", dtype=torch.float16)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="bfloat16"):
        model.save_pretrained(tmp_path / "half", dtype=torch.bfloat16)


def test_state_outside_the_state_dict_is_noticed(model: Tiny, tmp_path: Path) -> None:
    model.norm.eps = 3.0
    with pytest.raises(CheckpointError, match="parameters and buffers"):
        model.save_pretrained(tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_broken_weights_are_not_saved(model: Tiny, tmp_path: Path) -> None:
    model.mean[0] = torch.nan
    with pytest.raises(CheckpointError, match="NaN"):
        model.save_pretrained(tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_overwriting(model: Tiny, folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    model.first.bias.data += 1
    with pytest.raises(CheckpointError, match="exists"):
        model.save_pretrained(folder)
    assert (folder / "model.safetensors").read_bytes() == before
    model.save_pretrained(folder, overwrite=True)
    assert torch.equal(Tiny.from_pretrained(folder).first.bias, model.first.bias)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match=r"thesis\.tex"):
        model.save_pretrained(folder, overwrite=True)
    assert (folder / "thesis.tex").exists()


@pytest.mark.parametrize("card", ["# no front matter", "---\nlicense: mit\n---\n", "---\nlibrary_name: ondes\n---\n"])
def test_card_without_what_the_hub_needs_is_refused(model: Tiny, tmp_path: Path, card: str) -> None:
    with pytest.raises(ConfigError, match="card"):
        model.save_pretrained(tmp_path / "tiny", card)
    assert not list(tmp_path.iterdir())


def test_verify_catches_changed_weights(folder: Path) -> None:
    rewrite_state(folder, lambda state: state["second.bias"].add_(0.01))
    Tiny.from_pretrained(folder)
    with pytest.raises(CheckpointError, match="stored reference"):
        Tiny.from_pretrained(folder, verify=True)
    (folder / "reference.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no reference\.safetensors"):
        Tiny.from_pretrained(folder, verify=True)


def test_all_misfits_are_listed(folder: Path) -> None:
    def spoil(state: dict[str, Tensor]) -> None:
        del state["mean"], state["norm.bias"]
        state["extra"] = torch.zeros(1)
        state["first.bias"] = torch.zeros(7)
        state["norm.num_batches_tracked"] = torch.tensor(0.5)

    rewrite_state(folder, spoil)
    with pytest.raises(CheckpointError) as caught:
        Tiny.from_pretrained(folder)
    message = str(caught.value)
    for part in ["missing mean, norm.bias", "unexpected extra", "first.bias (7,) instead of (4,)", "torch.float32"]:
        assert part in message


def test_long_lists_are_shortened(folder: Path) -> None:
    rewrite_state(folder, lambda state: state.update({f"extra.{i}": torch.zeros(1) for i in range(30)}))
    with pytest.raises(CheckpointError, match="and 22 more"):
        Tiny.from_pretrained(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -100, -1])
def test_truncated_weights(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated"):
        Tiny.from_pretrained(folder)


def test_pickle_is_never_opened(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        Tiny.from_pretrained(folder)
    torch.save({"bomb": Bomb()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError):
        Tiny.from_pretrained(folder)
    assert not (tmp_path / "exploded").exists()


def test_git_lfs_pointer_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(CheckpointError, match="git lfs pull"):
        Tiny.from_pretrained(folder)


def test_wrong_family_and_format(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="'tiny'.* 'other'"):
        Other.from_pretrained(folder)
    rewrite_config(folder, format=2)
    with pytest.raises(CheckpointError, match="update ondes"):
        Tiny.from_pretrained(folder)
    for broken in [{"format": "1"}, {"family": "os.path"}, {"family": 3}, {"config": []}]:
        rewrite_config(folder, **({"format": 1, "family": "tiny", "config": {}} | broken))
        with pytest.raises(CheckpointError):
            read_model_config(folder)
    for text in ["", "{", "[]", "null", "\udcff"]:
        (folder / "config.json").write_text(text, errors="surrogateescape")
        with pytest.raises(CheckpointError):
            read_model_config(folder)


def test_misspelt_config_key(folder: Path) -> None:
    rewrite_config(folder, config={"chanels": 4})
    with pytest.raises(ConfigError, match=r"config\.json.* 'channels'"):
        Tiny.from_pretrained(folder)


def test_unknown_device(folder: Path) -> None:
    with pytest.raises(ConfigError, match="unknown device"):
        Tiny.from_pretrained(folder, device="gpu")
    with pytest.raises(ConfigError, match="no device 'cuda:99'"):
        Tiny.from_pretrained(folder, device="cuda:99")


@pytest.fixture
def shipped(model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    weights = tmp_path / "weights"
    model.save_pretrained(weights / "tiny-24k", CARD)
    monkeypatch.setattr(model_source, "_WEIGHTS", (weights, tmp_path / "absent"))
    monkeypatch.chdir(tmp_path)
    return weights


def test_shipped_model_by_name(shipped: Path, model: Tiny) -> None:
    assert resolve_model("tiny-24k") == resolve_model(Path("tiny-24k")) == shipped / "tiny-24k"
    (found,) = shipped_models()
    assert (found.name, found.family, found.sample_rate, found.license) == ("tiny-24k", "tiny", 24000, "cc-by-4.0")
    assert found.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    assert found.description == "A model of nothing in particular."
    assert found.size_bytes == sum(file.stat().st_size for file in found.path.iterdir())
    with pytest.raises(CheckpointError, match="'tiny-24k'"):
        resolve_model("tiny-24")
    with pytest.raises(CheckpointError, match="ships tiny-24k"):
        resolve_model("zzz")


def test_folder_and_its_files_resolve(shipped: Path) -> None:
    folder = shipped / "tiny-24k"
    assert resolve_model(folder) == resolve_model(folder / "config.json") == folder
    assert resolve_model(folder / "model.safetensors") == folder
    # An unrelated folder of the same name in the working directory does not hide a shipped model.
    Path("tiny-24k").mkdir()
    assert resolve_model("tiny-24k") == folder
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        resolve_model(shipped)
    Path("checkpoint.pkl").write_bytes(b"")
    with pytest.raises(CheckpointError, match="ondes convert"):
        resolve_model("checkpoint.pkl")


@pytest.mark.parametrize(
    "name", ["../weights/none", "..", "a/../b", "a/b/c", "/absent", "", "a b", "org/..", "tiny-24k/."]
)
def test_tricks_with_paths_lead_nowhere(shipped: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "_download", lambda *_: pytest.fail("asked the hub"))
    # As a path, "tiny-24k/." is the name itself.
    for source in (name, Path(name)) if name != "tiny-24k/." else (name,):
        with pytest.raises(CheckpointError):
            resolve_model(source)


def test_hub_download_takes_the_four_files_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    calls = []

    def snapshot_download(hub_id: str, **options) -> str:
        calls.append((hub_id, options))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert resolve_model("org/name@v1") == folder
    assert resolve_model(Path("org/name")) == folder
    patterns = ["config.json", "model.safetensors", "README.md", "reference.safetensors"]
    assert calls == [
        ("org/name", {"revision": "v1", "allow_patterns": patterns}),
        ("org/name", {"revision": None, "allow_patterns": patterns}),
    ]


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_the_hub_gives_a_clear_error(tmp_path: Path, offline: bool) -> None:
    code = (
        "from vocoders.core.pretrained import resolve_model\n"
        "from vocoders.core.errors import CheckpointError\n"
        "try: resolve_model('org/name')\n"
        "except CheckpointError as error: print(error)"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    environment |= {"HF_HUB_OFFLINE": "1" if offline else "0"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "'org/name'" in run.stdout, run.stderr
    assert "cannot be reached" in run.stdout


def test_unwritable_target(model: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        model.save_pretrained(tmp_path / "file" / "tiny")
