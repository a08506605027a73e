"""What is computed from weights is kept as long as they stay."""

import copy
import pickle

import pytest
import torch

from effects.engine import render
from effects.registry import FAMILIES
from effects.runtimes.derived import Derived

VARIANTS = [(name, variant) for name in ("tcn", "recurrent", "s4") for variant in list(FAMILIES[name].variants)[:1]]


def doubled(weight: torch.Tensor, derived: Derived, calls: list[int]) -> torch.Tensor:
    def compute() -> torch.Tensor:
        calls.append(1)
        return 2 * weight.detach()

    return derived.get([weight], compute)


def test_a_value_is_computed_again_when_its_weights_have_changed() -> None:
    weight, derived, calls = torch.nn.Parameter(torch.ones(3)), Derived(), []
    for _ in range(3):
        assert torch.equal(doubled(weight, derived, calls), torch.full((3,), 2.0))
    assert len(calls) == 1
    with torch.no_grad():
        weight.mul_(5)
    assert torch.equal(doubled(weight, derived, calls), torch.full((3,), 10.0))
    weight.data = torch.zeros(3)
    assert torch.equal(doubled(weight, derived, calls), torch.zeros(3))
    assert len(calls) == 3
    assert torch.equal(derived.latest, torch.zeros(3))


def test_a_copy_of_a_model_computes_its_own() -> None:
    weight, derived, calls = torch.nn.Parameter(torch.ones(3)), Derived(), []
    doubled(weight, derived, calls)
    other = copy.deepcopy((weight, derived))
    with torch.no_grad():
        other[0].zero_()
    assert torch.equal(doubled(*other, calls), torch.zeros(3))
    assert torch.equal(doubled(weight, derived, calls), torch.full((3,), 2.0))


def test_weights_that_count_no_changes_are_read_every_time() -> None:
    with torch.inference_mode():
        weight, derived, calls = torch.ones(3), Derived(), []
        doubled(weight, derived, calls)
        weight.mul_(3)
        assert torch.equal(doubled(weight, derived, calls), torch.full((3,), 6.0))


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_that_has_played_plays_alone(name, variant, copied) -> None:
    model = FAMILIES[name].model_class(FAMILIES[name].variants[variant]).eval()
    audio = 0.1 * torch.randn(1, 3000, generator=torch.Generator().manual_seed(0))
    first = render(model, audio)
    other = copied(model)
    assert torch.equal(render(other, audio), first)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    assert not torch.equal(render(other, audio), first)
    assert torch.equal(render(model, audio), first)
