"""Griffin-Lim and WORLD as systems: right length, right time, deterministic, near to their input."""

import numpy as np
import pytest
import torch

from recipes.metrics.evaluation import measure
from recipes.metrics.registry import create_metrics
from vocoders import load
from vocoders.baselines import GriffinLim, MelInversion, World
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.registry import BASELINES


@pytest.fixture(scope="module")
def audio(speech):
    """(1, 1, T) at 24 kHz; T is not a multiple of any hop."""
    return torch.from_numpy(speech)[None, None, :20011]


@pytest.mark.parametrize("preset", ["bigvgan_24k", "wavehax_24k", "vocos_24k", "espnet_24k"])
def test_griffin_lim_returns_the_mel_that_it_was_given(audio, preset):
    config = MEL_PRESETS[preset]
    system = GriffinLim(config)
    found = system.copy_synthesis(audio)
    assert found.shape == audio.shape
    assert found.dtype == torch.float32
    assert system.sample_rate == 24000
    assert system.hop_length == config.hop_length
    front_end = LogMel(config)
    target, result = front_end.linear(audio), front_end.linear(found)
    # Misplacing the frames by half a hop raises this error several times over.
    assert (torch.linalg.norm(target - result) / torch.linalg.norm(target)).item() < 0.12


@pytest.mark.parametrize("preset", ["wavehax_24k", "vocos_24k"])
def test_griffin_lim_puts_a_click_where_it_was(preset):
    audio = torch.zeros(1, 1, 24000)
    audio[..., 12345] = 0.9
    found = GriffinLim(MEL_PRESETS[preset]).copy_synthesis(audio)[0, 0]
    centre = (found**2 * torch.arange(24000)).sum() / (found**2).sum()
    assert abs(centre.item() - 12345) < 40


def test_seeds(audio):
    features = GriffinLim(MEL_PRESETS["bigvgan_24k"]).analyze(audio)["features"]
    first, again, other = (
        GriffinLim(MEL_PRESETS["bigvgan_24k"]).synthesize(features, seed=s, iterations=4) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (1, 1, features.shape[-1] * 256)
    world = World(24000)
    assert torch.equal(world.copy_synthesis(audio), world.copy_synthesis(audio))


def test_more_iterations_are_nearer(audio):
    metrics = create_metrics(["mstft"])

    def distance(iterations):
        found = GriffinLim(MEL_PRESETS["bigvgan_24k"]).copy_synthesis(audio, iterations=iterations)
        return measure(audio[0], found[0], 24000, metrics)[0]["mstft"]

    assert distance(32) < distance(2)


def test_world_keeps_length_pitch_and_level(make_voiced):
    audio = torch.from_numpy(make_voiced(150 + 20 * np.sin(np.linspace(0, 6, 20011))))[None, None]
    found = World(24000).copy_synthesis(audio.expand(2, 1, -1))
    assert found.shape == (2, 1, audio.shape[-1])
    assert torch.equal(found[0], found[1])
    values, _ = measure(audio[0], found[0], 24000, create_metrics(["log_f0_rmse", "level_difference"]))
    assert values["log_f0_rmse"] < 0.03
    assert abs(values["level_difference"]) < 3


def test_griffin_lim_is_the_better_copy_by_pesq_and_world_of_pitch(natural):
    clip, rate = natural
    metrics = create_metrics(["pesq"])
    systems = GriffinLim(MEL_PRESETS["bigvgan_24k"]), World(rate)
    scores = [measure(clip, s.copy_synthesis(clip[None])[0], rate, metrics)[0]["pesq"] for s in systems]
    assert scores[0] > scores[1] > 1.2


def test_wrong_shapes_are_named(audio):
    with pytest.raises(ShapeError, match=r"80 bands; expected .*\(B, 100, F\)"):
        GriffinLim(MEL_PRESETS["bigvgan_24k"]).synthesize(torch.zeros(1, 80, 10))
    with pytest.raises(ShapeError, match=r"\(B, 1, T\)"):
        World(24000).analyze(torch.zeros(2, 3, 100))
    assert np.isfinite(World(24000).copy_synthesis(torch.zeros(1, 1, 4000)).numpy()).all()


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 48000])
def test_world_transposes_and_its_frames_are_where_it_says(make_voiced, rate):
    audio = torch.from_numpy(make_voiced(np.full(rate, 150.0), rate))[None, None]
    system = World(rate)
    analysis = system.analyze(audio[..., : 99 * system.hop_length])
    assert analysis["features"].shape[-1] == analysis["f0"].shape[-1] == 100
    assert system.synthesize(**analysis).shape[-1] == 99 * system.hop_length
    high = system.synthesize(audio=audio, f0_scale=1.5)
    f0 = World(rate).analyze(high)["f0"]
    assert float(f0[f0 > 0].median()) == pytest.approx(225, rel=0.01)


def test_baselines_by_name():
    assert load("griffin-lim").mel == MEL_PRESETS["bigvgan_24k"]
    assert load("griffin-lim:vocos_24k").mel == MEL_PRESETS["vocos_24k"]
    assert load("griffin-lim:wavehax-24k").mel == load("wavehax-24k").mel
    assert load("mel-inversion:hifigan_22k").sample_rate == 22050
    assert load("world").sample_rate == 24000
    assert load("world:44100").sample_rate == 44100
    assert len({load(name).fingerprint for name in BASELINES}) == 2
    for name in ("world:fast", "griffin-lim:sashimi-piano-16k"):
        with pytest.raises(ConfigError):
            load(name)


def test_mel_inversion_brings_noise_to_the_mel(audio):
    config = MEL_PRESETS["bigvgan_24k"]
    system, front_end = MelInversion(config), LogMel(config)

    def distance(iterations):
        found = system.copy_synthesis(audio, mel_refinement=iterations, seed=3)
        assert found.shape == audio.shape
        return (front_end(found) - front_end(audio)).abs().mean().item()

    assert distance(16) < 0.5 * distance(0)
    assert torch.equal(system.copy_synthesis(audio, seed=1), system.copy_synthesis(audio, seed=1))


def test_mel_inversion_from_harmonics_is_nearer_and_has_pulses(make_voiced):
    audio = torch.from_numpy(make_voiced(150 + 20 * np.sin(np.linspace(0, 6, 20480)))).float()[None, None]
    vocoder = MelInversion(MEL_PRESETS["bigvgan_24k"])
    features = vocoder.analyze(audio)["features"]
    made = {name: vocoder.synthesize(features, mel_refinement=8, excitation=name) for name in ("noise", "harmonics")}
    errors = {name: float((vocoder.log_mel(y[:, 0]) - features).abs().mean()) for name, y in made.items()}
    assert errors["harmonics"] < errors["noise"]
    with pytest.raises(ConfigError):
        MelInversion(MEL_PRESETS["vocos_24k"]).synthesize(features, excitation="harmonics")


def test_features_of_another_front_end_are_refused():
    with pytest.raises(ShapeError, match="give audio"):
        World(24000).synthesize(torch.zeros(1, 80, 10))


def test_a_vocoder_without_a_mel_has_baselines_at_its_rate():
    from vocoders.periodwave import VARIANTS, PeriodWave

    codec = PeriodWave(VARIANTS["encodec"].model_copy(update={"hidden_channels": 16}))
    assert codec.mel is None
    assert GriffinLim.matching(codec).sample_rate == World.matching(codec).sample_rate == codec.sample_rate
