"""The compiled estimator of PeriodWave computes what PyTorch does, for any width, length, batch and threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import MelConfig
from vocoders.periodwave import MB_VARIANTS, PeriodWave, PeriodWaveConfig, PeriodWaveMB
from vocoders.periodwave.compiled import open_compiled
from vocoders.registry import FAMILIES
from vocoders.runtimes import ModelRuntime

MEL = MelConfig(sample_rate=24000, n_fft=256, hop_length=64, n_mels=20, fmax=8000.0)


def model_of(**changes) -> PeriodWave:
    torch.manual_seed(0)
    return PeriodWave(PeriodWaveConfig(**({"mel": MEL, "hidden_channels": 32} | changes))).eval()


def assert_agrees(model: PeriodWave, frames: int, batch: int = 1, threads: int = 1) -> None:
    generator = torch.Generator().manual_seed(frames)
    features = torch.randn(batch, model.num_features, frames, generator=generator) - 3
    x = torch.randn(batch, 1, frames * model.hop_length, generator=generator)
    velocity, t = model.estimator.of_tensors, torch.tensor(0.3)
    with torch.inference_mode():
        condition = model.encode(features)
        compiled = open_compiled(model, velocity, threads)
        expected = velocity(x, t, *condition)
        for _ in range(2):  # the second call finds the memory of the first
            found = compiled(x, t, *condition)
            torch.testing.assert_close(found, expected, rtol=0, atol=5e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("frames", [8, 9, 23, 64])
def test_every_length_agrees(frames):
    assert_agrees(model_of(), frames)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_channels": 256},  # whole vectors
        {"hidden_channels": 512},  # pairs of vectors
        {"hidden_channels": 48, "dilations": (1, 3, 5), "periods": (4, 1)},
        {"domain": "envelope", "energy": None},
    ],
    ids=["vectors", "pairs", "odd", "envelope"],
)
def test_every_network_agrees(changes):
    assert_agrees(model_of(**changes), 31, batch=2)


def test_threads_share_the_work():
    assert_agrees(model_of(), 80, threads=3)


def test_callers_in_several_threads_do_not_disturb_each_other():
    model = model_of()
    velocity, t = model.estimator.of_tensors, torch.tensor(0.3)
    with torch.no_grad():
        compiled = open_compiled(model, velocity, 1)
        condition = model.encode(torch.randn(1, 20, 60) - 3)
        inputs = [torch.randn(1, 1, 64 * 60) for _ in range(4)]
        expected = [compiled(x, t, *condition) for x in inputs]

        def compute(x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():  # belongs to a thread
                return compiled(x, t, *condition)

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(compute, inputs))
    assert all(map(torch.equal, found, expected))


def test_lengths_may_change():
    model = model_of()
    velocity, t = model.estimator.of_tensors, torch.tensor(0.3)
    compiled = open_compiled(model, velocity, 1)
    with torch.inference_mode():
        for frames in (40, 12, 50):
            features, x = torch.randn(1, 20, frames), torch.randn(1, 1, 64 * frames)
            condition = model.encode(features)
            expected = velocity(x, t, *condition)
            atol = 5e-6 * float(expected.abs().max())
            torch.testing.assert_close(compiled(x, t, *condition), expected, rtol=0, atol=atol)


def test_auto_takes_it_and_hears_no_difference():
    model = model_of()
    features = torch.randn(1, 20, 30) - 3
    made = {}
    for name in ("torch", "auto"):
        model.runtime = ModelRuntime(name, FAMILIES["periodwave"])
        made[name] = model.synthesize(features, steps=2)
    assert model.runtime.chosen(model, model.estimator.of_tensors) == "compiled"
    torch.testing.assert_close(made["auto"], made["torch"], rtol=0, atol=1e-4 * float(made["torch"].abs().max()))


def test_every_band_agrees():
    torch.manual_seed(0)
    config = next(iter(MB_VARIANTS.values())).to_dict() | {"hidden_channels": 32}
    model = PeriodWaveMB(type(next(iter(MB_VARIANTS.values()))).from_dict(config)).eval()
    features = torch.randn(1, model.num_features, 12) - 3
    made = {}
    for name in ("torch", "compiled"):
        model.runtime = ModelRuntime(name, FAMILIES["periodwave_mb"])
        made[name] = model.synthesize(features, steps=1, mel_refinement=0)
    torch.testing.assert_close(made["compiled"], made["torch"], rtol=0, atol=1e-4 * float(made["torch"].abs().max()))


def test_without_code_the_runtime_is_refused():
    with pytest.raises(ConfigError):
        ModelRuntime("compiled", FAMILIES["sashimi"])
