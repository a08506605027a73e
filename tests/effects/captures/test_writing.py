"""Written captures: what players demand of the files, and the same sound when they are read back."""

import json
import math

import pytest
import torch
from capture_files import FILES, content_of

from effects import Engine, load
from effects.captures import write_capture
from effects.captures.freezing import freeze
from effects.captures.loudness import measure, standard_input
from effects.knobs import Knob, KnobSet
from effects.models.activations import Activation
from effects.models.linear import Linear, LinearConfig
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.wavenet import VARIANTS, WaveNet
from effects.models.wavenet_config import ArrayConfig, FilmConfig, WaveNetConfig
from vocoders.core.errors import CheckpointError, ConfigError, DataError

KNOBS = KnobSet(knobs=(Knob(name="drive", unit="dB", min=0, max=40, default=10, scale="db"), Knob.switch("bright")))
PLAIN_KEYS = {
    "input_size",
    "condition_size",
    "head_size",
    "channels",
    "kernel_size",
    "dilations",
    "activation",
    "gated",
    "head_bias",
}


def seeded(model):
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.4, 0.4, generator=generator)
    return model.eval()


def recurrent(**options) -> Recurrent:
    return seeded(Recurrent(RecurrentConfig(**{"head": "linear", "residual": True, "sample_rate": 48000} | options)))


@pytest.mark.parametrize(
    ("name", "count", "field"),
    [
        ("standard", 13802, 4093),
        ("lite", 6554, 4093),
        ("feather", 3026, 4093),
        ("nano", 842, 4093),
        ("a2_full", 12146, 6347),
        ("a2_lite", 1871, 6347),
    ],
)
def test_usual_sizes_have_their_published_numbers(name: str, count: int, field: int) -> None:
    with torch.device("meta"):
        model = WaveNet(VARIANTS[name])
    # Files contain the scale of the head besides.
    assert sum(parameter.numel() for parameter in model.parameters()) + 1 == count
    assert model.receptive_field == field


def test_plain_captures_have_the_form_that_every_player_reads(tmp_path) -> None:
    written = write_capture(seeded(WaveNet(VARIANTS["nano"])), tmp_path / "nano.nam", "nam", about={"name": "Nano"})
    content = json.loads(written.path.read_text())
    assert (content["version"], content["architecture"], content["sample_rate"]) == ("0.5.4", "WaveNet", 48000)
    first, second = content["config"]["layers"]
    assert set(first) == set(second) == PLAIN_KEYS
    assert (first["activation"], first["gated"], first["kernel_size"]) == ("Tanh", False, 3)
    assert (second["input_size"], second["channels"]) == (first["channels"], first["head_size"])
    assert content["config"]["head"] is None
    assert content["weights"][-1] == content["config"]["head_scale"] == 0.02
    assert len(content["weights"]) == 842
    assert content["metadata"]["name"] == "Nano"
    assert content["metadata"]["date"].keys() == {"year", "month", "day", "hour", "minute", "second"}
    assert content["metadata"]["loudness"] == written.loudness


def test_two_sizes_make_a_container_of_the_newest_form(tmp_path) -> None:
    small, large = (seeded(WaveNet(VARIANTS[name])) for name in ("a2_lite", "a2_full"))
    path = write_capture(large, tmp_path / "a2.nam", "nam", smaller=small).path
    content = json.loads(path.read_text())
    assert (content["version"], content["architecture"], content["weights"]) == ("0.7.0", "SlimmableContainer", [])
    assert [entry["max_value"] for entry in content["config"]["submodels"]] == [0.5, 1.0]
    for entry, channels in zip(content["config"]["submodels"], (3, 8), strict=True):
        model = entry["model"]
        assert {"version", "metadata", "sample_rate"} <= model.keys()
        (array,) = model["config"]["layers"]
        assert (array["channels"], array["bottleneck"], array["slimmable"]) == (channels, channels, None)
        assert array["head"] == {"out_channels": 1, "kernel_size": 16, "bias": True}
        assert {len(array[key]) for key in ("kernel_sizes", "dilations", "activation", "gating_mode")} == {23}
        assert array["secondary_activation"] == [None] * 23
        assert array["head1x1"] == {"active": False, "out_channels": 1, "groups": 1}
        assert sum(key.endswith("_film") and not value["active"] for key, value in array.items()) == 8
    assert load(path, slim=0).config == small.config
    assert load(path).config == large.config


