"""PeriodWave-MB: bands that join exactly, who depends on whom, the order of drawing, and learning."""

import math
from pathlib import Path

import pytest
import torch

import vocoders
from recipes.objectives.flow_matching import FlowMatchingObjective, FlowMatchingOptions, flow_matching_loss
from vocoders.core.audio import read_audio
from vocoders.core.errors import CheckpointError, ConfigError, ShapeError
from vocoders.frontends.energy import relative_energy
from vocoders.periodwave import BandFlowSampling, PeriodWave, PeriodWaveConfig, PeriodWaveMB, PeriodWaveMBConfig
from vocoders.periodwave.bands import Bands
from vocoders.registry import FAMILIES, load

STEPS = BandFlowSampling(solver="euler", band_steps=(3, 2, 1, 1), temperature=1.0)
TINY = PeriodWaveMBConfig(hidden_channels=16, sampling=STEPS)


def _build(**changes) -> PeriodWaveMB:
    torch.manual_seed(0)
    return PeriodWaveMB(TINY.model_copy(update=changes)).eval()


@pytest.fixture(scope="module")
def model():
    return _build()


@pytest.fixture(scope="module")
def speech():
    audio, sample_rate = read_audio(Path(vocoders.__file__).parent / "examples" / "speech.flac")
    assert sample_rate == 24000
    return audio[None, :1, 12000 : 12000 + 96 * 256]


def _features(frames, batch=1, seed=0):
    return torch.randn(batch, 100, frames, generator=torch.Generator().manual_seed(seed)) - 3


def _noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Bands


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("wavelet", ["haar", "db4", "sym10"])
def test_bands_of_a_clip_join_to_the_clip(speech, wavelet, levels):
    config = PeriodWaveMBConfig(wavelet=wavelet, levels=levels, sampling=BandFlowSampling(steps=1))
    bands = Bands(config).double()
    parts = bands(speech.double())
    assert parts.shape == (1, 2**levels, speech.shape[-1] >> levels)
    torch.testing.assert_close(bands.inverse(parts), speech.double(), atol=1e-10, rtol=0)


def test_bands_ascend_in_frequency():
    bands = Bands(TINY)
    time = torch.arange(24000) / 24000
    for index, frequency in enumerate([1500, 4500, 7500, 10500]):
        energy = (bands(torch.cos(2 * math.pi * frequency * time)[None, None]) * bands.scales).square().sum(-1)[0]
        assert energy[index] > 0.95 * energy.sum()


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_constant_errors_of_no_two_bands_share_a_frequency(levels):
    bands = Bands(PeriodWaveMBConfig(levels=levels, sampling=BandFlowSampling(steps=1)))
    tones = []
    for index in range(2**levels):
        constant = torch.zeros(1, 2**levels, 4096 >> levels)
        constant[:, index] = 1
        tones.append(int(torch.fft.rfft(bands.inverse(constant)[0, 0]).abs().argmax()) * 2**levels / 2048)
    assert tones == [0, *range(2, 2**levels + 1)]  # the lowest at zero, the others at their upper edge


def test_noise_of_the_bands_is_white(model):
    bands = model.bands.noise(_noise(1, 1, 2**18))[0]
    torch.testing.assert_close(bands @ bands.T / bands.shape[-1], torch.eye(4), atol=0.02, rtol=0)
    neighbours = (bands[:, 1:] * bands[:, :-1]).mean(dim=-1)
    assert neighbours.abs().max() < 0.02


# Prior


def test_priors_of_the_bands_share_the_energy_of_the_mel(model):
    features = _features(9) + 3  # no band near the floor
    model = _build()
    model.set_statistics(0.0, 20.0)
    whole = relative_energy(features, TINY.energy, "ln", model.energy_range)
    parts = model.prior_deviation(features) * model.bands.scales
    assert model.prior_deviation(features).min() > TINY.energy.floor
    torch.testing.assert_close(parts.square().sum(1, keepdim=True), whole.square())


def test_prior_of_a_band_follows_its_own_mel_bins(model):
    features = torch.full((1, 100, 4), -3.0)
    louder = features.clone()
    louder[:, 92:, 2] += 3  # above 9 kHz, in the third frame
    rise = model.prior_deviation(louder) / model.prior_deviation(features)
    expected = torch.ones(1, 4, 4)
    expected[0, 3, 2] = rise[0, 3, 2]
    assert torch.equal(rise, expected)
    assert rise[0, 3, 2] > 3


