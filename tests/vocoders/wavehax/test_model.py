"""Wavehax as users and trainers see it."""

import pytest
import torch

from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.frontends.mel import MelConfig
from vocoders.wavehax import VARIANTS, Wavehax, WavehaxConfig

PARAMETERS = {
    "v1": 622_951,
    "v2": 600_759,
    "fb": 2_018_727,
    "complex_v1": 1_182_252,
    "complex_v2": 1_170_332,
    "multi_scale": 332_324,
}
MEL = MelConfig(n_fft=256, hop_length=60, n_mels=20, fmax=8000.0)


def small(**changes) -> Wavehax:
    torch.manual_seed(0)
    options = {"mel": MEL, "channels": 4, "num_blocks": 2, "kernel_size": (3, 3), "n_fft": 120} | changes
    model = Wavehax(WavehaxConfig(**options)).eval()
    for parameter in model.parameters():  # no term may hide behind a zero
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def inputs(model: Wavehax, frames: int, items: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(items, model.config.in_channels, frames, generator=generator)
    f0 = torch.full((items, 1, frames), 150.0)
    f0[..., : frames // 3] = 0
    return features, f0


KINDS = {
    "real": {},
    "log_magnitude": {"log_magnitude_phase": True},
    "complex": {"network": "complex"},
    "multi_stream": {"network": "multi_scale", "n_fft": 30},
    "pqmf": {"network": "multi_scale", "n_fft": 30, "decomposer": "pqmf"},
    "haar": {"network": "multi_scale", "n_fft": 30, "decomposer": "haar"},
    "envelope": {"prior_shaping": "envelope"},
    "start": {"prior_shaping": "envelope", "start_refinement": 2},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_variants_have_the_published_number_of_parameters(name):
    model = Wavehax(VARIANTS[name])
    assert sum(parameter.numel() for parameter in model.network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", ["utterance", "frame", "batch"])
def test_every_network_gives_one_hop_of_samples_per_frame(kind, norm):
    model = small(norm=norm, **KINDS[kind])
    features, f0 = inputs(model, 11, items=2)
    waveform = model.synthesize(features, f0)
    assert waveform.shape == (2, 1, 11 * 60)
    assert torch.isfinite(waveform).all()
    assert waveform.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_items_of_a_batch_do_not_see_each_other(kind):
    model = small(**KINDS[kind])
    features, f0 = inputs(model, 11, items=2)
    prior = model.begin(features, model.draw_prior(f0, torch.Generator().manual_seed(0)))
    together = model(features, prior)
    alone = torch.cat([model(features[i : i + 1], prior[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["real", "complex", "multi_stream", "envelope", "start"])
def test_chunks_join_exactly_with_local_norms(kind):
    model = small(norm="frame", **KINDS[kind])
    features, f0 = inputs(model, 120)
    whole = model.synthesize(features, f0)
    model.chunk_seconds = 40 * 60 / 24000
    torch.testing.assert_close(model.synthesize(features, f0), whole, atol=2e-5, rtol=1e-4)


def test_chunks_join_exactly_behind_refinement():
    model = small(norm="frame", mel_refinement=2)
    features, f0 = inputs(model, 160)
    whole = model.synthesize(features, f0)
    assert not torch.equal(whole, model.synthesize(features, f0, refinement=0))
    # Another pitch than the mel's is kept.
    assert torch.equal(model.synthesize(features, f0, f0_scale=1.1), model.synthesize(features, 1.1 * f0, refinement=0))
    model.chunk_seconds = 60 * 60 / 24000
    torch.testing.assert_close(model.synthesize(features, f0), whole, atol=2e-4, rtol=1e-3)


def test_an_utterance_norm_sees_the_whole_input():
    model = small(norm="utterance")
    features, f0 = inputs(model, 120)
    changed = features.clone()
    changed[..., -1] += 5
    difference = (model.synthesize(features, f0) - model.synthesize(changed, f0)).abs()
    assert difference[..., :600].max() > 1e-6


def test_a_frame_norm_looks_no_further_than_its_halo():
    model = small(norm="frame", prior_shaping="envelope")
    features, f0 = inputs(model, 120)
    changed = features.clone()
    changed[..., 100] += 5
    difference = (model.synthesize(features, f0) - model.synthesize(changed, f0)).abs()[0, 0].view(120, 60).amax(1)
    touched = difference.nonzero().flatten()
    assert 100 - touched.min() <= model.halo_frames
    assert touched.max() - 100 <= model.halo_frames


@pytest.mark.parametrize("kind", ["real", "envelope"])
def test_seed_and_f0_scale(kind):
    model = small(**KINDS[kind])
    features, f0 = inputs(model, 20)
    first = model.synthesize(features, f0, seed=3)
    assert torch.equal(first, model.synthesize(features, f0, seed=3))
    assert not torch.equal(first, model.synthesize(features, f0, seed=4))
    scaled = model.synthesize(features, f0, f0_scale=1.5)
    assert torch.equal(model.synthesize(features, 1.5 * f0, mel_f0=f0), scaled)
    # As published the mel stays as it is; the configuration of any variant can choose.
    assert torch.equal(model.synthesize(features, 1.5 * f0), scaled) == (kind == "real")
    other = small(**KINDS[kind], move_harmonics=kind == "real")
    assert torch.equal(other.synthesize(features, 1.5 * f0), other.synthesize(features, f0, f0_scale=1.5)) == (
        kind == "envelope"
    )


def test_audio_with_another_f0_is_its_mel_with_moved_harmonics():
    model = small(prior_shaping="envelope")
    time = torch.arange(4800) / 24000
    audio = 0.1 * torch.frac(220 * time)[None]
    inputs = model.analyze(audio)
    wanted = 1.3 * inputs["f0"]
    by_hand = model.synthesize(inputs["features"], wanted, mel_f0=inputs["f0"])
    assert inputs["f0"].any()
    assert torch.equal(model.synthesize(audio=audio, f0=wanted), by_hand)
    assert not torch.equal(model.synthesize(audio=audio), by_hand)
    with pytest.raises(ShapeError, match="mel_f0"):
        model.synthesize(audio=audio, mel_f0=wanted)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.5])
def test_an_untrained_envelope_network_sounds_at_the_given_pitch(factor):
    """At step 0 it is a source-filter vocoder: right F0, and right level after some refinement."""
    config = WavehaxConfig(prior_shaping="envelope", mel=MelConfig(fmax=12000.0), channels=4, num_blocks=1)
    model = Wavehax(config).eval()
    time = torch.arange(24000) / 24000
    audio = sum(0.05 * torch.sin(2 * torch.pi * 200 * k * time) for k in range(1, 15))
    features = model.log_mel(audio[None])
    f0 = torch.full((1, 1, features.shape[-1]), 200.0)
    output = model.synthesize(features, f0, f0_scale=factor, refinement=8)[0, 0]
    spectrum = torch.fft.rfft(output[6000:18000] * torch.hann_window(12000)).abs()
    peak = (spectrum[20:500].argmax().item() + 20) * 2  # bins are 2 Hz apart
    assert min(abs(peak / (200 * factor) - k) for k in range(1, 8)) < 0.03
    level = 10 * torch.log10(output.square().mean() / audio.square().mean())
    assert abs(level) < 3


def test_a_share_of_the_training_mels_is_remade():
    features, f0 = inputs(small(), 40, items=6)
    batch = {"features": features, "f0": f0, "seed": torch.arange(6)}
    models = (small(prior_shaping="envelope", remade_share=share) for share in (0, 0.5, 1))
    plain, half, whole = (model.draw_inputs(batch) for model in models)
    assert torch.equal(plain["features"], features)
    changed = (half["features"] != features).flatten(1).any(1)
    assert 0 < changed.sum() < 6
    assert torch.equal(half["features"][changed], whole["features"][changed])
    assert (whole["features"] != features).flatten(1).any(1).all()
    assert torch.equal(half["prior"], plain["prior"])


def test_synthesis_accepts_unbatched_tensors_and_audio():
    model = small()
    features, f0 = inputs(model, 20)
    expected = model.synthesize(features, f0)
    assert torch.equal(model.synthesize(features[0], f0[0, 0]), expected)
    audio = 0.1 * torch.randn(1200, generator=torch.Generator().manual_seed(0))
    shapes = [model.synthesize(audio=a).shape for a in (audio, audio[None], audio[None, None])]
    assert shapes == [(1, 1, 1200)] * 3


def test_statistics_normalise_the_features():
    model, normalised = small(), small()
    features, f0 = inputs(model, 20)
    mean, std = torch.linspace(-3, 1, 20), torch.linspace(0.5, 2, 20)
    normalised.set_statistics(mean, std)
    raw = features * std[:, None] + mean[:, None]
    torch.testing.assert_close(normalised.synthesize(raw, f0), model.synthesize(features, f0), atol=1e-4, rtol=1e-3)


def test_training_draws_belong_to_items_not_to_batches():
    model = small()
    features, f0 = inputs(model, 20, items=3)
    batch = {"features": features, "f0": f0, "seed": torch.tensor([5, 6, 7])}
    whole = model.draw_inputs(batch)["prior"]
    part = model.draw_inputs({key: value[1:] for key, value in batch.items()})["prior"]
    assert torch.equal(whole[1:], part)
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("kind", ["real", "envelope"])
def test_save_and_load(tmp_path, kind):
    model = small(**KINDS[kind])
    model.save_pretrained(tmp_path / "model")
    loaded = Wavehax.from_pretrained(tmp_path / "model", verify=True)
    features, f0 = inputs(model, 20)
    assert torch.equal(loaded.synthesize(features, f0), model.synthesize(features, f0))


def test_bad_tensors_are_named():
    model = small()
    features, f0 = inputs(model, 20)
    with pytest.raises(ShapeError, match="expected \\(B, 20, F\\)"):
        model(features[:, :5], model.prior(f0))
    with pytest.raises(ShapeError, match="prior"):
        model(features, model.prior(f0)[..., :-1])
    with pytest.raises(ShapeError, match="items or frames"):
        model.synthesize(features, f0[..., :-1])
    with pytest.raises(ShapeError, match="frames"):
        model(features[..., :2], model.prior(f0[..., :2]))
    with pytest.raises(DataError, match="3 samples"):
        model.synthesize(audio=torch.zeros(3))
    with pytest.raises(DataError, match="NaN"):
        model.synthesize(audio=torch.full((2400,), float("nan")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_size": [4, 3]}, "must be odd"),
        ({"network": "complex", "prior_shaping": "envelope"}, "needs network 'real'"),
        ({"start_refinement": 1}, "needs prior_shaping 'envelope'"),
        ({"prior_shaping": "envelope", "norm": "frame", "look_ahead": 1, "start_refinement": 1}, "no look_ahead"),
        ({"network": "multi_scale", "num_streams": 7}, "not a multiple"),
        ({"n_fft": 100}, "shorter than a hop"),
        ({"chanels": 3}, "did you mean 'channels'"),
    ],
)
def test_bad_configurations_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        WavehaxConfig.from_dict(changes)


def test_silence_stays_almost_silent_and_finite():
    model = small(prior_shaping="envelope")
    output = model.synthesize(audio=torch.zeros(2400))
    assert torch.isfinite(output).all()
    assert output.abs().max() < 1e-2
