"""PeriodWave: sizes, the prior, locality, the flow, and what users may do wrong."""

import pytest
import torch

from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.periodwave import VARIANTS, FlowSampling, PeriodWave, PeriodWaveConfig
from vocoders.periodwave.unet import FreeU, fold_rows, unfold_rows

TINY = PeriodWaveConfig(hidden_channels=16, sampling=FlowSampling(solver="euler", steps=2, temperature=1.0))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PeriodWave(TINY).eval()


def _features(frames, batch=1, seed=0):
    return torch.randn(batch, 100, frames, generator=torch.Generator().manual_seed(seed)) - 3


@pytest.mark.parametrize(
    ("variant", "size"),
    [("small", 7_573_745), ("base", 29_805_025), ("base_22k", 29_733_345), ("large", 70_249_873),
     ("encodec", 31_344_865)],
)  # fmt: skip
def test_published_sizes(variant, size):
    with torch.device("meta"):
        model = PeriodWave(VARIANTS[variant])
    assert sum(parameter.numel() for parameter in model.parameters()) == size


def test_prior_follows_the_energy_of_the_mel(model):
    silence = torch.full((1, 100, 4), -11.512925)
    assert torch.equal(model.prior_deviation(silence), torch.full((1, 1, 4), 0.1))
    features = _features(6)
    louder = model.prior_deviation(features + 2.0)
    assert (louder > model.prior_deviation(features)).all()
    noise = torch.randn(1, 1, 6 * 256)
    prior = model.prior(features, noise, temperature=0.5)
    assert prior[0, 0, 700] == pytest.approx(float(noise[0, 0, 700] * 0.25 * model.prior_deviation(features)[0, 0, 2]))


def test_statistics_move_the_prior_and_survive_saving(tmp_path):
    model = PeriodWave(TINY)
    features = _features(5)
    before = model.prior_deviation(features)
    model.set_statistics(torch.tensor(0.0), torch.tensor(1.0))
    assert (model.prior_deviation(features) > before).all()
    model.save_pretrained(tmp_path / "model")
    loaded = PeriodWave.from_pretrained(tmp_path / "model", verify=True)
    assert torch.equal(loaded.prior_deviation(features), model.prior_deviation(features))
    with pytest.raises(ConfigError, match="minimum < maximum"):
        model.set_statistics(2.0, 1.0)


def test_waveform_is_the_flow_of_the_velocity(model):
    features, x = _features(7), torch.randn(1, 1, 7 * 256)
    with torch.no_grad():
        half = x + 0.5 * model(features, x, torch.tensor([0.0]))
        expected = half + 0.5 * model(features, half, torch.tensor([0.5]))
        torch.testing.assert_close(model(features, x), expected)


@pytest.mark.parametrize("period", [1, 2, 3, 5, 7])
def test_columns_of_a_period_never_mix(model, period):
    # Whole rows of every period: reflecting the end would mix columns there.
    x = torch.randn(1, 1, TINY.grid_length, requires_grad=True)
    index = TINY.periods.index(period)
    condition = model.encode(_features(53))[index]
    embedding = model.estimator.embedding(torch.tensor([0.3]))[:, index]
    output = model.estimator.path(x, period, condition, embedding)
    output[0, :, 1000].sum().backward()
    reached = x.grad[0, 0].nonzero().flatten()
    assert len(reached) > 20
    assert set((reached % period).tolist()) == {1000 % period}


def test_reach_bounds_the_support_of_the_velocity():
    torch.manual_seed(0)
    model = PeriodWave(TINY).double().eval()
    frames = 72
    x = torch.randn(1, 1, frames * 256, dtype=torch.float64, requires_grad=True)
    condition = [item.detach() for item in model.encode(_features(frames).double())]
    middle = frames * 128
    model.estimator(x, condition, torch.tensor(0.4, dtype=torch.float64))[0, 0, middle].backward()
    reached = x.grad[0, 0].nonzero().flatten()
    left, right = middle - int(reached[0]), int(reached[-1]) - middle
    # The published network reaches 6726 and 6984 samples.
    assert 6000 < max(left, right) <= model.estimator.reach < 9000


def test_folding_is_undone_and_reflects_the_end():
    x = torch.arange(1000.0).view(1, 1, -1)
    rows = fold_rows(x, 3, 64)
    assert rows.shape == (3, 1, 384)
    assert torch.equal(rows[1, 0, :3], torch.tensor([1.0, 4.0, 7.0]))
    assert rows[1, 0, 333] == 998  # sample 1000 mirrors sample 998
    assert torch.equal(unfold_rows(rows, 3, 1000), x)


def test_condition_tells_all_of_the_utterance(model):
    features = _features(30).requires_grad_()
    # Response norms make the encoder global: the last frame reaches the first output.
    model.encode(features)[0][0, :, 0].sum().backward()
    assert features.grad[0, :, -1].abs().max() < 1e-20  # gains of the norms start at zero ...
    torch.manual_seed(1)
    other = PeriodWave(TINY).eval()
    for block in other.encoder.blocks:
        torch.nn.init.normal_(block.grn.gamma)
    features = _features(30).requires_grad_()
    other.encode(features)[0][0, :, 0].sum().backward()
    assert features.grad[0, :, -1].abs().max() > 1e-9  # ... and training opens them


