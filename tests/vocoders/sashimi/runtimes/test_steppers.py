"""Stepping: the compiled step is the plain one, for every kind of network, whatever the batch and the prompt."""

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special
import torch

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.layers.s4 import S4Config
from vocoders.sashimi import VARIANTS, QuantiserConfig, Sashimi, SashimiConfig
from vocoders.sashimi.runtimes import make_stepper
from vocoders.sashimi.runtimes.fused.stepper import FusedStepper
from vocoders.sashimi.runtimes.graph import GraphStepper
from vocoders.sashimi.runtimes.plain import PlainStepper, draw_codes

SMALL = {
    name: SashimiConfig.from_dict(config.to_dict() | {"channels": 12, "num_layers": 2, "kernel_length": 64})
    for name, config in VARIANTS.items()
}
SMALL |= {
    "diagonal": SashimiConfig(
        channels=16, num_layers=1, s4=S4Config(structure="diagonal", initialisation="lin", discretisation="zoh")
    ),
    "free": SashimiConfig(channels=16, num_layers=1, s4=S4Config(structure="dplr_free", dt_transform="softplus")),
    "pools": SashimiConfig(channels=72, num_layers=1, pool=(2, 3, 2), kernel_length=240, skips="pool"),
    "no_pools": SashimiConfig(channels=8, num_layers=1, pool=(), quantiser=QuantiserConfig(bits=4), kernel_length=None),
    "fine_codes": SashimiConfig(channels=8, num_layers=1, quantiser=QuantiserConfig(bits=10), final_norm="scalar"),
}


def build(config: SashimiConfig, seed: int = 0) -> Sashimi:
    """Return a model away from its initialisation: norms, skips and rank-one parts have values of their own."""
    torch.manual_seed(seed)
    model = Sashimi(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "A_" not in name and "inv_dt" not in name:
                parameter.add_(0.1 * (parameter.abs().mean() + 0.1) * torch.randn_like(parameter))
        # Codes as uneven as those of a trained model.
        model.head.weight.mul_(5)
    return model


@pytest.fixture(scope="module")
def small() -> Sashimi:
    return build(SMALL["sc09"])


def random_codes(model: Sashimi, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, model.quantiser.num_codes, shape)


@pytest.mark.parametrize("name", SMALL)
def test_fused_is_plain(name: str) -> None:
    model = build(SMALL[name])
    prompt = torch.from_numpy(random_codes(model, 37))
    plain, fused = (make(model, 3, prompt) for make in (PlainStepper, FusedStepper))
    codes = random_codes(model, 3, 50)
    expected, logits = plain.follow(codes), fused.follow(codes)
    assert expected.std() > 1
    np.testing.assert_allclose(logits, expected, atol=2e-5, rtol=0)
    uniforms = np.random.default_rng(1).random((3, 50))
    (expected, scores), (drawn, fused_scores) = (stepper.draw(uniforms, 0.9, 0.8) for stepper in (plain, fused))
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_allclose(fused_scores, scores, rtol=1e-5)


def test_fused_stays_plain_over_thousands_of_steps(small: Sashimi) -> None:
    plain, fused = PlainStepper(small), FusedStepper(small)
    uniforms = np.random.default_rng(2).random((1, 2500))
    (expected, score), (drawn, fused_score) = plain.draw(uniforms), fused.draw(uniforms)
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_allclose(fused_score, score, rtol=1e-6)
    codes = random_codes(small, 1, 300)
    np.testing.assert_allclose(fused.follow(codes), plain.follow(codes), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sc09", "sc09_unet", "youtubemix", "standalone"])
def test_published_sizes_stay_plain(name: str) -> None:
    model = build(VARIANTS[name])
    codes = random_codes(model, 1, 2100)
    expected = PlainStepper(model).follow(codes)
    np.testing.assert_allclose(FusedStepper(model).follow(codes), expected, atol=1e-4, rtol=0)


def test_stepping_is_convolution(small: Sashimi) -> None:
    codes = random_codes(small, 2, 400)
    with torch.inference_mode():
        whole = small(small.shift(torch.from_numpy(codes))).numpy()
    np.testing.assert_allclose(FusedStepper(small, 2).follow(codes), whole, atol=2e-5, rtol=0)


def test_batch_changes_no_item(small: Sashimi) -> None:
    uniforms = np.random.default_rng(3).random((7, 40))
    drawn, scores = FusedStepper(small, 7).draw(uniforms, 1.0, 0.9)
    codes = random_codes(small, 7, 20)
    logits = FusedStepper(small, 7).follow(codes)
    for item in (0, 3, 4, 6):
        alone, score = FusedStepper(small, 1).draw(uniforms[item : item + 1], 1.0, 0.9)
        assert np.array_equal(alone[0], drawn[item])
        assert score[0] == scores[item]
        assert np.array_equal(FusedStepper(small, 1).follow(codes[item : item + 1])[0], logits[item])


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 64, 65, 200])
def test_a_prompt_is_as_if_stepped_through(small: Sashimi, length: int) -> None:
    prompt, codes = random_codes(small, length), random_codes(small, 2, 40)
    stepped = FusedStepper(small, 2)
    stepped.follow(np.stack([prompt, prompt]))
    continued = FusedStepper(small, 2, torch.from_numpy(prompt)).follow(codes)
    np.testing.assert_allclose(continued, stepped.follow(codes), atol=2e-5, rtol=0)


