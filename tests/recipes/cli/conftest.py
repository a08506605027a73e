"""A tiny family of vocoders, and the command line as a function."""

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

import vocoders.registry
from vocoders.core import model_source, plugins
from vocoders.core.audio import write_audio
from vocoders.core.plugins import Registry
from vocoders.registry import VocoderFamily


@pytest.fixture(scope="session")
def tiny_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_vocoder", Path(__file__).with_name("tiny_vocoder.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_vocoder"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tiny(tiny_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ship a tiny vocoder and work in an empty folder; gives the name of the model."""
    place = "tiny_vocoder:{}".format
    family = VocoderFamily(
        "tiny", "Tiny", place("TinyVocoder"), converter=place("convert"), options=place("TinyOptions")
    )
    # Another registry of families takes the names of ours: for the time of the test.
    own_names = {word: dict(groups) for word, groups in plugins._own_names.items()}
    monkeypatch.setattr(plugins, "_own_names", own_names)
    families = Registry("family", "ondes.vocoders", {"tiny": family}, VocoderFamily)
    monkeypatch.setattr(vocoders.registry, "FAMILIES", families)
    monkeypatch.setattr(model_source, "_WEIGHTS", (tmp_path / "weights",))
    tiny_module.TinyVocoder(tiny_module.TinyVocoderConfig()).save_pretrained(tmp_path / "weights" / "tiny-24k")
    tiny_module.calls.clear()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return "tiny-24k"


@pytest.fixture
def make_audio(tiny: str) -> Callable[..., torch.Tensor]:
    """Write noise with exact 16-bit values."""

    def make(path: str, length: int = 1000, channels: int = 1, rate: int = 24000, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        audio = torch.randint(-9000, 9000, (channels, length), generator=generator).float() / 32768
        write_audio(path, audio, rate)
        return audio

    return make


@pytest.fixture
def ondes(capfd: pytest.CaptureFixture[str]) -> Callable[..., types.SimpleNamespace]:
    """Run the command line; gives its exit code, standard output and standard error."""
    from recipes.cli.main import main

    def run(*arguments: str | Path) -> types.SimpleNamespace:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err, err
        return types.SimpleNamespace(code=code, out=out, err=err)

    return run