@pytest.mark.parametrize("name", ["convnet_bn.nam", "linear_ir.nam", "lstm2_44k.nam", "wavenet_head.nam"])
def test_a_capture_is_written_as_it_was_read(name: str, tmp_path) -> None:
    written = write_capture(load(FILES / name), tmp_path / name, "nam")
    before, after = content_of(name), json.loads(written.path.read_text())
    assert written.error <= 1e-5
    assert after["architecture"] == before["architecture"]
    if "name" in before.get("metadata", {}):
        assert after["metadata"]["name"] == before["metadata"]["name"]
    if name != "lstm2_44k.nam":  # its states are those after more silence
        torch.testing.assert_close(torch.tensor(after["weights"]), torch.tensor(before["weights"]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("knobs", [KnobSet(), KNOBS], ids=["without", "with"])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_aidax_files_play_recurrent_models(cell: str, knobs: KnobSet, gain: float, tmp_path) -> None:
    model = recurrent(cell=cell, hidden_size=12, knobs=knobs, residual_gain=gain)
    path = write_capture(model, tmp_path / "amp.json", "aidax").path
    content = json.loads(path.read_text())
    assert content["in_shape"] == [None, None, 1 + len(knobs)]
    assert [layer["type"] for layer in content["layers"]] == [cell, "dense"]
    assert all(layer["activation"] == "" for layer in content["layers"])
    assert (content["in_skip"], content["metadata"]["samplerate"]) == (1, 48000)
    assert ("input_batch" in content) == (len(knobs) == 0)
    stored = load(path, verify=not len(knobs))
    assert stored.knobs.names == knobs.names
    settings = {"drive": 33.0, "bright": "on"} if len(knobs) else {}
    audio = 0.3 * torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    ours, theirs = (Engine(each, settings=settings).process(audio) for each in (model, stored))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_guitarml_files_play_recurrent_models(tmp_path) -> None:
    model = recurrent(hidden_size=40, sample_rate=44100)
    content = json.loads(write_capture(model, tmp_path / "amp.json", "proteus").path.read_text())
    data = content["model_data"]
    expected = {"model": "SimpleRNN", "unit_type": "LSTM", "hidden_size": 40, "input_size": 1, "skip": 1}
    assert expected.items() <= data.items()
    assert len(content["state_dict"]["rec.weight_ih_l0"]) == 160
    assert len(content["state_dict"]["lin.weight"]) == 1


@pytest.mark.parametrize(
    ("model", "format"),
    [
        (lambda: load("comp4c-tcn"), "nam"),
        (lambda: load("comp4c-tcn"), "aidax"),
        (lambda: recurrent(hidden_size=8), "nam"),
        (lambda: recurrent(hidden_size=8, cell="gru", residual=False), "nam"),
        (lambda: recurrent(hidden_size=9), "aidax"),
        (lambda: recurrent(hidden_size=8, num_layers=2), "aidax"),
        (lambda: recurrent(hidden_size=8, head="direct"), "aidax"),
        (lambda: recurrent(hidden_size=8, conditioning="film", knobs=KNOBS), "aidax"),
        (lambda: recurrent(hidden_size=40, knobs=KNOBS), "proteus"),
        (lambda: recurrent(hidden_size=40, cell="gru"), "proteus"),
        (lambda: recurrent(hidden_size=40, residual=False), "proteus"),
        (lambda: seeded(WaveNet(VARIANTS["nano"])), "proteus"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_in_a_line(model, format: str, tmp_path) -> None:
    path = tmp_path / ("amp.nam" if format == "nam" else "amp.json")
    with pytest.raises(ConfigError) as caught:
        write_capture(model(), path, format)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_files_are_not_replaced_or_named_otherwise_by_accident(tmp_path) -> None:
    model = seeded(Linear(LinearConfig(taps=8)))
    path = write_capture(model, tmp_path / "amp.nam", "nam").path
    with pytest.raises(DataError):
        write_capture(model, path, "nam")
    write_capture(model, path, "nam", overwrite=True)
    with pytest.raises(ConfigError):
        write_capture(model, tmp_path / "amp.wav", "nam")


def test_broken_weights_are_not_written(tmp_path) -> None:
    model = seeded(Linear(LinearConfig(taps=8)))
    model.response.data[3] = math.nan
    with pytest.raises(CheckpointError):
        write_capture(model, tmp_path / "amp.nam", "nam")
    assert not list(tmp_path.iterdir())


FROZEN = {
    "wavenet": lambda: WaveNet(
        WaveNetConfig(
            knobs=KNOBS,
            arrays=(
                ArrayConfig(
                    channels=4,
                    dilations=(1, 4),
                    activation=Activation(name="silu"),
                    films=(FilmConfig(place="activation_output"), FilmConfig(place="conv_input", shift=False)),
                ),
            ),
        )
    ),
    "concat": lambda: Recurrent(RecurrentConfig(knobs=KNOBS, hidden_size=6, cell="gru")),
    "film": lambda: Recurrent(RecurrentConfig(knobs=KNOBS, hidden_size=6, conditioning="film", head="gain")),
}


@pytest.mark.parametrize("name", FROZEN)
@torch.no_grad()
def test_frozen_models_sound_as_at_those_knobs(name: str) -> None:
    model = seeded(FROZEN[name]())
    settings = {"drive": 27.0, "bright": "on"}
    frozen = freeze(model, settings)
    assert len(frozen.knobs) == 0
    audio = 0.3 * torch.randn(1, 1, 500, generator=torch.Generator().manual_seed(0))
    knobs = model.knobs.normalize(model.knobs.values(settings))[None].float()
    whole, _ = model(audio, knobs)
    found, _ = frozen(audio, torch.zeros(1, 0))
    torch.testing.assert_close(found[..., 50:], whole[..., 50:], rtol=1e-5, atol=1e-6)
    kept, _ = model(audio, knobs)
    assert torch.equal(kept, whole)


def test_a_knob_model_becomes_a_nam_file_at_its_settings(tmp_path) -> None:
    arrays = (ArrayConfig(channels=4, dilations=(1, 4)),)
    model = seeded(WaveNet(WaveNetConfig(knobs=KNOBS, arrays=arrays)))
    paths = [
        write_capture(model, tmp_path / f"{drive}.nam", "nam", settings={"drive": drive}).path for drive in (0, 40)
    ]
    assert all(json.loads(path.read_text())["version"] == "0.5.4" for path in paths)
    audio = 0.3 * torch.randn(1, 500, generator=torch.Generator().manual_seed(0))
    low, high = (Engine(load(path)).process(audio) for path in paths)
    assert (low - high).abs().max() > 1e-3


def test_loudness_is_that_of_the_standard_input() -> None:
    noise = standard_input(48000)
    assert math.isclose(20 * math.log10(float((noise**2).mean() ** 0.5)), -15, abs_tol=1e-3)
    wire = Linear(LinearConfig(taps=4)).eval()
    found = measure(wire)
    assert math.isclose(found["loudness"], -15, abs_tol=1e-3)
    assert found["gain"] < 1e-6
    wire.response.data.zero_()
    assert measure(wire) == {}
