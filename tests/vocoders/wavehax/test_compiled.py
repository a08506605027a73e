"""The compiled image of Wavehax computes what PyTorch does, for any norm, width, context and number of threads."""

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import MelConfig
from vocoders.wavehax import Wavehax, WavehaxConfig
from vocoders.wavehax.compiled import open_compiled

MEL = MelConfig(n_fft=256, hop_length=60, n_mels=20, fmax=8000.0)


def model_of(**changes) -> Wavehax:
    torch.manual_seed(0)
    options = {"mel": MEL, "channels": 16, "num_blocks": 2, "kernel_size": (3, 5), "n_fft": 120} | changes
    model = Wavehax(WavehaxConfig(**options)).eval()
    for parameter in model.parameters():  # no term may hide behind a zero
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def inputs_of(model: Wavehax, frames: int, items: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(items, model.num_features, frames, generator=generator)
    f0 = torch.full((items, 1, frames), 150.0)
    f0[..., : frames // 3] = 0
    return features, model.begin(features, model.draw_prior(f0, generator))


def assert_agrees(model: Wavehax, frames: int, items: int = 1, threads: int = 1) -> None:
    features, prior = inputs_of(model, frames, items)
    with torch.inference_mode():
        expected, found = model(features, prior), open_compiled(model, model, threads)(features, prior)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("norm", ["utterance", "frame", "batch"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channels": 20, "mult_channels": 3},  # not a whole number of vectors
        {"prior_shaping": "envelope"},
        {"prior_shaping": "envelope", "start_refinement": 1},
        {"network": "multi_scale", "n_fft": 30},
    ],
    ids=["real", "odd width", "envelope", "start", "multi scale"],
)
def test_every_norm_and_network_agrees(norm, changes):
    model = model_of(norm=norm, **changes)
    if norm == "batch":  # statistics that change something
        for block in model.network.blocks:
            torch.nn.init.uniform_(block.norm.running_mean, -1, 1)
            torch.nn.init.uniform_(block.norm.running_var, 0.5, 2)
    assert_agrees(model, 9, items=2)


def test_a_causal_network_sees_zeros_beyond_its_ends():
    assert_agrees(model_of(norm="frame", look_ahead=1), 9)


def test_threads_share_the_frames():
    assert_agrees(model_of(norm="frame"), 50, threads=3)
    assert_agrees(model_of(norm="utterance"), 50, threads=2)


def test_calls_of_other_lengths_do_not_see_the_memory_of_earlier_ones():
    model = model_of(norm="utterance")
    compiled = open_compiled(model, model, 1)
    with torch.inference_mode():
        for frames in (20, 9, 20, 31):
            features, prior = inputs_of(model, frames)
            expected = model(features, prior)
            found = compiled(features, prior)
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


def test_the_model_itself_is_left_as_it_was():
    model = model_of(norm="frame")
    features, prior = inputs_of(model, 9)
    with torch.inference_mode():
        before = model(features, prior)
        open_compiled(model, model, 1)(features, prior)
        assert torch.equal(model(features, prior), before)
    assert "refine" not in vars(model.network)


def test_complex_networks_are_refused():
    model = model_of(network="complex")
    with pytest.raises(ConfigError):
        open_compiled(model, model, 1)
