"""Labels: what they change, that every stepper reads them alike, who draws them, and what is refused."""

import numpy as np
import pytest
import torch

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.sashimi import CodeSampling, Sashimi, SashimiConfig
from vocoders.sashimi.runtimes import make_stepper
from vocoders.sashimi.runtimes.fused.stepper import FusedStepper
from vocoders.sashimi.runtimes.graph import GraphStepper
from vocoders.sashimi.runtimes.plain import PlainStepper
from vocoders.sashimi.sampler import encode_prompt, generate, item_labels

WORDS = ("one", "two", "three")
SMALL = {"channels": 12, "num_layers": 1, "kernel_length": 64}
MIXED = torch.tensor([2, 0, 2, 1])


def build(**changes) -> Sashimi:
    """Return a network whose labels sound different."""
    torch.manual_seed(0)
    model = Sashimi(SashimiConfig.from_dict(SMALL | {"labels": WORDS} | changes)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("label_offsets"):
                parameter.normal_(generator=torch.Generator().manual_seed(1))
        model.head.weight.mul_(5)
    return model


@pytest.fixture(scope="module")
def model() -> Sashimi:
    return build()


def codes(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_each_item_follows_its_own_label(model):
    x = codes(1, 90).expand(4, -1)
    logits = model(x, MIXED)
    for item, label in enumerate(MIXED):
        torch.testing.assert_close(logits[item : item + 1], model(x[:1], label[None]), rtol=0, atol=1e-5)
    assert (logits[0] - logits[1]).abs().mean() > 0.1


@pytest.mark.parametrize("changes", [{}, {"norm": "layer"}, {"skips": "unet"}, {"pool": (2, 3), "kernel_length": 60}])
@pytest.mark.parametrize("prompt", [None, 37])
def test_every_stepper_is_the_forward_pass(changes, prompt, record_in_place):
    model = build(**changes)
    given = None if prompt is None else codes(prompt)
    x = codes(4, 70)
    whole = x if given is None else torch.cat([given.expand(4, -1), x], dim=1)
    with torch.inference_mode():
        expected = model(model.shift(whole), MIXED)[:, -70:].numpy()
    steppers = [make(model, 4, given, labels=MIXED) for make in (PlainStepper, FusedStepper, make_stepper)]
    for stepper in [*steppers, GraphStepper(model, 4, given, labels=MIXED, record=record_in_place)]:
        np.testing.assert_allclose(stepper.follow(x.numpy()), expected, atol=5e-5, rtol=0)


@pytest.mark.parametrize("guidance", [0.0, 0.5, 2.5])
@pytest.mark.parametrize("prompt", [None, 20])
def test_guidance_goes_from_the_mean_beyond_the_label(model, guidance, prompt, record_in_place):
    given = None if prompt is None else codes(prompt)
    x = codes(4, 50)
    whole = x if given is None else torch.cat([given.expand(4, -1), x], dim=1)
    with torch.inference_mode():
        own, mean = (model(model.shift(whole), labels)[:, -50:] for labels in (MIXED, torch.full((4,), len(WORDS))))
    expected = (mean + guidance * (own - mean)).numpy()
    options = {"labels": MIXED, "guidance": guidance}
    steppers = [make(model, 4, given, **options) for make in (PlainStepper, FusedStepper)]
    steppers.append(GraphStepper(model, 4, given, record=record_in_place, **options))
    for stepper in steppers:
        np.testing.assert_allclose(stepper.follow(x.numpy()), expected, atol=1e-4, rtol=0)
    uniforms = np.random.default_rng(0).random((4, 60))
    (plain, score), (fused, fused_score) = (stepper.draw(uniforms, 0.9, 0.9) for stepper in steppers[:2])
    np.testing.assert_array_equal(fused, plain)
    np.testing.assert_allclose(fused_score, score, rtol=1e-4)


def test_guidance_changes_no_item_by_the_batch(model):
    options = {"sampling": CodeSampling(guidance=2.0, temperature=0.9), "seed": 4}
    many = generate(model, 60, 5, **options)
    alone = generate(model, 60, [3], **options)
    assert alone.labels == many.labels[3:4]
    assert torch.equal(alone.codes[0], many.codes[3])
    assert torch.equal(alone.log_likelihoods[0], many.log_likelihoods[3])


def test_without_labels_there_is_nothing_to_guide(model):
    stepper = make_stepper(model, 2, guidance=3.0)
    assert stepper.num_sequences == 2
    x = codes(2, 20)
    with torch.inference_mode():
        expected = model(model.shift(x)).numpy()
    np.testing.assert_allclose(stepper.follow(x.numpy()), expected, atol=5e-5, rtol=0)
    mean = generate(model, 10, 2, stepper=make_stepper(model, 2, labels=torch.tensor([3, 1])))
    assert mean.labels == ("", "two")


def test_prompts_of_many_labels_take_the_memory_of_one(model, monkeypatch):
    sizes = []
    advance = Sashimi.advance

    def spy(self, given, *rest):
        sizes.append(tuple(given.shape))
        return advance(self, given, *rest)

    monkeypatch.setattr(Sashimi, "advance", spy)
    make_stepper(model, 4, codes(64), labels=MIXED, guidance=2.0)
    # Three labels and their mean, one after the other.
    assert sizes == [(1, 64)] * 4


def test_the_mean_of_all_labels_is_that_of_their_offsets(model):
    mean = build()
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            if name.endswith("label_offsets"):
                parameter.copy_(parameter.mean(0, keepdim=True).expand_as(parameter))
        x, first = codes(1, 40), torch.tensor([0])
        expected = mean(x, first)
        torch.testing.assert_close(model(x, torch.tensor([len(WORDS)])), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-5)
        state = model.advance(x[:, :-1], model.initial_state(1))[1]
        torch.testing.assert_close(model.step(x[:, -1], state)[0], expected[:, -1], rtol=0, atol=1e-4)
        for make in (PlainStepper, FusedStepper):
            logits = make(model, 1).follow(x[:, 1:].numpy())
            whole = mean(model.shift(x[:, 1:]), first).numpy()
            np.testing.assert_allclose(logits, whole, atol=5e-5, rtol=0)


def test_weights_of_16_bits_keep_the_labels(model):
    x = codes(4, 60).numpy()
    exact, coarse = (
        FusedStepper(model, 4, weights=weights, labels=MIXED).follow(x) for weights in ("float32", "int16")
    )
    assert 0 < np.abs(exact - coarse).max() < 0.02


def test_a_model_without_labels_starts_one_with_them():
    torch.manual_seed(0)
    trained = Sashimi(SashimiConfig(**SMALL))
    model = Sashimi(SashimiConfig(**SMALL | {"kernel_length": 128}, labels=WORDS))
    model.start_from(trained)
    x = codes(2, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(x, torch.tensor([0, 2])), trained(x), rtol=0, atol=1e-4)


def test_trained_labels_are_found_by_their_names(model):
    other = Sashimi(SashimiConfig(**SMALL, labels=("three", "four", "one")))
    other.start_from(model)
    x = codes(3, 64)
    with torch.no_grad():
        expected = model(x, torch.tensor([2, len(WORDS), 0]))
        torch.testing.assert_close(other(x, torch.tensor([0, 1, 2])), expected, rtol=0, atol=1e-5)
        without = Sashimi(SashimiConfig(**SMALL))
        with pytest.raises(ConfigError, match="without labels.* one, two, three"):
            without.start_from(model)


def test_items_draw_labels_that_neither_batch_nor_number_changes(model):
    many = item_labels(model, 5, range(300))
    assert torch.equal(item_labels(model, 5, [7, 250]), many[[7, 250]])
    assert torch.bincount(many).min() > 60
    assert not torch.equal(item_labels(model, 6, range(300)), many)
    assert item_labels(Sashimi(SashimiConfig(**SMALL)), 5, range(3)) is None


def test_generation_says_what_it_drew(model):
    drawn = generate(model, 40, 6, seed=3)
    labels = item_labels(model, 3, range(6))
    assert drawn.labels == tuple(WORDS[place] for place in labels)
    item = 4
    asked = generate(model, 40, [item], seed=3, label=drawn.labels[item])
    assert torch.equal(asked.codes[0], drawn.codes[item])
    prompt = encode_prompt(model, torch.sin(torch.arange(30.0)))
    spoken = [generate(model, 40, 1, prompt, seed=3, label=word).codes for word in WORDS]
    assert all(torch.equal(one[0, :30], prompt) for one in spoken)
    assert not torch.equal(spoken[0], spoken[1])


def test_a_labelled_model_survives_saving(model, tmp_path):
    model.save_pretrained(tmp_path / "m")
    again = Sashimi.from_pretrained(tmp_path / "m", verify=True)
    assert again.config.labels == WORDS
    with torch.no_grad():
        assert torch.equal(again(codes(4, 20), MIXED), model(codes(4, 20), MIXED))


def test_what_cannot_be_is_refused(model):
    plain, x = Sashimi(SashimiConfig(**SMALL)), codes(2, 8)
    with pytest.raises(ShapeError, match="leave them out"):
        plain(x, torch.tensor([0, 1]))
    for labels in (torch.tensor([0]), torch.tensor(0), torch.tensor([[0, 1]]), torch.tensor([0, 1], dtype=torch.int32)):
        for call in (lambda given: model(x, given), lambda given: make_stepper(model, 2, labels=given, guidance=2.0)):
            with pytest.raises(ShapeError, match=r"expected int64 \(2,\)"):
                call(labels)
    for labels in (torch.tensor([0, 4]), torch.tensor([-1, 0])):
        for call in (lambda given: model(x, given), lambda given: make_stepper(model, 2, labels=given, guidance=2.0)):
            with pytest.raises(ShapeError, match=" 0 to 2, or 3"):
                call(labels)
    with pytest.raises(ShapeError, match="without labels"):
        make_stepper(plain, 2, labels=torch.tensor([0, 0]))
    with pytest.raises(ConfigError, match="guidance 2 .*labels"):
        make_stepper(plain, guidance=2.0)
    with pytest.raises(ConfigError, match=r"sampling\.guidance 2 .*labels"):
        SashimiConfig.from_dict({"sampling": {"guidance": 2}})
    with pytest.raises(ConfigError, match="label 'one'.*stepper"):
        generate(model, 10, label="one", stepper=make_stepper(model))
    with pytest.raises(ConfigError, match="'four'.* one, two, three"):
        generate(model, 10, label="four")
    with pytest.raises(ConfigError, match="no labels"):
        generate(plain, 10, label="one")
    for labels in (["a", "a"], ["a b"], ["a/b"], [""], ["../a"], ["?"]):
        with pytest.raises(ConfigError, match="expected different words"):
            SashimiConfig.from_dict({"labels": labels})
