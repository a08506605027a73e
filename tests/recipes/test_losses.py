"""Losses vanish for equal signals, weigh as told, and refuse what they do not know."""

import math

import pytest
import torch
from torch import Tensor

from recipes.losses import (
    LOSSES,
    AdversarialLoss,
    LossSum,
    MelLoss,
    MultiScaleMelLoss,
    TurboMelLoss,
    feature_matching_loss,
)
from vocoders.core.errors import ConfigError, ShapeError

RATE = 24000

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters")


def noise(seed: int, batch: int = 2, length: int = 4096) -> Tensor:
    return 0.1 * torch.randn(batch, 1, length, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_zero_for_equal_signals_only_and_trains_the_prediction(name: str) -> None:
    loss = LossSum(RATE, {name: 1.0})
    target = noise(0)
    assert loss(target, target.clone())[0].item() == pytest.approx(0.0, abs=1e-6)
    prediction = noise(1).requires_grad_()
    value, terms = loss(prediction, target)
    assert value.dim() == 0
    assert value.item() > 0.1
    value.backward()
    assert torch.isfinite(prediction.grad).all()
    assert prediction.grad.abs().max() > 0
    assert not terms[name].requires_grad


@pytest.mark.parametrize("name", LOSSES)
def test_loss_falls_when_the_prediction_comes_nearer(name: str) -> None:
    loss, target, error = LossSum(RATE, {name: 1.0}), noise(0), noise(1)
    values = [loss(target + scale * error, target)[0].item() for scale in (0.01, 0.1, 1.0)]
    assert values == sorted(values)
    assert values[0] < values[-1] / 2


@pytest.mark.parametrize("cls", [MelLoss, MultiScaleMelLoss])
def test_mel_losses_measure_the_logarithm_of_a_gain(cls: type) -> None:
    # A gain shifts every log-mel value above the floor by its logarithm.
    target = 100 * noise(0)
    options = cls.Options(n_ffts=(512, 1024), n_mels=(20, 40)) if cls is MultiScaleMelLoss else None
    assert cls(RATE, options)(3 * target, target).item() == pytest.approx(math.log(3), rel=1e-3)


def test_power_mel_hears_loud_parts_and_is_blind_to_gain() -> None:
    torch.manual_seed(0)
    loss = LossSum(24000, {"power_mel": {"weight": 1.0, "n_ffts": [512], "n_mels": [40]}})
    loud, soft = torch.randn(1, 1, 4800), 1e-3 * torch.randn(1, 1, 4800)
    target = torch.cat([loud, soft], -1)
    wrong_soft, wrong_loud = torch.cat([loud, 2 * soft], -1), torch.cat([2 * loud, soft], -1)
    assert loss(target, target)[0] == 0
    assert loss(wrong_loud, target)[0] > 3 * loss(wrong_soft, target)[0]
    torch.testing.assert_close(loss(3 * wrong_loud, 3 * target)[0], loss(wrong_loud, target)[0], rtol=1e-3, atol=1e-4)


def test_turbo_mel_measures_decimal_logarithms_summed_over_seven_scales() -> None:
    target = 100 * noise(0)
    assert TurboMelLoss(RATE)(10 * target, target).item() == pytest.approx(7.0, rel=1e-3)


def test_turbo_mel_is_the_multi_scale_loss_with_other_options() -> None:
    prediction, target = noise(1), noise(0)
    options = TurboMelLoss.Options()
    as_options = MultiScaleMelLoss.Options.from_dict(options.to_dict())
    assert MultiScaleMelLoss(RATE, as_options)(prediction, target) == TurboMelLoss(RATE)(prediction, target)
    mean = MultiScaleMelLoss(RATE, as_options.model_copy(update={"reduction": "mean"}))(prediction, target)
    torch.testing.assert_close(7 * mean, TurboMelLoss(RATE)(prediction, target))


def test_centred_scales_have_a_frame_on_the_last_sample() -> None:
    for scale in TurboMelLoss(RATE).scales:
        config = scale.config
        spectrum = torch.stft(
            noise(0)[:, 0], config.n_fft, config.hop_length, window=torch.hann_window(config.n_fft), return_complex=True
        )
        assert scale(noise(0)).shape[-1] == 4096 // config.hop_length + 1
        torch.testing.assert_close(scale.spectrum(noise(0)), spectrum.abs())


def test_weights_add_up() -> None:
    prediction, target = noise(1), noise(0)
    both = LossSum(RATE, {"mel": 45, "multi_resolution_stft": {"weight": 0.5}})
    total, terms = both(prediction, target)
    assert set(terms) == {"mel", "multi_resolution_stft"}
    single = {name: LossSum(RATE, {name: 1.0})(prediction, target)[0] for name in terms}
    for name, value in terms.items():
        torch.testing.assert_close(value, single[name])
    torch.testing.assert_close(total, 45 * single["mel"] + 0.5 * single["multi_resolution_stft"])


def test_options_reach_the_loss() -> None:
    loss = LossSum(RATE, {"mel": {"weight": 1.0, "n_mels": 40, "fmax": 8000.0}})
    assert loss.losses["mel"].log_mel.config.n_mels == 40
    assert loss.losses["mel"].log_mel.config.fmax == 8000.0


def test_no_terms_is_zero() -> None:
    assert LossSum(RATE, {})(noise(0), noise(1))[0].item() == 0.0


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"mell": 1.0}, "'mell'.* 'mel'"),
        ({"mel": {"weight": 1.0, "n_mel": 80}}, "loss 'mel'.* 'n_mel'.* 'n_mels'"),
        ({"mel": {"weight": 1.0, "n_mels": "80"}}, "loss 'mel': key 'n_mels'"),
        ({"mel": {"n_mels": 80}}, "weight.* None"),
        ({"mel": "1.0"}, "needs a numeric weight, found '1.0'"),
        ({"mel": True}, "weight.* True"),
        ({"mel": None}, "weight.* None"),
        ({"mel": {"weight": 1.0, "hop_length": 2048}}, "loss 'mel'.* n_fft"),
        ({"mel": {"weight": 1.0, "fmax": 20000.0}}, "above half the sample rate"),
        ({"multi_scale_mel": {"weight": 1.0, "n_ffts": [64]}}, "1 n_ffts and 6 n_mels"),
        ({"multi_scale_mel": {"weight": 1.0, "n_ffts": [2], "n_mels": [1]}}, "loss 'multi_scale_mel'"),
        ({"multi_resolution_stft": {"weight": 1.0, "n_fft": 64}}, "unknown key 'n_fft'"),
    ],
)
def test_unknown_or_impossible_loss_is_a_config_error(terms: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("?", "\\?")):
        LossSum(RATE, terms)


