"""Learning an effect: losses that hear what they should, and models that learn in some tens of steps."""

import math

import numpy as np
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
    if name not in ("dc", "batch_dc"):
        assert loss(1.1 * batch["target"], batch["target"], batch["audio"]) > 5e-4
    assert loss(batch["target"] + 0.2, batch["target"], batch["audio"]) > 5e-4


def test_polarity_is_heard_in_the_waveform_alone():
    batch = _pair()
    weights = {name: EFFECT_LOSSES[name]()(-batch["target"], batch["target"], batch["audio"]) for name in EFFECT_LOSSES}
    assert weights["esr"] == pytest.approx(4, abs=0.01)
    assert weights["spectral"] < 1e-6


def test_unknown_losses_are_refused():
    with pytest.raises(ConfigError, match="'esrr'.*esr"):
        EffectLoss({"esrr": 1.0})
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
    batch = _pair(length=2000 if name == "recurrent" else 6000)
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


def test_the_spectral_distance_of_captures_is_that_of_its_definition():
    prediction, target = torch.rand(2, 2, 1, 5000, generator=torch.Generator().manual_seed(1)) - 0.5
    terms = []
    for n_fft, hop, window in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        x, y = (_magnitudes(audio[:, 0].double().numpy(), n_fft, hop, window) for audio in (prediction, target))
        terms.append(np.linalg.norm(y - x) / np.linalg.norm(y) + np.abs(np.log(x) - np.log(y)).mean())
    loss = EFFECT_LOSSES["stft"]()(prediction, target, target)
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-4)
    emphasised = [audio[..., 1:] - 0.85 * audio[..., :-1] for audio in (prediction, target)]
    expected = EFFECT_LOSSES["stft"]()(*emphasised, target)
    torch.testing.assert_close(EFFECT_LOSSES["emphasised_stft"]()(prediction, target, target), expected)


def _magnitudes(audio, n_fft, hop, window):
    """Return the magnitudes of audio (B, T), (B, frames, bins), by the definition of the transform."""
    padded = np.pad(audio, ((0, 0), (n_fft // 2, n_fft // 2)), "reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, -1)[:, ::hop]
    return np.sqrt(np.maximum(np.square(np.abs(frames @ _fourier(n_fft, window))), 1e-8))


def _fourier(n_fft, window):
    """Return the windowed transform, (n_fft, bins)."""
    place = (n_fft - window) // 2
    padded = np.pad(np.hanning(window + 1)[:-1], (place, n_fft - window - place))
    return padded[:, None] * np.exp(-2j * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft)


def _recurrent():
    torch.manual_seed(0)
    return Recurrent(RecurrentConfig(hidden_size=4, head="linear", residual=True, knobs=PROCESSOR.knobs))


def _step(truncate, losses=None):
    """Return the log of a step without optimiser, and how often the model would have been updated."""
    model, updates = _recurrent(), []

    def update(name, loss):
        loss.backward()
        updates.append([parameter.grad.clone() for parameter in model.parameters()])
        return loss.new_zeros(())

    objective = EffectObjective(EffectOptions(losses=losses or {"mse": 1.0}, truncate=truncate), model)
    log = objective.training_step({"generator": model}, _pair(2, 1900), 0, update)
    return log, updates


def test_truncated_training_updates_after_every_piece_and_hears_the_same():
    whole, one = _step(None)
    truncated, several = _step(300)
    assert (len(one), len(several)) == (1, 3)
    # Without an optimiser the model stays as it is: the mean over equal pieces is that of the whole.
    torch.testing.assert_close(truncated["loss/mse"], whole["loss/mse"])
    assert len(_step(5000)[1]) == 1


def test_truncation_belongs_to_models_that_go_sample_by_sample():
    with pytest.raises(ConfigError, match="truncate"):
        EffectObjective(EffectOptions(losses={"mse": 1.0}, truncate=100), SignalTrain(VARIANTS["default"]))


@pytest.mark.parametrize("piece", [500, 1700])
def test_pieces_of_audio_are_heard_as_the_whole(piece):
    model, batch = _recurrent(), _pair(2, 3000)
    objective = EffectObjective(EffectOptions(losses={"mse": 1.0}), model)
    with torch.inference_mode():
        for one, two in zip(objective.compared(model, batch), objective.compared(model, batch, piece), strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=1e-6)
