"""A disk that fills up, and places that cannot be written: one error, and what was there stays whole."""

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.catalogue import copy_recipe
from recipes.checkpoint import checkpoint_path, save_checkpoint
from recipes.data.cache import F0Cache
from recipes.data.text_files import write_texts
from recipes.pictures import spectrogram_picture
from recipes.training_log import _Scalars
from vocoders.core.atomic import atomic_file
from vocoders.core.audio import write_audio
from vocoders.core.errors import DataError, OndesError
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

NOISE = torch.randn(1, 24000, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


def _model(folder: Path) -> None:
    Wavehax(WavehaxConfig(channels=8, kernel_size=(3, 3), num_blocks=1)).save_pretrained(folder, overwrite=True)


def _numbers(path: Path) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, NOISE.numpy())


WRITERS: dict[str, Callable[[Path], object]] = {
    "audio": lambda path: write_audio(path / "a.wav", NOISE, 24000),
    "compressed audio": lambda path: write_audio(path / "a.flac", NOISE, 24000),
    "checkpoint": lambda path: save_checkpoint(path, 1, {"weights": NOISE}, keep=1),
    "model": lambda path: _model(path / "model"),
    "picture": lambda path: spectrogram_picture({"noise": NOISE}, 24000, path / "a.png"),
    "F0": lambda path: F0Cache(path, "one", create=True).put("a", np.ones(24000)),
    "numbers": lambda path: _numbers(path / "a.npy"),
    "texts": lambda path: write_texts(path, {"a.txt": "line\n" * 10000, "b.txt": "line\n" * 10000}),
}


@pytest.fixture
def small_disk():
    """Files of this process cannot grow beyond 4,000 bytes while the function of the fixture runs."""

    def limited(function: Callable[[Path], object], path: Path) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
        try:
            function(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(tmp_path, small_disk, write):
    write(tmp_path)
    before = _content(tmp_path)
    for path in tmp_path.rglob("*.txt"):
        path.write_text("former\n")
    former = _content(tmp_path)
    with pytest.raises(OndesError) as caught:
        small_disk(write, tmp_path)
    assert "\n" not in str(caught.value)
    assert "inline_container" not in str(caught.value)
    assert _content(tmp_path) == former
    write(tmp_path)
    assert _content(tmp_path).keys() == before.keys()


def test_the_cause_of_a_failed_checkpoint_is_that_of_the_system(tmp_path, small_disk):
    with pytest.raises(OndesError, match="File too large"):
        small_disk(WRITERS["checkpoint"], tmp_path)
    assert not checkpoint_path(tmp_path, 1).exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", "tensorboard"])
def test_a_run_with_something_else_in_the_place_of_its_log_is_refused(tmp_path, make_config, name):
    if name == "metrics.jsonl":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("")
    with pytest.raises(DataError, match=name):
        _Scalars(make_config(tmp_path), tmp_path, 0)


def test_the_log_of_a_run_on_a_full_disk(tmp_path, make_config, small_disk):
    scalars = _Scalars(make_config(tmp_path), tmp_path, 0)
    (tmp_path / "metrics.jsonl").write_text('{"step": 0}\n' * 400)
    with pytest.raises(DataError, match="metrics.jsonl"):
        small_disk(lambda path: scalars.write(1, {"loss": 1.0}), tmp_path)
    scalars.close()


def test_a_name_that_the_system_refuses(tmp_path):
    with pytest.raises(DataError), atomic_file(tmp_path / ("long" * 100)) as temporary:
        temporary.write_text("")


def test_a_recipe_is_copied_whole_or_not_at_all(tmp_path, small_disk):
    with pytest.raises(DataError, match="cannot be written"):
        small_disk(lambda path: copy_recipe("mini/wavehax", path), tmp_path)
    assert not (tmp_path / "mini" / "wavehax").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert (copy_recipe("mini/wavehax", tmp_path) / "run.sh").stat().st_mode & 0o111


def test_a_place_that_goes_away_is_one_error(tmp_path):
    def write() -> None:
        with atomic_file(tmp_path / "out" / "a.txt") as temporary:
            temporary.write_text("half")
            (tmp_path / "out").rename(tmp_path / "elsewhere")

    with pytest.raises(DataError, match="a.txt cannot be written"):
        write()
    assert not (tmp_path / "out").exists()
