"""Sampling: seeds, batches, prompts, likelihoods and what is refused."""

import math

import numpy as np
import pytest
import torch

from recipes.ranking import select
from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.core.memory import available_memory
from vocoders.sashimi import QuantiserConfig, Sashimi, SashimiConfig
from vocoders.sashimi.runtimes.fused.stepper import FusedStepper
from vocoders.sashimi.runtimes.plain import PlainStepper
from vocoders.sashimi.sampler import (
    CodeSampling,
    encode_prompt,
    generate,
    item_generator,
    memory_of_generation,
)


@pytest.fixture(scope="module")
def model() -> Sashimi:
    torch.manual_seed(0)
    model = Sashimi(SashimiConfig(channels=8, num_layers=1, kernel_length=64)).eval()
    with torch.no_grad():
        model.head.weight.mul_(5)
    return model


def tone(length: int) -> torch.Tensor:
    return 0.5 * torch.sin(torch.arange(length) * 0.3)


def test_a_seed_gives_one_result_and_another_another(model: Sashimi) -> None:
    first, again, other = (generate(model, 60, 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.codes, again.codes)
    assert torch.equal(first.log_likelihoods, again.log_likelihoods)
    assert not torch.equal(first.codes, other.codes)
    assert not torch.equal(first.codes[0], first.codes[1])


def test_the_number_of_items_changes_none_of_them(model: Sashimi) -> None:
    whole = generate(model, 60, 6, seed=3)
    part = generate(model, 60, [4, 1], seed=3)
    assert torch.equal(part.codes, whole.codes[[4, 1]])
    assert torch.equal(part.log_likelihoods, whole.log_likelihoods[[4, 1]])
    assert torch.equal(generate(model, 30, 6, seed=3).codes, whole.codes[:, :30])


@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.0])
def test_fused_and_plain_steppers_draw_the_same(model: Sashimi, temperature: float) -> None:
    sampling, prompt = CodeSampling(temperature=temperature, top_p=0.95), encode_prompt(model, tone(50))
    results = [
        generate(model, 80, 3, prompt, sampling, seed=5, stepper=make(model, 3, prompt))
        for make in (PlainStepper, FusedStepper)
    ]
    assert torch.equal(results[0].codes, results[1].codes)
    torch.testing.assert_close(results[0].log_likelihoods, results[1].log_likelihoods, rtol=1e-5, atol=0)


def test_likelihoods_are_those_of_the_model(model: Sashimi) -> None:
    prompt = encode_prompt(model, tone(33))
    drawn = generate(model, 70, 2, prompt, CodeSampling(temperature=0.9, top_p=0.9), seed=1)
    with torch.inference_mode():
        log_probabilities = torch.log_softmax(model(model.shift(drawn.codes)).double(), dim=-1)
    expected = log_probabilities.gather(2, drawn.codes[..., None])[:, 33:, 0].sum(dim=1)
    torch.testing.assert_close(drawn.log_likelihoods, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(drawn.bits_per_sample, -expected / (70 * math.log(2)), rtol=1e-5, atol=0)


def test_greedy_takes_the_most_probable_code_whatever_the_seed(model: Sashimi) -> None:
    results = [generate(model, 40, 1, None, CodeSampling(temperature=0), seed=seed) for seed in (0, 1)]
    assert torch.equal(results[0].codes, results[1].codes)
    with torch.inference_mode():
        logits = model(model.shift(results[0].codes))
    assert torch.equal(logits.argmax(dim=-1), results[0].codes)


def test_a_low_temperature_raises_the_likelihood(model: Sashimi) -> None:
    likelihoods = [
        float(generate(model, 400, 2, None, CodeSampling(temperature=t)).log_likelihoods.mean()) for t in (0.5, 1, 2)
    ]
    assert likelihoods[0] > likelihoods[1] > likelihoods[2]


def test_the_output_begins_with_the_prompt(model: Sashimi) -> None:
    prompt = encode_prompt(model, tone(41))
    result = generate(model, 20, 3, prompt)
    assert result.codes.shape == (3, 61)
    assert result.audio.shape == (3, 1, 61)
    assert (result.codes[:, :41] == prompt).all()
    assert torch.equal(result.audio[:, 0], model.quantiser.decode(result.codes))
    torch.testing.assert_close(result.audio[0, 0, :41], tone(41), atol=0.02, rtol=0)


def test_continuations_of_a_prompt_are_those_of_a_sequence_that_drew_it(model: Sashimi) -> None:
    uniforms = np.stack([item_generator(9, 0).random(100)])
    stepper = FusedStepper(model)
    whole, _ = stepper.draw(uniforms)
    prompt = torch.from_numpy(whole[0, :55])
    continued, _ = FusedStepper(model, 1, prompt).draw(uniforms[:, 55:])
    assert np.array_equal(continued, whole[:, 55:])


def test_long_prompts_are_read_in_parts(model: Sashimi) -> None:
    """Prompts beyond the kernel length take several parts; all give what one pass over everything gives."""
    codes = torch.randint(256, (1, 500), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = model(model.shift(codes))[0, 450:]
    logits = PlainStepper(model, 1, codes[0, :450]).follow(codes[:, 450:].numpy())
    np.testing.assert_allclose(logits[0], expected.numpy(), atol=2e-5)


def test_progress_counts_codes(model: Sashimi) -> None:
    told: list[int] = []
    generate(model, 1500, 3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 4500
    assert len(told) > 2


def test_numbers_of_an_item_are_uniform_and_its_own() -> None:
    numbers = item_generator(0, 7).random(20000)
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(numbers.var() - 1 / 12) < 0.002
    assert abs(np.corrcoef(numbers, item_generator(0, 8).random(20000))[0, 1]) < 0.03
    assert np.array_equal(item_generator(-1, 0).random(5), item_generator(2**64 - 1, 0).random(5))


def test_selection_drops_both_ends_in_order() -> None:
    likelihoods = torch.tensor([5.0, 1.0, 3.0, 2.0, 4.0, 0.0, 9.0, 8.0, 7.0, 6.0] * 2)
    chosen = select(likelihoods)
    assert len(chosen) == 20 - 8 - 1
    ordered = [float(likelihoods[index]) for index in chosen]
    assert ordered == sorted(ordered)
    assert min(ordered) == 4
    assert ordered.count(9) == 1
    assert select(likelihoods, 0, 0) == torch.argsort(likelihoods, stable=True).tolist()


@pytest.mark.parametrize("parts", [(-0.1, 0), (1, 0), (0, 1), (0.6, 0.6), (float("nan"), 0)])
def test_selections_that_leave_nothing_are_refused(parts: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="expected a fraction|leaves none"):
        select(torch.zeros(10), *parts)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"top_k": 5}, "top_k"),
    ],
)
def test_impossible_sampling_is_refused_in_one_line(change: dict, name: str) -> None:
    with pytest.raises(ConfigError, match=name) as error:
        CodeSampling.from_dict(change, "sampling")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("scheme", ["official", "midtread"])
