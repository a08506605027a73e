"""What captures are once they are open: families, sizes, starts, knobs and levels."""

import math

import numpy as np
import pytest
import torch
from capture_files import FILES, NAMES, content_of, tiny_wavenet, write

from effects import Engine, load
from effects.captures import CaptureInfo, player_levels, write_capture
from effects.captures.outline import describe_capture, find_captures
from effects.levels import Levels
from effects.models.recurrent import Recurrent, RecurrentConfig
from vocoders.core.errors import CheckpointError, ConfigError

EXPECTED = {
    "aidax_gru8_knob.json": ("recurrent", 48000),
    "convnet_bn.nam": ("convnet", 48000),
    "linear_ir.nam": ("linear", 48000),
    "lstm2_44k.nam": ("recurrent", 44100),
    "wavenet_head.nam": ("wavenet", 48000),
}


def play(model, audio: torch.Tensor, size: int = 1 << 20) -> torch.Tensor:
    state, outputs = model.initial_state(1, 1), []
    knobs = model.knobs.normalize(model.knobs.values())[None].float()
    for block in audio.split(size, dim=-1):
        output, state = model.stream(block[None, None], knobs, state)
        outputs.append(output[0, 0])
    return torch.cat(outputs)


def noise(length: int = 3000) -> torch.Tensor:
    return 0.3 * torch.randn(length, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_files_become_models_whose_streams_do_not_depend_on_blocks(name: str) -> None:
    model = load(FILES / name)
    assert (model.family, model.sample_rate) == EXPECTED[name]
    assert not model.training
    outputs = []
    for size in (1, 7, 64, 3000):
        engine = Engine(model)
        outputs.append(torch.cat([engine.process(block[None]) for block in noise().split(size)], dim=-1))
    assert all(torch.equal(outputs[0], output) for output in outputs[1:])
    assert outputs[0].abs().max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_lists_say_what_loading_finds(name: str) -> None:
    model, listed = load(FILES / name), describe_capture(FILES / name)
    assert (listed.family, listed.sample_rate, listed.name) == (model.family, model.sample_rate, name)
    assert FILES / name in find_captures(FILES)


@pytest.mark.parametrize("name", ["convnet_bn.nam", "wavenet_head.nam"])
@torch.no_grad()
def test_streams_start_as_after_silence_without_end(name: str) -> None:
    model = load(FILES / name)
    cold = {key: torch.zeros_like(past) for key, past in model.initial_state(1, 1).items()}
    silence = torch.zeros(1, 1, model.receptive_field + 50)
    settled, _ = model(silence, torch.zeros(1, 0), cold)
    started, _ = model(silence, torch.zeros(1, 0))
    assert (settled[..., :10] - started[..., :10]).abs().max() > 1e-4
    torch.testing.assert_close(started, settled[..., -1:].expand_as(started), rtol=0, atol=1e-6)


def test_an_lstm_starts_after_half_a_second_of_silence() -> None:
    model = load(FILES / "lstm2_44k.nam")
    output = play(model, torch.zeros(200))
    assert (output - output[0]).abs().max() < 1e-4
    assert model.initial_state(1, 1)["hidden"].abs().max() > 1e-3


def test_the_last_weight_is_the_scale_of_the_head(tmp_path) -> None:
    once, twice = (load(write(tmp_path, tiny_wavenet(scale=scale))) for scale in (0.5, 1.0))
    torch.testing.assert_close(2 * play(once, noise()), play(twice, noise()), rtol=1e-5, atol=1e-6)


def test_files_without_a_sample_rate_play_at_48_khz(tmp_path) -> None:
    assert load(write(tmp_path, tiny_wavenet(sample_rate=None))).sample_rate == 48000


@pytest.mark.parametrize(
    ("version", "opens"), [("0.4.9", False), ("0.5.0", True), ("0.7.9", True), ("0.8.0", False), ("1.5", False)]
)
def test_versions_that_are_known_open(tmp_path, version: str, opens: bool) -> None:
    path = write(tmp_path, tiny_wavenet(version=version))
    if opens:
        load(path)
    else:
        with pytest.raises(CheckpointError):
            load(path)


@pytest.mark.parametrize(("slim", "channels"), [(None, 3), (0.0, 2), (0.49, 2), (0.5, 3), (1.0, 3)])
def test_a_container_plays_the_first_size_above_the_wanted_one(tmp_path, slim: float | None, channels: int) -> None:
    sizes = [{"max_value": limit, "model": tiny_wavenet(width)} for limit, width in ((0.5, 2), (1.0, 3))]
    content = tiny_wavenet(architecture="SlimmableContainer", config={"submodels": sizes}, weights=[])
    model = load(write(tmp_path, content), slim=slim)
    assert model.config.arrays[0].channels == channels
    assert model.capture.sizes == (0.5, 1.0)


def test_a_slimmed_network_has_the_first_channels(tmp_path) -> None:
    content = tiny_wavenet(3)
    content["config"]["layers"][0]["slimmable"] = {
        "method": "slice_channels_uniform",
        "kwargs": {"allowed_channels": [1, 3]},
    }
    path = write(tmp_path, content)
    whole, part = load(path), load(path, slim=0.3)
    assert (whole.config.arrays[0].channels, part.config.arrays[0].channels) == (3, 1)
    for name, weight in part.network.state_dict().items():
        first = whole.network.state_dict()[name][tuple(slice(size) for size in weight.shape)]
        assert torch.equal(weight, first)


def test_sizes_are_for_files_that_have_some(tmp_path) -> None:
    for source, slim in ((FILES / "convnet_bn.nam", 0.5), (write(tmp_path, tiny_wavenet()), 2), ("comp4c-tcn", 0)):
        with pytest.raises(ConfigError):
            load(source, slim=slim)


def test_knobs_of_json_files_are_knobs(tmp_path) -> None:
    model = load(FILES / "aidax_gru8_knob.json")
    assert model.knobs.names == ("param1",)
    low, high = (Engine(model, settings={"param1": value}).process(noise()[None]) for value in (0, 1))
    assert (low - high).abs().max() > 1e-3


def test_rates_as_texts_and_test_vectors(tmp_path) -> None:
    model = Recurrent(
        RecurrentConfig(hidden_size=8, cell="gru", head="linear", residual=True, sample_rate=48000)
    ).eval()
    path = write_capture(model, tmp_path / "gru.json", "aidax").path
    load(path, verify=True)
    content = content_of(FILES / "aidax_gru8_knob.json") | {"metadata": {"samplerate": "44100"}}
    assert load(write(tmp_path, content, "other.aidax")).sample_rate == 44100
    stored = content_of(path)
    stored["layers"][1]["weights"][1][0] += 0.1
    with pytest.raises(CheckpointError):
        load(write(tmp_path, stored, "gru.json"), verify=True)


def test_players_levels_are_gains_that_are_off_by_default() -> None:
    info = CaptureInfo("nam", "WaveNet", loudness=-21.0, input_level_dbu=18.0, output_level_dbu=12.5)
    assert player_levels(info) == Levels(0.0, 0.0)
    assert player_levels(info, normalize=True) == Levels(0.0, 3.0)
    assert player_levels(info, calibrate=12.0) == Levels(-6.0, 0.5)
    assert player_levels(info, normalize=True, calibrate=12.0) == Levels(-6.0, 3.0)
    assert player_levels(CaptureInfo("nam", "WaveNet"), normalize=True, calibrate=12.0) == Levels(0.0, 0.0)


def test_levels_act_around_the_model() -> None:
    model = load(FILES / "linear_ir.nam")
    model.offset.data.zero_()
    plain = Engine(model).process(noise()[None])
    louder = Engine(model, levels=Levels(6.0, -2.0)).process(noise()[None])
    torch.testing.assert_close(louder, plain * 10 ** (4 / 20), rtol=1e-5, atol=1e-6)


def test_metadata_that_make_no_sense_are_left_out(tmp_path) -> None:
    text = (
        '{"loudness": -Infinity, "gain": NaN, "name": "a\\u001b[31m b", "input_level_dbu": "12", "date": {"year": 0}}'
    )
    content = tiny_wavenet(metadata=0)
    path = write(
        tmp_path,
        '{"metadata": '
        + text
        + ", "
        + write(tmp_path, content, "x.nam").read_text()[1:].replace('"metadata": 0', '"notes": 0'),
    )
    told = load(path).capture
    assert (told.loudness, told.gain, told.input_level_dbu, told.date) == (None, None, None, None)
    assert told.name == "a[31m b"


def test_linear_weights_are_the_response_to_an_impulse() -> None:
    model, content = load(FILES / "linear_ir.nam"), content_of("linear_ir.nam")
    impulse = torch.zeros(700)
    impulse[5] = 1
    expected = np.zeros(700)
    expected[5:605] = content["weights"][:600]
    assert np.abs(play(model, impulse).numpy() - content["weights"][600] - expected).max() < 1e-6
    assert math.isclose(float(play(model, torch.zeros(3))[0]), content["weights"][600], rel_tol=1e-6)
