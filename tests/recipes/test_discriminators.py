"""Discriminators have the published sizes and give as many scores and features as documented."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recipes.discriminators import (
    DiscriminatorUnion,
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    PeriodOptions,
    ResolutionOptions,
)
from vocoders.core.errors import ConfigError

SMALL_PERIOD = PeriodOptions(channels=2, max_channels=4)
SMALL_RESOLUTION = ResolutionOptions(channels=2)


def noise(length: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize(
    ("cls", "expected"), [(MultiPeriodDiscriminator, 41_105_770), (MultiResolutionDiscriminator, 284_166)]
)
def test_published_parameter_counts(cls: type, expected: int) -> None:
    with torch.device("meta"):
        discriminator = cls()
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == expected


def test_period_discriminator_gives_a_score_per_period_and_five_features_each() -> None:
    scores, features = MultiPeriodDiscriminator(SMALL_PERIOD)(noise(4000))
    assert len(scores) == 5
    assert len(features) == 25
    assert all(score.dim() == 2 and score.shape[0] == 2 for score in scores)
    assert [feature.shape[-1] for feature in features[::5]] == [2, 3, 5, 7, 11]
    assert [feature.shape[1] for feature in features[:5]] == [2, 4, 4, 4, 4]


def test_resolution_discriminator_gives_a_score_per_resolution_and_six_features_each() -> None:
    scores, features = MultiResolutionDiscriminator(SMALL_RESOLUTION)(noise(4096))
    assert len(scores) == 3
    assert len(features) == 18
    assert all(score.shape[:2] == (2, 1) for score in scores)


@given(st.integers(11, 400))
def test_any_length_works_and_the_padding_is_a_reflection(length: int) -> None:
    discriminator = MultiPeriodDiscriminator(SMALL_PERIOD)
    audio = noise(length, batch=1)
    scores, _ = discriminator(audio)
    for single, score, period in zip(discriminator.discriminators, scores, (2, 3, 5, 7, 11), strict=True):
        assert torch.isfinite(score).all()
        missing = -length % period
        reflected = torch.cat([audio, audio[..., length - 1 - missing : length - 1].flip(-1)], dim=-1)
        torch.testing.assert_close(single(reflected)[0], score)


@pytest.mark.parametrize("period_index", range(5))
def test_period_discriminator_never_mixes_samples_of_different_phase(period_index: int) -> None:
    discriminator = MultiPeriodDiscriminator(SMALL_PERIOD).discriminators[period_index]
    period = discriminator.period
    audio = noise(40 * period, batch=1).requires_grad_()
    _, features = discriminator(audio)
    features[-1][..., 0].square().sum().backward()
    touched = audio.grad[0, 0].unflatten(0, (-1, period)).abs().sum(0)
    assert touched[0] > 0
    assert touched[1:].max() == 0


def test_items_of_a_batch_do_not_mix() -> None:
    for discriminator in (MultiPeriodDiscriminator(SMALL_PERIOD), MultiResolutionDiscriminator(SMALL_RESOLUTION)):
        audio = noise(4096)
        for together, alone in zip(discriminator(audio)[0], discriminator(audio[1:])[0], strict=True):
            torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


def test_union_gives_everything_in_the_order_written() -> None:
    terms = {"mrd": {"channels": 2}, "mpd": {"channels": 2, "max_channels": 4, "periods": [2, 3]}}
    union = DiscriminatorUnion(terms)
    audio = noise(4096)
    scores, features = union(audio)
    assert list(union) == ["mrd", "mpd"]
    assert [score.dim() for score in scores] == [4, 4, 4, 2, 2]
    assert len(features) == 3 * 6 + 2 * 5
    for score, expected in zip(scores, union["mrd"](audio)[0] + union["mpd"](audio)[0], strict=True):
        assert torch.equal(score, expected)


@pytest.mark.parametrize("options", [{}, None])
def test_empty_options_are_the_published_ones(options: dict | None) -> None:
    with torch.device("meta"):
        union = DiscriminatorUnion({"mrd": options})
    assert sum(parameter.numel() for parameter in union.parameters()) == 284_166


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"mdp": {}}, "unknown discriminator 'mdp'; known ones: mpd, mrd"),
        ({"mpd": {"period": [2]}}, "discriminator 'mpd': unknown key 'period'; did you mean 'periods'"),
        ({"mrd": {"channels": 0}}, "discriminator 'mrd': key 'channels'"),
        ({"mpd": 3}, "discriminator 'mpd': expected a mapping"),
        ({}, "no discriminator given"),
    ],
)
def test_unknown_discriminator_or_option_is_a_config_error(terms: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DiscriminatorUnion(terms)