def test_blocks_are_one_run(small: Sashimi) -> None:
    uniforms = np.random.default_rng(4).random((2, 90))
    whole, score = FusedStepper(small, 2).draw(uniforms)
    stepper = FusedStepper(small, 2)
    parts = [stepper.draw(uniforms[:, start:stop]) for start, stop in ((0, 1), (1, 14), (14, 14), (14, 90))]
    assert np.array_equal(np.concatenate([codes for codes, _ in parts], axis=1), whole)
    np.testing.assert_allclose(sum(scores for _, scores in parts), score, rtol=1e-12)


def test_integer_weights_change_likelihoods_by_less_than_a_thousandth_of_a_bit(small: Sashimi) -> None:
    codes = random_codes(small, 2, 200)
    bits = {}
    for weights in ("float32", "int16"):
        logits = torch.from_numpy(FusedStepper(small, 2, weights=weights).follow(codes))
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), torch.from_numpy(codes), reduction="none")
        bits[weights] = loss / math.log(2)
    difference = (bits["int16"] - bits["float32"]).abs()
    assert 0 < difference.max() < 0.01
    assert abs(bits["int16"].mean() - bits["float32"].mean()) < 1e-4


def test_recorded_steps_are_plain_steps(small: Sashimi, record_in_place) -> None:
    prompt = torch.from_numpy(random_codes(small, 21))
    codes = random_codes(small, 2, 70)
    expected = PlainStepper(small, 2, prompt).follow(codes)
    recorded = GraphStepper(small, 2, prompt, record=record_in_place)
    np.testing.assert_array_equal(recorded.follow(codes), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_on_a_gpu_are_plain_steps(small: Sashimi) -> None:
    model = build(SMALL["sc09"]).cuda()
    stepper = make_stepper(model, 2)
    assert isinstance(stepper, GraphStepper)
    codes = random_codes(small, 2, 70)
    np.testing.assert_allclose(stepper.follow(codes), PlainStepper(small, 2).follow(codes), atol=1e-3, rtol=0)


def test_the_fastest_stepper_that_fits_is_chosen(small: Sashimi) -> None:
    assert isinstance(make_stepper(small), FusedStepper)
    double = build(SMALL["sc09"]).double()
    assert isinstance(make_stepper(double), PlainStepper)
    with pytest.raises(ConfigError, match="float32"):
        make_stepper(double, weights="int16")
    with pytest.raises(ConfigError, match="int8"):
        make_stepper(small, weights="int8")


def test_double_precision_agrees_with_single(small: Sashimi) -> None:
    double = build(SMALL["sc09"]).double()
    codes = random_codes(small, 1, 300)
    exact = PlainStepper(double).follow(codes)
    assert np.abs(FusedStepper(small).follow(codes) - exact).max() < 2e-5


def test_impossible_requests_are_refused(small: Sashimi) -> None:
    with pytest.raises(ConfigError, match="bidirectional"):
        make_stepper(build(SashimiConfig(channels=8, num_layers=1, s4=S4Config(bidirectional=True))))
    for stepper in (PlainStepper(small, 2), FusedStepper(small, 2)):
        with pytest.raises(ShapeError, match="expected"):
            stepper.draw(np.zeros((3, 4)))
        with pytest.raises(ShapeError, match="expected"):
            stepper.follow(np.zeros((2,), np.int64))
    with pytest.raises(ShapeError, match="prompt"):
        PlainStepper(small, 1, torch.zeros(0, dtype=torch.int64))


@functools.cache
def compiled_draw() -> Callable[..., None]:
    from numba import njit

    from vocoders.sashimi.runtimes.fused.kernels import draw

    @njit
    def run(memory, row, num_codes, uniforms, temperature, top_p, codes, scores):
        for index in range(len(uniforms)):
            memory.work[: len(row)] = row
            codes[index], scores[index] = draw(memory, 0, num_codes, uniforms[index], temperature, top_p)

    return run


def draw_fused(logits: torch.Tensor, uniforms: np.ndarray, temperature: float, top_p: float) -> tuple:
    """Draw from given logits in compiled code."""
    from vocoders.sashimi.runtimes.fused.layout import Memory

    width = -(-len(logits) // 64) * 64
    row = np.full(width, -1e30, np.float32)
    row[: len(logits)] = logits
    none, work = np.zeros(0, np.float32), np.zeros(3 * width, np.float32)
    memory = Memory(none, np.zeros(0, np.int16), none, work, np.zeros(1, np.int64), 0, 0, 0, 0)
    codes, scores = np.zeros(len(uniforms), np.int64), np.zeros(len(uniforms))
    compiled_draw()(memory, row, len(logits), uniforms, float(temperature), float(top_p), codes, scores)
    return codes, scores


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1, 1), (0.7, 1), (1.6, 1), (1, 0.5), (0.8, 0.9), (3, 1e-6), (0, 1)]
)
def test_draws_follow_the_closed_form(temperature: float, top_p: float) -> None:
    logits = 2 * torch.randn(100, generator=torch.Generator().manual_seed(0))
    probabilities = scipy.special.softmax(logits.double().numpy())
    order = np.argsort(-probabilities)
    kept = order[: 1 + np.searchsorted(np.cumsum(probabilities[order]), top_p)] if top_p < 1 else order
    wanted = np.zeros(100)
    if temperature == 0:
        wanted[order[0]] = 1
    else:
        wanted[kept] = scipy.special.softmax(logits.double().numpy()[kept] / temperature)
    # Midpoints of equal cells: an inverted distribution function then gives every frequency to a cell.
    cells = 4000
    uniforms = (np.arange(cells) + 0.5) / cells
    codes, scores = draw_codes(logits.expand(cells, -1), torch.from_numpy(uniforms), temperature, top_p)
    fused_codes, fused_scores = draw_fused(logits, uniforms, temperature, top_p)
    for drawn, score in ((codes.numpy(), scores.numpy()), (fused_codes, fused_scores)):
        frequencies = np.bincount(drawn, minlength=100) / cells
        np.testing.assert_allclose(frequencies, wanted, atol=2 / cells)
        np.testing.assert_allclose(score, np.log(probabilities)[drawn], rtol=1e-5)
    assert np.array_equal(fused_codes, codes.numpy())


