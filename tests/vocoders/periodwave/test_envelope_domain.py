"""PeriodWave in the domain of the envelope."""

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from vocoders.periodwave import FlowSampling, PeriodWave, PeriodWaveConfig

OPTIONS = {"hidden_channels": 32, "domain": "envelope", "energy": None, "noise_scale": 0.8, "drop_prob": 0.0}


@pytest.fixture(scope="module")
def model() -> PeriodWave:
    torch.manual_seed(0)
    return PeriodWave(PeriodWaveConfig(**OPTIONS)).eval()


@pytest.fixture(scope="module")
def batch(model: PeriodWave) -> dict[str, torch.Tensor]:
    audio = 0.1 * torch.randn(3, 1, 64 * model.hop_length, generator=torch.Generator().manual_seed(1))
    return {"audio": audio, "features": model.log_mel(audio), "seed": torch.arange(3)}


@pytest.mark.parametrize("time", [0.0, 0.3, 0.9])
def test_untrained_network_is_close_to_the_best_linear_estimate(model, batch, time):
    sample = model.flow_sample(batch, torch.full((3,), time))
    with torch.no_grad():
        error = (model(**sample.inputs) - sample.velocity).square().mean()
    noise = 0.8**2
    best = noise / (time**2 + (1 - time) ** 2 * noise)
    assert best * 0.8 < error < best * 1.25


def test_path_ends_at_the_whitened_waveform(model, batch):
    sample = model.flow_sample(batch, torch.ones(3))
    audio = model.shaping.multiply(sample.inputs["x"], batch["features"])
    assert (audio - batch["audio"]).square().mean() < 0.02 * batch["audio"].square().mean()


def test_waveform_has_the_envelope_of_its_mel_before_any_training(model):
    features = model.log_mel(_tilted_noise(200 * model.hop_length))
    audio = model.synthesize(features, options=FlowSampling(solver="euler", steps=8, temperature=1.0))
    assert (model.log_mel(audio) - features).abs().mean() < 0.6


def test_gradients_reach_all_weights_through_the_filter(model, batch):
    model.zero_grad()
    torch.manual_seed(0)
    inputs = model.draw_inputs({name: tensor[:1] for name, tensor in batch.items()})
    model(**inputs).square().mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    model.zero_grad()


def test_saved_model_gives_the_same_waveform(model, batch, tmp_path: Path):
    model.save_pretrained(tmp_path / "m")
    again = PeriodWave.from_pretrained(tmp_path / "m")
    one, two = (item.synthesize(batch["features"], options=FlowSampling(steps=2)) for item in (again, model))
    torch.testing.assert_close(one, two)


def test_an_energy_prior_has_no_place_in_this_domain():
    with pytest.raises(ValidationError, match="energy null"):
        PeriodWaveConfig(domain="envelope")


def _tilted_noise(length: int) -> torch.Tensor:
    spectrum = torch.fft.rfft(torch.randn(length, generator=torch.Generator().manual_seed(4)))
    return (
        torch.fft.irfft(spectrum * torch.exp(-4 * torch.linspace(0, 1, len(spectrum))), n=length)[None, None] / math.e
    )