def test_items_of_a_batch_are_independent(model):
    features = torch.cat([_features(9, seed=1), _features(9, seed=2)])
    x = torch.randn(2, 1, 9 * 256)
    with torch.no_grad():
        together = model(features, x, torch.tensor([0.2, 0.8]))
        apart = model(features[1:], x[1:], torch.tensor([0.8]))
    torch.testing.assert_close(together[1:], apart, atol=1e-5, rtol=0)


def test_synthesis_is_seeded_and_leaves_the_model_as_it_was(model):
    model.train()
    features = _features(6)
    first, again, other = (model.synthesize(features[0], seed=seed) for seed in (1, 1, 2))
    assert first.shape == (1, 1, 6 * 256)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert model.training
    model.eval()


def test_temperature_scales_the_start_alone(model):
    features = _features(6)
    still = FlowSampling(solver="euler", steps=1, temperature=0.0)
    zero = model.synthesize(features, options=still, seed=1)
    assert torch.equal(zero, model.synthesize(features, options=still, seed=2))


def test_freeu_acts_in_the_up_stages(model):
    features = _features(6)
    plain = model.synthesize(features)
    neutral = model.synthesize(features, options=TINY.sampling.model_copy(update={"freeu": (1.0, 1.0)}))
    shaped = model.synthesize(features, options=TINY.sampling.model_copy(update={"freeu": (1.1, 0.9)}))
    assert torch.equal(plain, neutral)
    assert not torch.allclose(plain, shaped, atol=1e-4)


def test_freeu_formula_of_an_up_stage(model):
    stage = model.estimator.unet.ups[0]
    x, skip, embedding = torch.randn(1, 16, 8), torch.randn(1, 4, 32), torch.randn(1, 16)
    with torch.no_grad():
        up = stage.resample(torch.nn.functional.silu(x))
        time = stage.time(torch.nn.functional.silu(embedding))[..., None]
        expected = stage.blocks(1.1 * up + 0.9 * skip + time)
        torch.testing.assert_close(stage(x, skip, embedding, FreeU(1.1, 0.9)), expected)


def test_draws_belong_to_items(model):
    batch = {"features": _features(4, batch=3), "seed": torch.tensor([5, 6, 7])}
    whole = model.draw_inputs(batch)["x"]
    part = model.draw_inputs({"features": batch["features"][1:2], "seed": batch["seed"][1:2]})["x"]
    assert torch.equal(whole[1:2], part)


def test_gradient_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = PeriodWave(TINY.model_copy(update={"gradient_checkpointing": checkpointing, "drop_prob": 0.0}))
        model(
            _features(3), torch.randn(1, 1, 768, generator=torch.Generator().manual_seed(1))
        ).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients)


def test_one_frame_is_too_short(model):
    with pytest.raises(ShapeError, match="1 frames.*at least 2"):
        model.synthesize(_features(1))
    with pytest.raises(DataError, match="at least 512"):
        model.analyze(torch.zeros(300))


@pytest.mark.parametrize("frames", [2, 3, 27])
def test_any_number_of_frames_from_two(model, frames):
    assert model.synthesize(_features(frames)).shape[-1] == frames * 256


def test_bad_input_is_refused(model):
    with pytest.raises(ShapeError, match=r"\(B, 100, F\)"):
        model.synthesize(torch.zeros(1, 80, 10))
    with pytest.raises(ShapeError, match="both are missing"):
        model.synthesize()
    with pytest.raises(DataError, match="NaN"):
        model.analyze(torch.full((4096,), float("nan")))
    with pytest.raises(ShapeError, match="expected"):
        model(_features(4), torch.zeros(1, 1, 100), torch.zeros(1))
    embedding = PeriodWave(PeriodWaveConfig(hidden_channels=16, condition="embedding", energy=None))
    with pytest.raises(ConfigError, match="codec"):
        embedding.analyze(torch.zeros(9999))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampling": {"steps": 0}}, "sampling.steps"),
        ({"sampling": {"solver": "dopri5"}}, "sampling.solver"),
        ({"sampling": {"temperature": -1.0}}, "sampling.temperature"),
        ({"sampling": {"sway": 9.0}}, "sway"),
        ({"hidden_channels": 100}, "multiple of 16"),
        ({"periods": [2, 2]}, "different"),
        ({"mel": "wavehax_24k"}, "multiple of 64"),
        ({"condition": "embedding"}, "set energy to null"),
    ],
)
def test_impossible_configurations_say_why(change, message):
    with pytest.raises(ConfigError, match=message):
        PeriodWaveConfig.from_dict(change)


def test_bfloat16_gradients_point_where_full_ones_do():
    torch.manual_seed(0)
    model = PeriodWave(TINY.model_copy(update={"hidden_channels": 128, "drop_prob": 0.0}))
    features, x = _features(16), torch.randn(1, 1, 16 * 256)
    gradients = []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            velocity = model(features, x, torch.tensor([0.4]))
        (velocity.float() - x).square().mean().backward()
        stage = model.encoder.embed.weight, model.estimator.unet.downs[1].resample.parametrizations.weight.original1
        gradients.append(torch.cat([weight.grad.flatten() for weight in stage]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99
