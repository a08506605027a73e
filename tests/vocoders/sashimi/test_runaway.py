"""Items that run away into noise are drawn again, and the others stay as they are."""

import pytest
import torch

from vocoders.sashimi import Sashimi, SashimiConfig
from vocoders.sashimi.runaway import runs_away
from vocoders.sashimi.sampler import CodeSampling, generate

RATE = 16000


@pytest.fixture(scope="module")
def model() -> Sashimi:
    torch.manual_seed(0)
    model = Sashimi(SashimiConfig(channels=8, num_layers=1, kernel_length=64, sample_rate=RATE)).eval()
    with torch.no_grad():
        model.head.weight.mul_(5)
    return model


def _levels(audio: torch.Tensor) -> torch.Tensor:
    return audio[:, 0].square().mean(dim=-1).sqrt()


def test_a_loud_tenth_of_a_second_is_recognised_anywhere():
    audio = 0.1 * torch.randn(4, RATE, generator=torch.Generator().manual_seed(0))
    for item, start in enumerate((0, 5000, RATE - 1600)):
        audio[item, start : start + 1600] *= 8
    assert runs_away(audio, RATE, 0.45).tolist() == [True, True, True, False]
    assert not runs_away(audio, RATE, 0.9).any()
    # A click is short.
    audio[3, 100] = 1
    assert not runs_away(audio, RATE, 0.45)[3]


def test_only_loud_items_are_drawn_again(model):
    plain = generate(model, 200, 8, seed=1)
    levels = _levels(plain.audio)
    limit = float(levels.median()) + 1e-4
    limited = generate(model, 200, 8, seed=1, sampling=CodeSampling(loudest=limit))
    quiet = levels < limit
    assert torch.equal(limited.codes[quiet], plain.codes[quiet])
    assert torch.equal(limited.log_likelihoods[quiet], plain.log_likelihoods[quiet])
    again = ~quiet
    assert not (limited.codes[again] == plain.codes[again]).all(dim=1).any()
    assert (_levels(limited.audio) < limit).sum() > quiet.sum()
    # An item does not depend on the others.
    assert torch.equal(
        generate(model, 200, [6, 2], seed=1, sampling=CodeSampling(loudest=limit)).codes, limited.codes[[6, 2]]
    )


def test_a_limit_that_nothing_reaches_changes_nothing(model):
    plain, limited = (generate(model, 200, 3, seed=2, sampling=CodeSampling(loudest=level)) for level in (None, 2.0))
    assert torch.equal(plain.codes, limited.codes)


def test_a_model_that_is_always_loud_still_ends(model):
    assert generate(model, 100, 2, sampling=CodeSampling(loudest=1e-6)).codes.shape == (2, 100)


def test_a_stream_leaves_out_the_piece_that_ran_away(model):
    def pieces(loudest: float | None) -> list[torch.Tensor]:
        stream = model.stream(seed=3, loudest=loudest)
        return [stream.pull(1600) for _ in range(3)]

    plain = pieces(None)
    limit = float(plain[0].square().mean().sqrt()) + 1e-4
    assert all(torch.equal(a, b) for a, b in zip(plain, pieces(2.0), strict=True))
    assert [piece.shape for piece in pieces(limit)] == [piece.shape for piece in plain]