def test_silence_gives_every_band_the_floor(model):
    silence = torch.full((1, 100, 4), math.log(1e-5))
    torch.testing.assert_close(model.prior_deviation(silence), torch.full((1, 4, 4), 0.1))
    prior = model.prior(silence, _noise(1, 1, 4 * 256), temperature=0.5)
    torch.testing.assert_close(prior, model.bands.noise(_noise(1, 1, 4 * 256)) * 0.5 * 0.5 * 0.1)


def test_bands_above_the_mel_take_the_highest_bins():
    config = PeriodWaveMBConfig.from_dict({"mel": "hifigan_22k", "energy": "ljspeech_22k", "hidden_channels": 16})
    bands = Bands(config)
    assert bands.mel_bins[3] == bands.mel_bins[2]
    deviation = PeriodWaveMB(config).prior_deviation(torch.randn(1, 80, 5))
    assert torch.equal(deviation[:, 3], deviation[:, 2])


def test_embeddings_have_one_deviation():
    model = _build(condition="embedding", energy=None)
    assert torch.equal(model.prior_deviation(_features(3)), torch.ones(1, 4, 3))
    assert torch.equal(model.bands.scales, torch.ones(1, 4, 1))
    assert model.synthesize(_features(3)).shape == (1, 1, 768)


# Who depends on whom


def test_a_band_depends_on_the_bands_below_and_on_none_above(model):
    features, x = _features(3), _noise(1, 4, 192).requires_grad_()
    bands = _noise(1, 4, 192, seed=1).requires_grad_()
    velocity = model(features, x, torch.tensor([0.3]), bands)
    for band in range(4):
        own, below = torch.autograd.grad(velocity[:, band].sum(), (x, bands), retain_graph=True, allow_unused=True)
        assert [bool(own[:, other].any()) for other in range(4)] == [other == band for other in range(4)]
        depends = [False] * 4 if below is None else [bool(below[:, other].any()) for other in range(4)]
        assert depends == [other < band for other in range(4)]


def test_noise_of_a_high_band_changes_no_band_below(model):
    features, x = _features(4), 0.3 * _noise(1, 4, 256)
    with torch.no_grad():
        plain = model.bands(model(features, x))
        for band in range(4):
            changed = x.clone()
            changed[:, band] = _noise(1, 256, seed=9)
            other = model.bands(model(features, changed))
            torch.testing.assert_close(other[:, :band], plain[:, :band], atol=1e-6, rtol=0)
            assert (other[:, band:] - plain[:, band:]).abs().amax(-1).min() > 1e-5


def test_waveform_is_the_flow_of_one_band_after_the_other(model):
    features, x = _features(5), 0.3 * _noise(1, 4, 320)
    drawn = torch.zeros(1, 4, 320)
    with torch.no_grad():
        for band, steps in enumerate(STEPS.band_steps):
            state = x.clone()
            for step in range(steps):
                velocity = model(features, state, torch.tensor([step / steps]), drawn)
                state[:, band] += velocity[:, band] / steps
            drawn[:, band] = state[:, band]
        torch.testing.assert_close(model(features, x), model.bands.inverse(drawn))


# Sampling


@pytest.mark.parametrize(("solver", "factor"), [("euler", 1), ("midpoint", 2)])
def test_calls_are_the_sum_of_the_steps_of_the_bands(model, solver, factor):
    calls = {}
    hooks = [
        network.estimator.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls.get(name, 0) + 1))
        for name, network in model.networks.items()
    ]
    finished = []
    model.synthesize(_features(4), options=STEPS.model_copy(update={"solver": solver}), progress=finished.append)
    for hook in hooks:
        hook.remove()
    assert calls == {"0": 3 * factor, "1": 2 * factor, "2": factor, "3": factor}
    assert finished == [(index + 1) / (7 * factor) for index in range(7 * factor)]


def test_steps_stand_for_those_of_every_band():
    assert BandFlowSampling(steps=5).steps_of_bands(4) == (5, 5, 5, 5)
    assert BandFlowSampling().steps_of_bands(4) == (16, 4, 1, 1)


