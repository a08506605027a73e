"""Graphs of PeriodWave, SaShiMi and its diffusion: equal to the models, whatever solver, bands, tiers and labels."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.core.graphs.session import open_session
from vocoders.core.graphs.tracing import compare
from vocoders.core.options import SynthesisOptions
from vocoders.exports import export_onnx
from vocoders.frontends.mel import MelConfig
from vocoders.layers.s4 import S4Config
from vocoders.periodwave import PeriodWave, PeriodWaveConfig, PeriodWaveMB, PeriodWaveMBConfig
from vocoders.registry import FAMILIES
from vocoders.runtimes import ModelRuntime
from vocoders.sashimi import Sashimi, SashimiConfig
from vocoders.sashimi.diffwave import DiffwaveSashimi, DiffwaveSashimiConfig

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TINY = {"hidden_channels": 16, "periods": (1, 2)}


def filled(model):
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def error_of(model, index: int = 0, **options) -> float:
    plan = FAMILIES[model.family].make_graphs(model, model.options(**options))[index]
    session = open_session(plan.build())
    return max(compare(plan, lambda inputs: session.run(None, dict(inputs))).values())


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4"])
def test_every_solver_is_a_loop(solver):
    model = filled(PeriodWave(PeriodWaveConfig(**TINY)))
    assert error_of(model, solver=solver, steps=3, sway=-0.5, freeu=(1.1, 0.9)) < 1e-5


@pytest.mark.slow
def test_bands_and_the_domain_of_the_envelope():
    model = filled(PeriodWaveMB(PeriodWaveMBConfig(**TINY)))
    assert error_of(model, solver="midpoint", steps=(2, 1, 1, 1)) < 1e-5
    model = filled(PeriodWave(PeriodWaveConfig(**TINY, domain="envelope", energy=None)))
    assert error_of(model, solver="euler", steps=2) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [{"prior_iterations": 3}, {"prior_iterations": 0, "prior_stages": 2, "prior_channels": 8}]
)
def test_a_start_that_agrees_with_the_mel(start):
    options = {"domain": "envelope", "energy": None, "prior": "mel_consistent"} | start
    model = filled(PeriodWave(PeriodWaveConfig(**TINY, **options)))
    assert error_of(model, solver="euler", steps=2) < 1e-4


@pytest.mark.slow
def test_one_call_of_the_velocity_is_a_graph_and_a_runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path))
    model = filled(PeriodWave(PeriodWaveConfig(**TINY)))
    assert error_of(model, 2) < 1e-5
    features = torch.randn(1, 100, 12) - 4
    expected = model.synthesize(features, steps=2, solver="euler")
    model.runtime = ModelRuntime("onnx", FAMILIES["periodwave"])
    found = model.synthesize(features, steps=2, solver="euler")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    assert not torch.equal(found, expected)  # other code


@pytest.mark.parametrize(
    "changes",
    [{}, {"skips": "unet"}, {"labels": ("no", "yes")}, {"pool": (2, 3), "kernel_length": 600, "final_norm": "scalar"}],
    ids=["tiers", "unet", "labels", "other pools"],
)
def test_steps_of_sashimi_are_its_convolutions(changes):
    options = {"channels": 8, "pool": (2, 2), "num_layers": 1, "s4": S4Config(d_state=8)} | changes
    assert error_of(filled(Sashimi(SashimiConfig(**options)))) < 1e-5


def test_the_example_of_codes_needs_no_torch(tmp_path: Path):
    options = {"channels": 8, "pool": (2, 2), "num_layers": 1, "labels": ("no", "yes"), "sample_rate": 8000}
    export_onnx(filled(Sashimi(SashimiConfig(**options, s4=S4Config(d_state=8)))), tmp_path / "out")
    run_without_torch([str(tmp_path / "out/example.py"), "0.05", "yes.wav", "1"], tmp_path)
    assert (tmp_path / "yes.wav").stat().st_size == 44 + 2 * 400


DIFFUSION = {
    "channels": 8,
    "num_layers": 1,
    "pool": (2, 2),
    "s4": S4Config(d_state=8, num_systems=None, bidirectional=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("limits", [True, False])
def test_diffusion_is_a_loop_and_its_convolutions_fit_any_length(limits):
    mel = MelConfig(sample_rate=8000, n_fft=128, hop_length=16, n_mels=6)
    changes = {"mel": mel, "mel_upsample": (4, 4), "sample_rate": 8000, "kernel_length": 512, "limit_kernel": limits}
    model = filled(DiffwaveSashimi(DiffwaveSashimiConfig(**DIFFUSION | changes)))
    for index in range(3):
        assert error_of(model, index, betas=(0.001, 0.01, 0.2)) < 1e-5


def test_unconditional_diffusion_and_its_example_without_torch(tmp_path: Path):
    model = filled(DiffwaveSashimi(DiffwaveSashimiConfig(**DIFFUSION, kernel_length=128, limit_kernel=True)))
    metadata = export_onnx(model, tmp_path / "out", {"betas": (0.01, 0.2)})
    assert [graph["file"] for graph in metadata["graphs"]] == ["synthesis.onnx", "estimate.onnx"]
    run_without_torch([str(tmp_path / "out/example.py")], tmp_path)
    assert (tmp_path / "example.wav").stat().st_size > 44


def run_without_torch(arguments: list[str], folder: Path) -> None:
    blocked = "import sys, runpy; sys.modules.update(dict.fromkeys(('torch', 'vocoders', 'onnx')))"
    code = f"{blocked}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    command = [sys.executable, "-I", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def test_a_family_without_graphs_is_one_line():
    with pytest.raises(ConfigError):
        replace(FAMILIES["sashimi"], graphs=None).make_graphs(None, SynthesisOptions())