@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (torch.zeros(0), DataError, "empty"),
        (torch.zeros(100), DataError, "silent"),
        (torch.full((1, 100), 0.25), DataError, "silent"),
        (torch.zeros(2, 100), ShapeError, "one channel"),
        (torch.tensor([0.1, float("nan"), 0.2]), DataError, "NaN"),
    ],
)
def test_prompts_that_say_nothing_are_refused(scheme: str, audio: torch.Tensor, error: type, message: str) -> None:
    config = SashimiConfig(channels=8, num_layers=0, quantiser=QuantiserConfig(scheme=scheme))
    with pytest.raises(error, match=message) as found:
        encode_prompt(Sashimi(config), audio)
    assert "\n" not in str(found.value)


def test_nothing_to_draw_is_refused(model: Sashimi) -> None:
    for length, items in ((0, 1), (5, 0), (5, [])):
        with pytest.raises(ShapeError, match="at least 1"):
            generate(model, length, items)


def test_damaged_weights_are_reported(model: Sashimi) -> None:
    damaged = Sashimi(model.config)
    with torch.no_grad():
        damaged.head.weight.fill_(float("nan"))
    for stepper in (PlainStepper(damaged), FusedStepper(damaged)):
        with pytest.raises(DataError, match="NaN or infinite"):
            generate(damaged, 10, 1, stepper=stepper)


def test_memory_grows_with_what_is_asked(model: Sashimi) -> None:
    amounts = [memory_of_generation(model, *request) for request in ((1, 100), (100, 100), (100, 10**6), (1, 1, 10**9))]
    assert amounts == sorted(amounts)
    available = available_memory()
    assert available is None or available > amounts[0]


def test_memory_holds_the_state_of_every_item(model: Sashimi) -> None:
    programs = [FusedStepper(model, batch)._program for batch in (1, 9)]
    state = programs[1].memory.state.nbytes - programs[0].memory.state.nbytes
    assert memory_of_generation(model, 9, 1) - memory_of_generation(model, 1, 1) > state / 64 * 8


def test_a_model_brings_its_own_way_of_sampling(model):
    own = model.config.model_copy(update={"sampling": CodeSampling(temperature=0.7, top_p=0.9)})
    bound = Sashimi(own).eval()
    bound.load_state_dict(model.state_dict())
    bound = bound.to(next(model.parameters()).dtype)
    drawn = generate(bound, 50, 2, seed=4).codes
    assert torch.equal(drawn, generate(model, 50, 2, sampling=own.sampling, seed=4).codes)
    assert not torch.equal(drawn, generate(model, 50, 2, seed=4).codes)
