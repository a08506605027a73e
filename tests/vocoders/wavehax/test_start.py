"""A network that corrects a start whose mel agrees with the wanted one."""

import torch
from torch import Tensor

from vocoders.frontends.mel import MelConfig
from vocoders.wavehax import Wavehax, WavehaxConfig

FRAMES = 40
SMALL = {"channels": 4, "num_blocks": 2, "kernel_size": (3, 3), "norm": "frame", "prior_shaping": "envelope"}


def model_of(iterations: int) -> Wavehax:
    torch.manual_seed(0)
    return Wavehax(WavehaxConfig(mel=MelConfig(fmax=12000.0), start_refinement=iterations, **SMALL)).eval()


def speech(model: Wavehax) -> tuple[Tensor, Tensor]:
    """Return the features of a vowel with a formant, and its F0."""
    time = torch.arange(FRAMES * model.hop_length) / model.sample_rate
    harmonics = [torch.sin(2 * torch.pi * 140 * n * time) / (1 + ((140 * n - 700) / 300) ** 2) for n in range(1, 80)]
    audio = 0.1 * sum(harmonics) + 1e-3 * torch.randn(time.shape, generator=torch.Generator().manual_seed(1))
    return model.log_mel(audio[None]), torch.full((1, 1, FRAMES), 140.0)


def distance(model: Wavehax, audio: Tensor, features: Tensor) -> Tensor:
    return (model.log_mel(audio) - features)[..., 5:-5].abs().mean()


def test_training_begins_at_the_start() -> None:
    model = model_of(1)
    features, f0 = speech(model)
    prior = model.begin(features, model.draw_prior(f0, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(model(features, prior), prior[:, 2:], atol=1e-5, rtol=1e-4)
    # The random numbers are those of a network without a start.
    assert torch.equal(prior[:, :2], model_of(0).draw_prior(f0, torch.Generator().manual_seed(0)))


def test_the_start_is_nearer_to_the_mel_the_more_it_is_refined() -> None:
    distances = []
    for iterations in (0, 1, 4):
        model = model_of(iterations)
        features, f0 = speech(model)
        distances.append(distance(model, model.synthesize(features, f0), features))
    assert distances[0] > 1.2 * distances[1] > 1.2 * distances[2]


def test_weights_without_a_start_are_the_beginning_of_a_network_with_it() -> None:
    trained, model = model_of(0), model_of(1)
    torch.nn.init.normal_(trained.network.output_proj.weight)
    model.start_from(trained)
    features, f0 = speech(model)
    assert torch.equal(model.synthesize(features, f0), model_of(1).synthesize(features, f0))
    assert torch.equal(model.network.blocks[1].dwconv.weight, trained.network.blocks[1].dwconv.weight)
    for other in (model_of(0), model_of(1)):
        other.start_from(model)
        assert torch.equal(other.network.blocks[1].dwconv.weight, trained.network.blocks[1].dwconv.weight)
    # From the same kind everything is copied, also where the number of iterations is another.
    other = model_of(2)
    torch.nn.init.normal_(model.network.output_proj.weight)
    other.start_from(model)
    assert torch.equal(other.network.output_proj.weight, model.network.output_proj.weight)


def test_every_weight_that_training_changes_has_a_gradient() -> None:
    model = model_of(1)
    torch.nn.init.normal_(model.network.output_proj.weight)
    features, f0 = speech(model)
    inputs = model.draw_inputs({"features": features, "f0": f0, "seed": torch.tensor([3])})
    model(**inputs).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
