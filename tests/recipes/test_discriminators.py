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
    MultiSTFTDiscriminator,
    MultiSTFTOptions,
    PeriodOptions,
    ResolutionOptions,
    SubBandCQTDiscriminator,
    SubBandCQTOptions,
)
from vocoders.core.errors import ConfigError

SMALL_PERIOD = PeriodOptions(channels=2, max_channels=4)
SMALL_RESOLUTION = ResolutionOptions(channels=2)
SMALL_STFT = MultiSTFTOptions(channels=2)
SMALL_CQT = SubBandCQTOptions(channels=2)

# Weights and biases of the layers as published; weight normalisation adds a gain for each output channel.
STFT_LAYERS = [(2, 32, 27, 1), *[(32, 32, 27, 1)] * 3, (32, 32, 9, 1), (32, 1, 9, 1)]
CQT_LAYERS = [*[(2, 2, 27, 0)] * 9, (2, 128, 27, 0), *[(128, 128, 27, 1)] * 3, (128, 128, 9, 1), (128, 1, 9, 1)]


def count(layers: list[tuple[int, int, int, int]]) -> int:
    return sum(out * (inputs * kernel + 1 + gain) for inputs, out, kernel, gain in layers)


def noise(length: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (MultiPeriodDiscriminator, 41_105_770),
        (MultiResolutionDiscriminator, 284_166),
        (MultiSTFTDiscriminator, 5 * count(STFT_LAYERS)),
        (SubBandCQTDiscriminator, 3 * count(CQT_LAYERS)),
    ],
)
def test_published_parameter_counts(cls: type, expected: int) -> None:
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


def test_the_score_may_count_as_a_sixth_feature() -> None:
    options = SMALL_PERIOD.model_copy(update={"score_is_feature": True})
    scores, features = MultiPeriodDiscriminator(options)(noise(4000))
    assert len(features) == 30
    for score, feature in zip(scores, features[5::6], strict=True):
        assert torch.equal(feature.flatten(1), score)


def test_stft_discriminator_gives_a_score_per_scale_and_six_features_each() -> None:
    scores, features = MultiSTFTDiscriminator(SMALL_STFT)(noise(4096))
    assert len(scores) == 5
    assert len(features) == 30
    for score, last, (n_fft, hop_length) in zip(scores, features[5::6], SMALL_STFT.scales, strict=True):
        assert torch.equal(score, last.flatten(1))
        assert last.shape == (2, 1, (4096 - n_fft) // hop_length + 1, n_fft // 16 + 1)


def test_cqt_discriminator_gives_a_score_per_transform_and_five_features_each() -> None:
    scores, features = SubBandCQTDiscriminator(SMALL_CQT)(noise(4096))
    assert len(scores) == 3
    assert len(features) == 15
    # Frames of the signal at twice the rate; the frequency axis of nine octaves is halved three times.
    assert [score.shape for score in scores] == [(2, 1, 17, 27), (2, 1, 33, 41), (2, 1, 33, 54)]
    assert [feature.shape[-1] for feature in features[:5]] == [216, 108, 54, 27, 27]


@pytest.mark.parametrize("octave", [0, 4, 8])
def test_first_layer_of_the_cqt_discriminator_keeps_octaves_apart(octave: int) -> None:
    single = SubBandCQTDiscriminator(SMALL_CQT).discriminators[0]
    seen = []
    single.stack.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    slices = noise(9 * 10 * 2 * 24).view(2, 9, 10, 2, 24).requires_grad_()
    single(slices)
    assert seen[0].shape == (2, 2, 10, 9 * 24)
    seen[0][..., 24 * octave : 24 * (octave + 1)].square().sum().backward()
    reached = slices.grad.abs().amax(dim=(0, 2, 3, 4)) > 0
    assert reached.tolist() == [index == octave for index in range(9)]


def test_cqt_discriminator_keeps_its_transform_in_single_precision() -> None:
    discriminator = SubBandCQTDiscriminator(SMALL_CQT)
    transform = discriminator.discriminators[0].transform
    seen = []
    discriminator.discriminators[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    audio = noise(4096).bfloat16()
    discriminator(audio.float())
    with torch.autocast("cpu", torch.bfloat16):
        scores, _ = discriminator(audio)
    assert transform.basis.dtype == torch.float32
    assert torch.equal(seen[0], seen[1])
    assert all(torch.isfinite(score).all() for score in scores)


def test_transforms_are_no_part_of_the_state() -> None:
    for discriminator in (SubBandCQTDiscriminator(SMALL_CQT), MultiSTFTDiscriminator(SMALL_STFT)):
        assert discriminator.state_dict().keys() == dict(discriminator.named_parameters()).keys()


def test_union_hands_the_sample_rate_to_those_who_need_it() -> None:
    terms = {"mpd": {"channels": 2, "max_channels": 4}, "ms_sb_cqt": {"channels": 2}}
    union = DiscriminatorUnion(terms, sample_rate=22050)
    assert union["ms_sb_cqt"].discriminators[0].transform.config.sample_rate == 44100
    terms["ms_sb_cqt"]["sample_rate"] = 24000
    union = DiscriminatorUnion(terms, sample_rate=22050)
    assert union["ms_sb_cqt"].discriminators[0].transform.config.sample_rate == 48000


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
    for discriminator in (
        MultiPeriodDiscriminator(SMALL_PERIOD),
        MultiResolutionDiscriminator(SMALL_RESOLUTION),
        MultiSTFTDiscriminator(SMALL_STFT),
        SubBandCQTDiscriminator(SMALL_CQT),
    ):
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
        ({"mdp": {}}, "'mdp'.* '"),
        ({"mpd": {"period": [2]}}, "'mpd'.* 'period'.* 'periods'"),
        ({"mrd": {"channels": 0}}, "discriminator 'mrd': key 'channels'"),
        ({"mpd": 3}, "discriminator 'mpd': expected a mapping"),
        ({"ms_sb_cqt": {"hop_lengths": [512, 256]}}, "'ms_sb_cqt'.* 2 hop_lengths.* 3 bins_per_octave"),
        ({"ms_sb_cqt": {"sample_rate": 16000}}, "'ms_sb_cqt': .* 16266 Hz.* num_octaves"),
        ({}, "no discriminator given"),
    ],
)
def test_unknown_discriminator_or_option_is_a_config_error(terms: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DiscriminatorUnion(terms)
