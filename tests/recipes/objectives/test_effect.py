"""Learning an effect: losses that hear what they should, and models that learn in some tens of steps."""

import math

import pytest
import torch

from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.s4 import S4Effect, S4EffectConfig
from effects.models.signaltrain import VARIANTS, SignalTrain
from effects.models.tcn import TCN, TCNConfig
from effects.models.wavenet import WaveNet, WaveNetConfig
from effects.models.wavenet_config import two_arrays
from effects.processors import find_processor
from recipes.losses.effect import EFFECT_LOSSES, EffectLoss, LogCosh, OutputSpectrum
from recipes.objectives.effect import EffectObjective, EffectOptions
from vocoders.core.errors import ConfigError

PROCESSOR = find_processor("comp_4c")


def _pair(batch=4, length=6000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    audio = torch.rand(batch, 1, length, generator=generator) * 2 - 1
    audio = audio * torch.linspace(0, 9, length).sin().abs()
    knobs = torch.rand(batch, 4, generator=generator).double() * 2 - 1
    values = PROCESSOR.knobs.denormalize(knobs)
    settings = {name: values[:, index] for index, name in enumerate(PROCESSOR.knobs.names)}
    target, _ = PROCESSOR.process(audio, settings, 44100)
    return {"audio": audio, "target": target, "knobs": knobs.float(), "pre_roll": 1000}


@pytest.mark.parametrize("name", EFFECT_LOSSES)
def test_equal_audio_has_no_loss_and_louder_audio_has(name):
    batch = _pair()
    loss = EFFECT_LOSSES[name]()
    assert loss(batch["target"], batch["target"], batch["audio"]) < 1e-6
    if name != "dc":
        assert loss(1.1 * batch["target"], batch["target"], batch["audio"]) > 5e-4
    assert loss(batch["target"] + 0.2, batch["target"], batch["audio"]) > 1e-3


def test_polarity_is_heard_in_the_waveform_alone():
    batch = _pair()
    weights = {name: EFFECT_LOSSES[name]()(-batch["target"], batch["target"], batch["audio"]) for name in EFFECT_LOSSES}
    assert weights["esr"] == pytest.approx(4, abs=0.01)
    assert weights["spectral"] < 1e-6


def test_unknown_losses_are_refused():
    with pytest.raises(ConfigError, match="'mse'.* esr"):
        EffectLoss({"mse": 1.0})
    with pytest.raises(ConfigError, match="no loss"):
        EffectLoss({})


MODELS = {
    "graybox": lambda knobs: GrayBox(GrayBoxConfig(knobs=knobs)),
    "tcn": lambda knobs: TCN(TCNConfig(knobs=knobs, channels=8, num_blocks=3, kernel_size=5, head="gain")),
    "wavenet": lambda knobs: WaveNet(WaveNetConfig(knobs=knobs, arrays=two_arrays(8, ((1, 2, 4), (1, 2, 4))))),
    "s4": lambda knobs: S4Effect(S4EffectConfig(knobs=knobs, channels=8, num_blocks=2)),
    "recurrent": lambda knobs: Recurrent(RecurrentConfig(knobs=knobs, hidden_size=8, cell="gru", head="gain")),
}


@pytest.mark.parametrize("name", MODELS)
def test_some_tens_of_steps_lower_the_loss(name):
    torch.manual_seed(0)
    batch = _pair(length=3000 if name == "recurrent" else 6000)
    model = MODELS[name](PROCESSOR.knobs)
    objective = EffectObjective(EffectOptions(losses={"esr": 1.0, "l1": 0.5}), model)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)

    def update(part, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return 0.0

    parts = {"generator": model}
    losses = [float(objective.training_step(parts, batch, step, update)["loss/total"]) for step in range(40)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_pre_roll_and_the_latency_do_not_count():
    batch = _pair()
    model = TCN(TCNConfig(knobs=PROCESSOR.knobs, channels=4, num_blocks=2, kernel_size=3, causal=False))
    assert model.latency > 0
    objective = EffectObjective(EffectOptions(), model)

    class Late(torch.nn.Module):
        def forward(self, audio, knobs):
            late = torch.nn.functional.pad(batch["target"], (model.latency, 0))[..., : audio.shape[-1]]
            late[..., : batch["pre_roll"]] = 9.0
            return late, {}

    total, count = objective.validation_loss(Late(), batch)
    assert total / count < 1e-9


def test_log_cosh_is_half_the_square_of_small_errors_and_the_size_of_large_ones():
    zero = torch.zeros(1, 1, 100, dtype=torch.float64)
    loss = LogCosh()
    assert loss(zero + 0.01, zero, zero) == pytest.approx(0.5e-4, rel=1e-4)
    assert loss(zero - 50, zero, zero) == pytest.approx(50 - math.log(2))
    assert loss(zero + 0.3, zero, zero) == pytest.approx(math.log(math.cosh(0.3)))


def test_the_output_spectrum_weighs_high_bins_more():
    loss, flat = OutputSpectrum(), OutputSpectrum(growth=0)
    bins = torch.eye(513, dtype=torch.float64)
    weights = [513 * float(loss(row[None])) for row in bins[[0, 256, 512]]]
    assert weights == pytest.approx([1, math.exp(7 * 256 / 513), math.exp(7 * 512 / 513)])
    assert 1070 < weights[-1] < 1090
    assert float(flat(bins)) == pytest.approx(1 / 513)


PUBLISHED = {"log_cosh": 1.0, "output_spectrum": 1e-3}


def _signaltrain():
    torch.manual_seed(0)
    return SignalTrain(VARIANTS["old_quarter"].model_copy(update={"knobs": PROCESSOR.knobs}))


def test_the_output_spectrum_is_that_of_the_compared_blocks():
    model, batch = _signaltrain(), _pair(batch=2, length=2048) | {"pre_roll": 1536}
    objective = EffectObjective(EffectOptions(losses=PUBLISHED), model)

    def update(part, loss):
        loss.backward()
        return 0.0

    log = objective.training_step({"generator": model}, batch, 0, update)
    window = model.process_windows(batch["audio"][:, 0], batch["knobs"])
    torch.testing.assert_close(log["loss/output_spectrum"], OutputSpectrum()(window.output_magnitude).detach())
    expected = log["loss/log_cosh"] + 1e-3 * log["loss/output_spectrum"]
    torch.testing.assert_close(log["loss/total"], expected)
    assert model.magnitude_network.join_knobs.weight.grad.abs().max() > 0
    # Nothing goes on listening, and listening changes no weight's name.
    assert not model.output_magnitude._forward_hooks
    assert not any("output_magnitude" in name for name in model.state_dict())


def test_a_model_without_a_spectrum_is_refused():
    model = TCN(TCNConfig(knobs=PROCESSOR.knobs, channels=4, num_blocks=2, kernel_size=3))
    with pytest.raises(ConfigError, match="'output_spectrum'.* TCN"):
        EffectObjective(EffectOptions(losses=PUBLISHED), model)
