"""SaShiMi as a sequence model: stepping, prompts, causality, sizes, files."""

from pathlib import Path

import pytest
import torch

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.layers.s4 import S4Config
from vocoders.sashimi import Sashimi
from vocoders.sashimi.config import VARIANTS, SashimiConfig

SMALL = {"channels": 8, "num_layers": 1, "pool": (4, 2), "kernel_length": 64, "s4": S4Config(d_state=8)}
NETWORKS = {
    "sashimi": SashimiConfig(**SMALL),
    "unet": SashimiConfig(**SMALL, skips="unet"),
    "layer_norm": SashimiConfig(**{**SMALL, "norm": "layer", "pool_weight_norm": False}),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request) -> Sashimi:
    torch.manual_seed(0)
    return Sashimi(NETWORKS[request.param]).double().eval()


def codes(length: int, batch: int = 2) -> torch.Tensor:
    return torch.randint(256, (batch, length), generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("length", [8, 24, 21, 3])
def test_stepping_is_the_forward_pass(model, length):
    x = codes(length)
    with torch.no_grad():
        state, steps = model.initial_state(2), []
        for code in x.unbind(1):
            logits, state = model.step(code, state)
            steps.append(logits)
        torch.testing.assert_close(torch.stack(steps, 1), model(x), rtol=0, atol=1e-8)


@pytest.mark.parametrize("prompt", [8, 16, 13, 1])
def test_prompt_read_at_once_is_stepping_through_it(model, prompt):
    x = codes(32)
    with torch.no_grad():
        logits, state = model.advance(x[:, :prompt], model.initial_state(2))
        outputs = [logits[:, -1:]]
        for code in x[:, prompt:].unbind(1):
            logits, state = model.step(code, state)
            outputs.append(logits[:, None])
        torch.testing.assert_close(torch.cat(outputs, 1), model(x)[:, prompt - 1 :], rtol=0, atol=1e-8)


def test_logits_depend_on_the_past_alone(model):
    x = codes(32, 1)
    changed = x.clone()
    changed[:, 20:] = (changed[:, 20:] + 100) % 256
    with torch.no_grad():
        before, after = model(x), model(changed)
    torch.testing.assert_close(before[:, :20], after[:, :20], rtol=0, atol=1e-12)
    assert (before[:, 20:] - after[:, 20:]).abs().max() > 1e-6


def test_shift_starts_with_silence(model):
    x = codes(10)
    shifted = model.shift(x)
    assert torch.equal(shifted[:, 1:], x[:, :-1])
    assert (model.quantiser.decode(shifted[:, :1]).abs() < 0.01).all()


def test_system_parameters_are_those_of_the_dynamics(model):
    names = model.system_parameters()
    assert names
    assert not any(name.endswith((".C", ".D")) for name in names)
    assert set(names) <= set(dict(model.named_parameters()))


def test_state_dict_is_real_and_survives_saving(tmp_path: Path):
    torch.manual_seed(0)
    model = Sashimi(NETWORKS["sashimi"]).eval()
    assert not any(value.is_complex() for value in model.state_dict().values())
    model.save_pretrained(tmp_path / "m")
    again = Sashimi.from_pretrained(tmp_path / "m").eval()
    with torch.no_grad():
        assert torch.equal(model(codes(16)), again(codes(16)))


@pytest.mark.parametrize("variant", ["sc09", "beethoven"])
def test_published_sizes(variant):
    # Embedding and head included.
    assert sum(p.numel() for p in Sashimi(VARIANTS[variant]).parameters()) == 4_751_072


def test_bad_codes_are_refused(model):
    with pytest.raises(ShapeError, match="int64"):
        model(torch.zeros(1, 8))
    with pytest.raises(ShapeError, match="L >= 1"):
        model(torch.zeros(1, 0, dtype=torch.int64))


def test_bidirectional_network_cannot_be_stepped():
    config = SashimiConfig(**{**SMALL, "s4": S4Config(d_state=8, bidirectional=True)})
    with pytest.raises(ConfigError, match="cannot be stepped"):
        Sashimi(config).initial_state(1)


@pytest.mark.parametrize(("trained_for", "length"), [(64, 128), (64, 192), (128, 64), (64, None)])
@torch.no_grad()
def test_trained_weights_start_a_model_of_another_kernel_length(trained_for, length):
    torch.manual_seed(0)
    options = {"channels": 4, "num_layers": 1, "pool": (2,)}
    trained = Sashimi(SashimiConfig(kernel_length=trained_for, **options)).eval()
    model = Sashimi(SashimiConfig(kernel_length=length, **options)).eval()
    model.start_from(trained)
    codes = torch.randint(256, (1, 256), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(codes), trained(codes), rtol=0, atol=1e-4)
