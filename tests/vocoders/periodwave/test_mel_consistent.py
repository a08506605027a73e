"""A flow that starts at a signal with the pitch and the mel of the speech."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vocoders.frontends.envelope import flat_harmonics
from vocoders.periodwave import PeriodWave, PeriodWaveConfig, PeriodWaveMBConfig

RATE, HOP = 24000, 256
OPTIONS = {
    "hidden_channels": 32,
    "domain": "envelope",
    "energy": None,
    "noise_scale": 0.1,
    "drop_prob": 0.0,
    "prior": "mel_consistent",
    "prior_iterations": 4,
    "sampling": {"solver": "euler", "steps": 1, "temperature": 1.0},
}


@pytest.fixture(scope="module")
def model() -> PeriodWave:
    torch.manual_seed(0)
    return PeriodWave(PeriodWaveConfig(**OPTIONS)).eval()


@pytest.fixture(scope="module")
def vowel(model: PeriodWave) -> Tensor:
    """Return a second and a half of a buzz that glides from 150 to 220 Hz, with two resonances, (1, 1, T)."""
    f0 = torch.linspace(150, 220, 144).view(1, 1, -1)
    source = flat_harmonics(f0, model.config.mel)[0, 0]
    spectrum = torch.fft.rfft(source)
    hertz = torch.fft.rfftfreq(source.numel(), 1 / RATE)
    gain = sum(level / (1 + ((hertz - centre) / 100) ** 2) for centre, level in ((600, 1), (1500, 0.4))) + 0.01
    audio = torch.fft.irfft(spectrum * gain, source.numel())
    return (0.5 * audio / audio.abs().max())[None, None]


@pytest.fixture(scope="module")
def shaped() -> PeriodWave:
    torch.manual_seed(0)
    options = OPTIONS | {"prior_iterations": 0, "prior_stages": 3, "prior_channels": 8, "prior_blocks": 1}
    return PeriodWave(PeriodWaveConfig(**options)).eval()


def _period(audio: Tensor) -> float:
    """Return the strongest period of (T,) samples between 2.5 and 15 ms, in samples."""
    power = torch.fft.rfft(audio, 2 * audio.numel()).abs().square()
    similarity = torch.fft.irfft(power)
    shortest = round(0.0025 * RATE)
    return shortest + int(similarity[shortest : round(0.015 * RATE)].argmax())


def test_start_has_the_pitch_and_the_mel_of_the_input(model, vowel):
    features = model.log_mel(vowel)
    noise = torch.randn(1, 1, vowel.shape[-1], generator=torch.Generator().manual_seed(1))
    start = model.prior(features, noise)
    error = (model.log_mel(start) - features).abs().mean()
    untouched = model.mel_consistent.envelope.multiply(noise, features)
    assert error < 0.5 * (model.log_mel(untouched) - features).abs().mean()
    middle = slice(10000, 14000)
    assert abs(_period(start[0, 0, middle]) - _period(vowel[0, 0, middle])) <= 3


def test_more_iterations_agree_better(model, vowel):
    features, noise = model.log_mel(vowel), torch.randn(1, 1, vowel.shape[-1])
    excitation = model.excitation(features, noise)
    errors = []
    for iterations in (0, 4, 16):
        changed = PeriodWave(PeriodWaveConfig(**OPTIONS | {"prior_iterations": iterations}))
        errors.append(float((model.log_mel(changed.start(features, excitation)) - features).abs().mean()))
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("name", ["model", "shaped"])
def test_flow_runs_from_the_start_to_the_speech(name, vowel, request):
    model = request.getfixturevalue(name)
    batch = {"audio": vowel, "features": model.log_mel(vowel), "seed": torch.arange(1)}
    start = model.draw_inputs(batch)["x"]
    if model.learns_start:
        start = model.start(batch["features"], start)
    first, last = (model.flow_sample(batch, torch.tensor([time])).inputs["x"] for time in (0.0, 1.0))
    assert torch.equal(first, start)
    assert torch.allclose(last, vowel, atol=1e-3)


def test_without_a_velocity_the_output_is_the_start(vowel):
    model = PeriodWave(PeriodWaveConfig(**OPTIONS)).eval()
    with torch.no_grad():
        model.estimator.output.conv.parametrizations.weight.original0.zero_()
    features = model.log_mel(vowel)
    noise = torch.randn(1, 1, vowel.shape[-1], generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        assert torch.allclose(model.synthesize(features, seed=3), model.prior(features, noise), atol=1e-6)


@pytest.mark.parametrize("name", ["model", "shaped"])
def test_gradients_reach_all_weights(name, vowel, request):
    model = request.getfixturevalue(name)
    model.zero_grad()
    batch = {"audio": vowel, "features": model.log_mel(vowel), "seed": torch.arange(1)}
    model(**model.draw_inputs(batch)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    model.zero_grad()


def test_harmonics_run_on_over_the_chunks_of_a_stream(model, vowel):
    """The fundamental of a chunk goes on where that of the chunk before it ended."""
    features, halo, chunk = model.log_mel(vowel), 30, 15
    whole = model.excitation(features, torch.zeros_like(vowel))
    running = model.running_excitation(chunk, halo, 1.0)
    pieces = []
    for start in range(0, features.shape[-1], chunk):
        first, last = max(0, start - halo), min(start + chunk + halo, features.shape[-1])
        part = running(features[..., first:last], torch.zeros_like(vowel[..., first * HOP : last * HOP]))
        pieces.append(part[..., (start - first) * HOP : (min(start + chunk, last) - first) * HOP])
    joined = torch.cat(pieces, dim=-1)
    assert joined.shape == whole.shape
    made, expected = (_below(signal, 250) for signal in (joined, whole))
    assert torch.nn.functional.cosine_similarity(made, expected, dim=0) > 0.95


def test_networks_take_the_place_of_iterations(model, shaped, vowel):
    features = model.log_mel(vowel)
    error = (shaped.log_mel(shaped.synthesize(features)) - features).abs().mean()
    excitation = shaped.excitation(features, torch.zeros_like(vowel)).sum(dim=1, keepdim=True)
    untouched = model.mel_consistent.envelope.multiply(excitation, features)
    assert error < 0.7 * (model.log_mel(untouched) - features).abs().mean()


def test_a_shaped_stream_is_the_whole_file_but_for_norms_over_time(shaped, vowel):
    features = shaped.log_mel(vowel)
    stream = shaped.stream(chunk=24, mel_refinement=2)
    pieces = [stream.push(features[..., start : start + 10]) for start in range(0, features.shape[-1], 10)]
    streamed = torch.cat([*pieces, stream.finish()], dim=-1)
    assert streamed.shape == vowel.shape
    assert (shaped.log_mel(streamed) - features).abs().mean() < 0.3


def _below(audio: Tensor, hertz: float) -> Tensor:
    spectrum = torch.fft.rfft(audio.flatten())
    spectrum[torch.fft.rfftfreq(audio.numel(), 1 / RATE) > hertz] = 0
    return torch.fft.irfft(spectrum, audio.numel())


def test_configurations_without_an_envelope_are_refused():
    no_energy = {"energy": {"energy_min": 0.1, "energy_max": 5.0}}
    for change in ({"domain": "waveform"}, no_energy, {"prior_stages": 2}, {"prior": "energy", "prior_stages": 2}):
        with pytest.raises(ValidationError):
            PeriodWaveConfig(**OPTIONS | change)
    with pytest.raises(ValidationError):
        PeriodWaveMBConfig(prior="mel_consistent")