def test_synthesis_is_seeded_and_leaves_the_model_as_it_was(model):
    model.train()
    features = _features(6)
    first, again, other = (model.synthesize(features[0], seed=seed) for seed in (1, 1, 2))
    assert first.shape == (1, 1, 6 * 256)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert model.training
    model.eval()


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("frames", [2, 3, 27])
def test_any_number_of_frames_from_two(levels, frames):
    model = _build(levels=levels, sampling=BandFlowSampling(solver="euler", steps=1))
    features = _features(frames)
    assert model.synthesize(features).shape == (1, 1, frames * 256)
    # The condition covers the rows of every period, padding included.
    for network, condition in zip(model.networks.values(), model.encode(features), strict=True):
        for period, item in zip(TINY.periods, condition, strict=True):
            multiple = network.estimator.unet.length_multiple
            assert multiple * 2**levels == 64
            assert item.shape[-1] >= math.ceil((frames * 256 >> levels) / (multiple * period))


def test_windows_of_the_bands_join_exactly(monkeypatch):
    model = _build()
    features, sampling = _features(330), BandFlowSampling(solver="euler", steps=1)
    whole = model.synthesize(features, options=sampling)
    monkeypatch.setattr(PeriodWaveMB, "window_seconds", 0.5)
    lengths = []
    hook = model.networks["3"].estimator.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape))
    windowed = model.synthesize(features, options=sampling)
    hook.remove()
    assert len(lengths) > 2
    torch.testing.assert_close(windowed, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("band", [0, 3])
def test_reach_bounds_the_support_of_the_velocity(band):
    estimator = _build().double().networks[str(band)].estimator
    length = 72 * 64
    x = torch.randn(1, 1 + band, length, dtype=torch.float64, requires_grad=True)
    condition = [torch.zeros(1, 16, length // 16, dtype=torch.float64)] * 5
    estimator(x, condition, torch.tensor(0.4, dtype=torch.float64))[0, 0, length // 2].backward()
    reached = x.grad[0].abs().amax(0).nonzero().flatten()
    farthest = max(length // 2 - int(reached[0]), int(reached[-1]) - length // 2)
    assert 0.7 * estimator.reach < farthest <= estimator.reach


def _snr(signal, exact):
    """Return the distance in dB of ``signal`` to ``exact``."""
    return float(10 * torch.log10(exact.square().sum() / (signal - exact).square().sum()))


@pytest.mark.parametrize(("wavelet", "end"), [("haar", 0), ("sym10", 3)])
def test_chunks_agree_away_from_the_seams_and_the_ends(wavelet, end):
    # Response norms start closed, and every chunk starts a row of these periods: only borders differ. The packet takes
    # a signal as periodic, so that with a filter longer than its step the two ends know of each other: those of the
    # whole have other neighbours than those of a chunk, and what the network makes of it fades within three frames.
    model = _build(periods=(1, 2), wavelet=wavelet)
    whole, chunked = (model.synthesize(_features(300), chunk_seconds=seconds)[0, 0] for seconds in (None, 1.0))
    hop, reach = model.hop_length, -(-model.reach // model.hop_length)
    away = torch.ones(300, dtype=torch.bool)
    away[:end] = away[300 - end :] = False
    inner = away.repeat_interleave(hop)
    assert _snr(chunked[inner], whole[inner]) > 70
    for seam in (75, 150, 225):
        away[seam - reach : seam + reach] = False
    assert away.sum() > 200
    assert _snr(chunked[away.repeat_interleave(hop)], whole[away.repeat_interleave(hop)]) > 110


# Training


def test_sample_of_the_path_leads_from_the_prior_to_the_bands(model, speech):
    batch = {"audio": speech, "features": model.log_mel(speech), "seed": torch.tensor([3])}
    start, end = (model.flow_sample(batch, torch.tensor([time])) for time in (0.0, 1.0))
    bands = model.bands.of_clip(speech)
    assert torch.equal(start.inputs["x"], model.draw_inputs(batch)["x"])
    torch.testing.assert_close(end.inputs["x"], bands, atol=1e-3, rtol=0)
    torch.testing.assert_close(start.inputs["x"] + start.velocity, end.inputs["x"])
    assert torch.equal(start.inputs["bands"], bands)
    assert start.deviation.shape == start.velocity.shape


def test_bands_of_a_clip_do_not_join_its_end_to_its_beginning(model):
    # From a half to minus a half, slowly: a step only where the end meets the beginning.
    clip = torch.linspace(0.5, -0.5, 4096)[None, None]
    alone, circular = (split(clip) * model.bands.scales for split in (model.bands.of_clip, model.bands))
    torch.testing.assert_close(alone[..., 10:-10], circular[..., 10:-10])
    assert circular[:, 1:].abs().max() > 0.2
    assert alone[:, 1:].abs().max() < 1e-3


def test_objective_of_flow_matching_trains_every_band(speech):
    model = _build(drop_prob=0.0)
    objective = FlowMatchingObjective(FlowMatchingOptions(), model)
    clip = speech[..., : 8 * 256]
    batch = {"audio": clip, "features": model.log_mel(clip), "seed": torch.tensor([1])}
    losses = []

    def update(name, loss):
        assert name == "generator"
        losses.append(loss)
        loss.backward()
        return 0.0

    log = objective.training_step({"generator": model}, batch, 0, update)
    assert log["loss/flow_matching"] == losses[0]
    for network in model.networks.values():
        assert all(parameter.grad is not None for parameter in network.parameters())
        assert network.estimator.output.conv.parametrizations.weight.original1.grad.abs().max() > 0


def _train(model, speech, steps):
    """Train on one clip; return the loss before and after, each over the same many times and noises."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    features = model.log_mel(speech)

    def loss(seeds, generator):
        count = len(seeds)
        batch = {"audio": speech.expand(count, -1, -1), "features": features.expand(count, -1, -1), "seed": seeds}
        sample = model.flow_sample(batch, torch.rand(count, generator=generator))
        return flow_matching_loss(model(**sample.inputs), sample.velocity, sample.deviation)

    def measure():
        with torch.no_grad():
            return float(loss(torch.arange(1000, 1012), torch.Generator().manual_seed(1)))

    generator = torch.Generator().manual_seed(0)
    before = measure()
    for step in range(steps):
        optimizer.zero_grad()
        loss(torch.arange(2 * step, 2 * step + 2), generator).backward()
        optimizer.step()
    return before, measure()


@pytest.mark.parametrize("bands", [(0,), (3,)])
def test_one_clip_is_learnt(speech, bands):
    model = _build(hidden_channels=32, drop_prob=0.0, bands=bands)
    before, after = _train(model, speech[..., : 32 * 256], 40)
    assert after < 0.6 * before


def test_bands_trained_apart_are_those_trained_together(speech):
    clip = speech[..., : 8 * 256]
    batch = {"audio": clip, "features": PeriodWaveMB(TINY).log_mel(clip), "seed": torch.tensor([0])}
    whole = _build(drop_prob=0.0)
    parts = [_build(drop_prob=0.0, bands=bands) for bands in ((0, 2), (1,), (3,))]
    for part in parts:
        part.load_state_dict({name: value for name, value in whole.state_dict().items() if name in part.state_dict()})
    together = whole.flow_sample(batch, torch.tensor([0.4]))
    velocity = whole(**together.inputs)
    for part in parts:
        sample = part.flow_sample(batch, torch.tensor([0.4]))
        own = list(part.config.own_bands)
        assert torch.equal(sample.velocity, together.velocity[:, own])
        assert torch.equal(sample.deviation, together.deviation[:, own])
        torch.testing.assert_close(part(**sample.inputs), velocity[:, own])
    joined = PeriodWaveMB.join(parts)
    assert joined.config == whole.config
    assert torch.equal(joined.synthesize(batch["features"]), whole.synthesize(batch["features"]))


def test_models_of_other_bands_are_not_joined():
    first, second = _build(bands=(0, 1)), _build(bands=(2, 3))
    with pytest.raises(ConfigError, match=r"\[0, 1\].* 4"):
        PeriodWaveMB.join([first])
    with pytest.raises(ConfigError, match="more than"):
        PeriodWaveMB.join([first, _build(bands=(2, 3), noise_scale=0.1)])
    second.set_statistics(0.0, 1.0)
    with pytest.raises(ConfigError, match="energy range"):
        PeriodWaveMB.join([first, second])


def test_a_model_of_some_bands_takes_the_others_from_audio(speech):
    model = _build(bands=(2,))
    with pytest.raises(ConfigError, match=r"\[2\] of 4.* audio"):
        model.synthesize(_features(5))
    output = model.synthesize(audio=speech)
    difference = (model.bands(output) - model.bands(speech)).abs().amax(-1)[0]
    assert difference[[0, 1, 3]].max() < 1e-5
    assert difference[2] > 1e-3
    with pytest.raises(ShapeError, match="true bands are missing"):
        model(_features(3), torch.zeros(1, 1, 192), torch.zeros(1))


def test_gradients_pass_through_every_step_of_every_band():
    gradients = []
    for checkpointing in (False, True):
        model = _build(drop_prob=0.0, gradient_checkpointing=checkpointing)
        model(_features(3), 0.3 * _noise(1, 4, 192)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients)


def test_draws_belong_to_items(model):
    batch = {"features": _features(4, batch=3), "seed": torch.tensor([5, 6, 7])}
    whole = model.draw_inputs(batch)["x"]
    part = model.draw_inputs({"features": batch["features"][1:2], "seed": batch["seed"][1:2]})["x"]
    # The numbers are the same; the filters of the bands may sum a batch in another order.
    torch.testing.assert_close(whole[1:2], part, rtol=0, atol=1e-6)


# Files and mistakes


@pytest.mark.parametrize("bands", [None, (1, 2)])
def test_saving_keeps_everything(tmp_path, bands):
    model = _build(bands=bands)
    model.set_statistics(0.1, 3.0)
    model.save_pretrained(tmp_path / "model")
    loaded = load(tmp_path / "model", verify=True)
    assert isinstance(loaded, PeriodWaveMB)
    assert loaded.config == model.config
    audio = 0.1 * _noise(1, 1, 1024)
    # A loaded model computes by the fastest runtime.
    expected = model.synthesize(audio=audio)
    bound = 1e-4 * float(expected.abs().max())
    torch.testing.assert_close(loaded.synthesize(audio=audio), expected, rtol=0, atol=bound)


def test_a_single_band_model_is_another_family(tmp_path):
    PeriodWave(PeriodWaveConfig(hidden_channels=16)).save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match="'periodwave'.* 'periodwave_mb'"):
        PeriodWaveMB.from_pretrained(tmp_path / "model")


def test_no_reference_is_converted():
    family = FAMILIES["periodwave_mb"]
    assert all(isinstance(config, PeriodWaveMBConfig) for config in family.variants.values())
    with pytest.raises(ConfigError, match="periodwave_mb"):
        _ = family.convert


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wavelet": "bior4.4"}, "not orthogonal"),
        ({"wavelet": "dmey"}, "not orthogonal"),
        ({"wavelet": "db99"}, "did you mean"),
        ({"levels": 4}, "levels"),
        ({"levels": 3}, "4 numbers for 8 bands"),
        ({"sampling": {"band_steps": [4, 4]}}, "2 numbers for 4 bands"),
        ({"sampling": {"band_steps": [4, 4, 0, 1]}}, "0 steps"),
        ({"bands": [4]}, "from 0 to 3"),
        ({"bands": [1, 0]}, "ascending"),
        ({"bands": []}, "ascending"),
        ({"band_scales": [1.0, 1.0]}, "expected 4 positive"),
    ],
)
def test_impossible_configurations_say_why(change, message):
    with pytest.raises(ConfigError, match=message):
        PeriodWaveMBConfig.from_dict(change)


def test_bad_input_is_refused(model):
    features, x = _features(3), torch.zeros(1, 4, 192)
    with pytest.raises(ShapeError, match=r"expected \(1, 4, 192\)"):
        model(features, torch.zeros(1, 1, 768), torch.zeros(1), x)
    with pytest.raises(ShapeError, match="true bands are missing"):
        model(features, x, torch.zeros(1))
    with pytest.raises(ShapeError, match="1 frames; at least 2"):
        model.synthesize(_features(1))
    with pytest.raises(ConfigError, match="4 numbers|2 numbers"):
        model.synthesize(features, options=BandFlowSampling(band_steps=(1, 2)))