def scores(*values: float) -> list[Tensor]:
    return [torch.full((2, 3), value) for value in values]


@pytest.mark.parametrize(
    ("kind", "generator", "real", "fake"),
    [
        # hinge: -D(fake); relu(1 - D(real)); relu(1 + D(fake))
        ("hinge", -(0.5 - 2.0), (1 - 0.25) + 0, 1.5 + 0),
        # least squares: (1 - D(fake))^2; (1 - D(real))^2; D(fake)^2
        ("mse", 0.5**2 + 3.0**2, 0.75**2 + 2.0**2, 0.5**2 + 2.0**2),
    ],
)
@pytest.mark.parametrize("average", [False, True])
def test_adversarial_losses_have_their_known_values(
    kind: str, generator: float, real: float, fake: float, average: bool
) -> None:
    loss, count = AdversarialLoss(kind, average), 2 if average else 1
    fakes, reals = scores(0.5, -2.0), scores(0.25, 3.0)
    assert loss.generator(fakes).item() == pytest.approx(generator / count)
    on_real, on_fake = loss.discriminator(reals, fakes)
    assert on_real.item() == pytest.approx(real / count)
    assert on_fake.item() == pytest.approx(fake / count)


def test_discriminator_that_is_right_with_a_margin_has_no_loss() -> None:
    assert sum(AdversarialLoss("hinge").discriminator(scores(1.0, 5.0), scores(-1.0, -5.0))) == 0
    assert sum(AdversarialLoss("mse").discriminator(scores(1.0), scores(0.0))) == 0


def test_unknown_criterion_is_refused() -> None:
    with pytest.raises(ValueError, match="'wasserstein'.* 'hinge' or 'mse'"):
        AdversarialLoss("wasserstein")


def test_feature_matching_sends_no_gradient_to_the_target() -> None:
    fake = [torch.zeros(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True)]
    real = [torch.full((2, 3), 2.0, requires_grad=True), torch.full((4,), -4.0, requires_grad=True)]
    loss = feature_matching_loss(fake, real)
    assert loss.item() == pytest.approx(6.0)
    loss.backward()
    assert all(feature.grad is not None and feature.grad.abs().max() > 0 for feature in fake)
    assert all(feature.grad is None for feature in real)
    assert feature_matching_loss(fake, real, average=True).item() == pytest.approx(3.0)
    assert feature_matching_loss(real, real).item() == 0.0


def test_feature_matching_refuses_lists_of_other_lengths() -> None:
    with pytest.raises(ValueError):
        feature_matching_loss(scores(1.0), scores(1.0, 2.0))


def test_modulation_hears_blurred_pulses_and_not_their_position() -> None:
    time = torch.arange(9600) / RATE
    harmonics = torch.arange(1, 90)[:, None] * 120 * time
    shifted, scattered = (harmonics + phases[:, None] for phases in (0.3 * torch.arange(1, 90), torch.rand(89)))
    pulses, later, blurred = (torch.cos(2 * torch.pi * x).mean(0)[None, None] for x in (harmonics, shifted, scattered))
    loss = LossSum(RATE, {"modulation": 1.0})
    assert loss(later, pulses)[0] < 0.1 * loss(blurred, pulses)[0]
    torch.testing.assert_close(loss(0.1 * blurred, pulses)[0], loss(blurred, pulses)[0], rtol=1e-2, atol=0)
    with pytest.raises(ShapeError, match="1640"):
        loss(pulses[..., :1000], pulses[..., :1000])