def test_equal_probabilities_are_kept_together() -> None:
    logits = torch.tensor([0.0, 0.0, 0.0, 0.0, -30.0])
    uniforms = (np.arange(100) + 0.5) / 100
    codes, _ = draw_codes(logits.expand(100, -1), torch.from_numpy(uniforms), 1.0, 0.3)
    assert set(codes.tolist()) == {0, 1, 2, 3}
    assert np.array_equal(draw_fused(logits, uniforms, 1.0, 0.3)[0], codes.numpy())


def test_vector_functions_are_exact_to_single_precision() -> None:
    from numba import njit

    from vocoders.core.vectors import exp, gelu, load, sigmoid, store

    @njit
    def evaluate(x, results):
        for i in range(0, x.size, 16):
            value = load(x, i, 16)
            store(results, i, gelu(value))
            store(results, x.size + i, exp(value))
            store(results, 2 * x.size + i, sigmoid(value))

    x = np.linspace(-14, 14, 8000, dtype=np.float32)
    results = np.zeros(3 * x.size, np.float32)
    evaluate(x, results)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(results[:8000], wide * scipy.special.ndtr(wide), atol=3e-7, rtol=2e-6)
    np.testing.assert_allclose(results[8000:16000], np.exp(wide), rtol=3e-7)
    np.testing.assert_allclose(results[16000:], scipy.special.expit(wide), rtol=4e-7)
