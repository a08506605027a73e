"""Effects in C++: the compiled class gives the model, with knobs that glide while a stream runs."""

import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from effect_cases import make_audio, make_model

from effects.knobs import Knob, KnobSet
from effects.models import EffectModel
from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.runtimes.cpp.graybox import FILES, export_cpp
from vocoders.core.errors import ConfigError

COMPILER = shutil.which(os.environ.get("CXX") or "c++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

BLOCK = 64
KNOBS = KnobSet(
    knobs=(
        Knob(name="drive", min=-6, max=6, default=0),
        Knob(name="attack", unit="s", min=0.001, max=0.1, default=0.01, scale="log", smoothing_ms=5),
        Knob.switch("mode"),
    ),
    norm=(-1.0, 0.5),
)
START, CHANGES = {"drive": -3.0, "attack": 0.02}, {"drive": 5.0, "attack": 0.002, "mode": 1.0}


def every_stage() -> EffectModel:
    torch.manual_seed(0)
    model = GrayBox(
        GrayBoxConfig(knobs=KNOBS, hidden_sizes=(4, 5), stages=("filter", "dynamics", "shaper", "blend"), num_curves=3)
    )
    with torch.no_grad():
        for parameter in (*model.projection.parameters(), *model.direct.parameters()):
            parameter.normal_(std=0.4)
    return model.eval()


def stream_of(model: EffectModel, audio: torch.Tensor, change_at: int) -> np.ndarray:
    """Return the output (T,) of the model in blocks, with knobs that glide from ``START`` to ``CHANGES``."""
    start, target = (
        model.knobs.normalize(model.knobs.values(model.knobs.resolve(of(model, settings)))).double()
        for settings in (START, START | CHANGES)
    )
    constants = [0.0 if knob.is_discrete else knob.smoothing_ms for knob in model.knobs.knobs]
    shares = [
        -math.expm1(-BLOCK / (constant * 1e-3 * model.sample_rate)) if constant else 1.0 for constant in constants
    ]
    now, state, blocks = start, model.initial_state(1, 1), []
    for place in range(0, audio.shape[-1], BLOCK):
        goal = target if place + BLOCK > change_at else start
        now = now + (goal - now) * torch.tensor(shares).double()
        with torch.no_grad():
            block, state = model(audio[..., place : place + BLOCK], now[None].float(), state)
        blocks.append(block[0, 0])
    return torch.cat(blocks).numpy()


def play(folder: Path, audio: np.ndarray, *changes: str, flags: tuple[str, ...] = ()) -> np.ndarray:
    """Compile the example of an export, and return its output (T,)."""
    program = folder.parent / "program"
    compile_it = [str(COMPILER), "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", str(folder / "example.cpp")]
    subprocess.run([*compile_it, "-o", str(program), *flags], check=True)
    audio.astype("<f4").tofile(folder.parent / "in.f32")
    subprocess.run([program, "../in.f32", "../out.f32", *changes], cwd=folder, check=True)
    return np.fromfile(folder.parent / "out.f32", "<f4")


def turns(model: EffectModel, at: int) -> list[str]:
    return [f"{name}={value}@{at}" for name, value in of(model, CHANGES).items()]


def of(model: EffectModel, settings: dict[str, float]) -> dict[str, float]:
    """Return the settings of the knobs that a model has."""
    return {name: value for name, value in settings.items() if name in model.knobs.names}


@needs_compiler
def test_plain_code_gives_the_model_while_knobs_turn(tmp_path: Path) -> None:
    model = every_stage()
    metadata = export_cpp(model, tmp_path / "export", START)
    assert metadata["verification"]["max_relative_error"] <= 1e-6
    assert {path.name for path in (tmp_path / "export").iterdir()} == {*FILES, "metadata.json", "test_vector.npz"}
    # The last block is not whole: the example fills it up, and leaves the surplus out.
    audio = make_audio(model, 40 * BLOCK, batch=1)
    output = play(tmp_path / "export", audio[0, 0, :-17].numpy(), *turns(model, 11 * BLOCK + 5))
    expected = stream_of(model, audio, 11 * BLOCK + 5)[:-17]
    np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    wrong = subprocess.run([tmp_path / "program", "in.f32", "out.f32", "tone=1"], cwd=tmp_path, capture_output=True)
    assert wrong.returncode == 2
    assert b"drive attack mode" in wrong.stderr
    (tmp_path / "in.wav").write_bytes(b"RIFF" + 40 * b" ")
    for source in ("missing", "in.wav"):
        assert subprocess.run([tmp_path / "program", source, "x"], cwd=tmp_path, capture_output=True).returncode == 1


@pytest.mark.parametrize("name", ["tcn", "graybox_stereo"])
def test_what_has_no_plain_code_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        export_cpp(make_model(name, torch.float32), tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="no-such-compiler"):
        export_cpp(every_stage(), tmp_path / "export")
    assert not (tmp_path / "export").exists()


@needs_compiler
def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(ConfigError):
        export_cpp(every_stage(), tmp_path / "export")
    assert not (tmp_path / "export").exists()


@needs_compiler
@pytest.mark.parametrize("name", ["graybox_drive", "tcn"])
def test_the_class_for_onnx_runtime_gives_the_model_while_knobs_turn(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    if (home := os.environ.get("ONNXRUNTIME_HOME")) is None:
        pytest.skip("ONNXRUNTIME_HOME names no folder with include/ and lib/ of ONNX Runtime for C++")
    from effects.runtimes.onnx import export_onnx

    model = every_stage() if name == "graybox_drive" else make_model(name, torch.float32)
    export_onnx(model, tmp_path / "export", of(model, START))
    audio = make_audio(model, 40 * BLOCK, batch=1)
    flags = (f"-I{home}/include", f"-L{home}/lib", f"-Wl,-rpath,{home}/lib", "-lonnxruntime")
    output = play(tmp_path / "export", audio[0, 0].numpy(), *turns(model, 11 * BLOCK + 5), flags=flags)
    expected = stream_of(model, audio, 11 * BLOCK + 5)
    np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
