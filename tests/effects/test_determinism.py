"""Equal seeds, settings and machines give equal files; compiled code also with any number of threads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from effects import Engine
from effects import load as load_effect
from vocoders.core.audio import write_audio
from vocoders.registry import load_generator, load_vocoder
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

NOISE = 0.1 * torch.randn(1, 12000, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def vocode(folder: Path) -> Tensor:
    torch.manual_seed(0)
    if not folder.is_dir():
        Wavehax(WavehaxConfig(channels=8, kernel_size=(3, 3), num_blocks=2)).save_pretrained(folder)
    return load_vocoder(folder, runtime="compiled").copy_synthesis(NOISE[None], seed=3)[0]


def apply(folder: Path) -> Tensor:
    return Engine(load_effect("comp4c-tcn")).process(NOISE)


def generate(folder: Path) -> Tensor:
    return load_generator("sashimi-digits-8k").generate(200, 2, seed=5).audio[1]


@pytest.mark.parametrize("make", [apply, *(pytest.param(slow, marks=pytest.mark.slow) for slow in (vocode, generate))])
def test_runs_and_numbers_of_threads_give_equal_files(make: Callable[[Path], Tensor], tmp_path: Path) -> None:
    contents = set()
    for number in (1, 2, 2):
        torch.set_num_threads(number)
        write_audio(tmp_path / "x.wav", make(tmp_path / "model"), 24000, "FLOAT")
        contents.add((tmp_path / "x.wav").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize(("name", "subtype"), [("x.wav", "FLOAT"), ("x.wav", "DOUBLE"), ("x.aiff", "FLOAT")])
def test_float_files_contain_no_time(name: str, subtype: str, tmp_path: Path) -> None:
    write_audio(tmp_path / name, NOISE, 24000, subtype)
    assert b"PEAK" not in (tmp_path / name).read_bytes()[:200]
