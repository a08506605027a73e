"""Runtimes: the same audio by other code, chosen by name, kept in a cache that may be damaged or closed."""

import copy
import logging
import os
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from vocoders import load
from vocoders.core.errors import CheckpointError, ConfigError, MissingExtraError
from vocoders.frontends.mel import MelConfig
from vocoders.registry import FAMILIES
from vocoders.runtimes import ModelRuntime, cache, choice
from vocoders.wavehax import Wavehax, WavehaxConfig

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

MEL = MelConfig(n_fft=256, hop_length=60, n_mels=20, fmax=8000.0)
FAMILY = FAMILIES["wavehax"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small().save_pretrained(tmp_path / "model")


def small(**changes) -> Wavehax:
    torch.manual_seed(0)
    options = {"mel": MEL, "channels": 4, "num_blocks": 2, "kernel_size": (3, 3), "n_fft": 120, "norm": "frame"}
    model = Wavehax(WavehaxConfig(**(options | changes))).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def audio_of(model: Wavehax) -> torch.Tensor:
    features = torch.randn(2, 20, 30, generator=torch.Generator().manual_seed(0))
    return model.synthesize(features, torch.full((2, 1, 30), 150.0), mel_refinement=2)


def graph_files() -> list[Path]:
    return sorted((cache.cache_folder() / "graphs").glob("*"))


@pytest.mark.parametrize("name", ["auto", "compiled", "onnx"])
def test_every_runtime_makes_the_same_audio(name, folder: Path):
    expected, model = audio_of(load(folder, runtime="torch")), load(folder, runtime=name)
    found = audio_of(model)
    assert model.runtime.chosen(model) == ("compiled" if name == "auto" else name)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_changed_weights_and_copies_are_computed_with_their_own(folder: Path):
    model = load(folder)
    first = audio_of(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        model.network.output_proj.weight.mul_(2)
    assert not torch.equal(audio_of(model), first)
    assert torch.equal(audio_of(other), first)


def test_auto_takes_the_next_if_one_disagrees(folder: Path, monkeypatch, caplog):
    monkeypatch.setattr("vocoders.wavehax.compiled.open_compiled", lambda *_: lambda features, prior: prior[:, :1])
    model = load(folder)
    with caplog.at_level(logging.WARNING):
        assert model.runtime.chosen(model) == "onnx"
    assert len(caplog.records) == 1
    with pytest.raises(CheckpointError):
        audio_of(load(folder, runtime="compiled"))
    monkeypatch.setattr(choice, "_is_installed", lambda name: False)
    model = load(folder)
    assert model.runtime.chosen(model) == "torch"


def test_what_is_not_there_is_named_before_any_work(folder: Path, monkeypatch):
    with pytest.raises(ConfigError):
        load(folder, runtime="tensorflow")
    with pytest.raises(ConfigError):
        load("griffin-lim", runtime="onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match="openvino"):
        load(folder, runtime="openvino")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError):
        load(folder, runtime="onnx")
    without = replace(FAMILY, runtime_plan=None, compiled=None, fastest=())
    for name in ("onnx", "compiled"):
        with pytest.raises(ConfigError):
            ModelRuntime(name, without)


def test_a_graph_is_made_once(folder: Path, monkeypatch):
    audio_of(load(folder, runtime="onnx"))
    (file,) = graph_files()
    monkeypatch.setattr("vocoders.core.graphs.tracing.trace", lambda plan: pytest.fail("made again"))
    audio_of(load(folder, runtime="onnx"))
    assert graph_files() == [file]


def test_a_damaged_cache_is_made_again(folder: Path, caplog):
    expected = audio_of(load(folder, runtime="onnx"))
    (file,) = graph_files()
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], bytes([whole[0] ^ 1]) + whole[1:]):
        file.write_bytes(damaged)
        caplog.clear()
        assert torch.equal(audio_of(load(folder, runtime="onnx")), expected)
        assert len(caplog.records) == 1
    assert len(file.read_bytes()) > len(whole) // 2


def test_another_version_has_another_file(folder: Path, monkeypatch):
    audio_of(load(folder, runtime="onnx"))
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    audio_of(load(folder, runtime="onnx"))
    assert len(graph_files()) == 2


def test_a_closed_cache_is_passed_by(folder: Path, tmp_path: Path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path / "file"))  # a file in its place: nobody may write there
    with caplog.at_level(logging.WARNING):
        audio_of(load(folder, runtime="onnx"))
    assert 1 <= len(caplog.records) <= 2


def _graph_in_process(name: str) -> bytes:
    return cache.cached_graph(name, lambda: os.urandom(1 << 16))


def test_processes_share_the_cache_without_waiting(tmp_path: Path):
    with get_context("spawn").Pool(2) as pool:
        made = pool.map(_graph_in_process, ["graph"] * 6, chunksize=1)
    # Whoever wins, what is read later is one of the whole graphs that were made.
    assert cache.cached_graph("graph", lambda: pytest.fail("made again")) in made
