"""Reference checkpoints become effects, or say what is wrong with them."""

import re

import numpy as np
import pytest
import torch
from effect_cases import KNOBS

from effects.models.official import KEY_MAPS
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.signaltrain import VARIANTS, SignalTrain
from effects.models.tcn import TCN, TCNConfig
from effects.registry import FAMILIES, load
from vocoders.core.errors import CheckpointError, ConfigError

_LAYERS = {f"encoder.{i}": f"fnn_enc{i + 1 if i else ''}" for i in range(4)}
_LAYERS |= {f"decoder.{i}": f"fnn_dec{4 - i if i < 3 else ''}" for i in range(4)} | {"join_knobs": "fnn_addknobs"}


def signaltrain_name(key: str) -> str:
    key = re.sub(r"^(analysis|synthesis)_(\w+)\.", r"dft_\1.conv_\1_\2.", key)
    key = key.replace("magnitude_network", "aenc").replace("phase_network", "phs_aenc")
    for ours, theirs in _LAYERS.items():
        key = key.replace(f".{ours}.", f".{theirs}.")
    return f"mpaec.{key}"


def tcn_name(key: str) -> str:
    pairs = [("condition.layers", "gen"), (".conv.", ".conv1."), (".norm.", ".bn."), (".activation.", ".relu.")]
    for ours, theirs in [*pairs, (".residual.", ".res."), ("projection.", "output.")]:
        key = key.replace(ours, theirs)
    return key


@pytest.fixture(scope="module")
def small_signaltrain() -> SignalTrain:
    torch.manual_seed(0)
    return SignalTrain(VARIANTS["old_quarter"].model_copy(update={"knobs": KNOBS}))


def signaltrain_checkpoint(model: SignalTrain, **changes) -> dict:
    """A checkpoint as the reference writes it, with an array and an optimiser in it."""
    content = {
        "epoch": 3,
        "state_dict": {signaltrain_name(key): value for key, value in model.state_dict().items()},
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "effect_name": "Two knobs",
        "knob_names": ["Gain_dB", "holdTime_s"],
        "knob_ranges": np.array([[-30.0, 0.0], [0.001, 0.5]]),
        "scale_factor": 0.25,
        "shrink_factor": 4,
        "in_chunk_size": 2048,
        "out_chunk_size": 512,
        "sr": 22050,
    }
    return {key: value for key, value in (content | changes).items() if value is not None}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_signaltrain_checkpoint_says_all_about_itself(small_signaltrain, tmp_path, zipped: bool) -> None:
    path = tmp_path / "modelcheckpoint.tar"
    torch.save(signaltrain_checkpoint(small_signaltrain), path, _use_new_zipfile_serialization=zipped)
    model = FAMILIES["signaltrain"].convert(path)
    own = small_signaltrain.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in model.state_dict().items())
    assert (model.sample_rate, model.block_length) == (22050, 512)
    assert model.knobs.norm == (-0.5, 0.5)
    gain, hold = model.knobs.knobs
    assert (gain.name, gain.unit, gain.scale, gain.min, gain.max) == ("gain", "dB", "db", -30, 0)
    assert (hold.name, hold.unit, hold.scale, hold.min, hold.max) == ("hold", "s", "linear", 0.001, 0.5)
    model.save_pretrained(tmp_path / "model")
    assert load(tmp_path / "model", verify=True).config == model.config


def test_old_signaltrain_checkpoints_are_of_comp_4c(tmp_path) -> None:
    torch.manual_seed(0)
    knobs = KNOBS.model_copy(
        update={"knobs": (*KNOBS.knobs, *(k.model_copy(update={"name": f"x{k.name}"}) for k in KNOBS.knobs))}
    )
    model = SignalTrain(VARIANTS["default"].model_copy(update={"knobs": knobs}))
    torch.save(
        {f"module.{signaltrain_name(key)}": value for key, value in model.state_dict().items()}, tmp_path / "a.tar"
    )
    converted = FAMILIES["signaltrain"].convert(tmp_path / "a.tar")
    assert converted.knobs.names == ("threshold", "ratio", "attack", "release")
    assert [(knob.min, knob.max, knob.unit) for knob in converted.knobs.knobs[::2]] == [
        (-30, 0, "dB"),
        (0.001, 0.04, "s"),
    ]
    assert (converted.sample_rate, converted.block_length) == (44100, 2048)


@pytest.mark.parametrize(
    ("changes", "options", "match"),
    [
        ({"in_chunk_size": None}, {}, " 8192 samples.* 25 .*--variant"),
        ({"knob_names": ["a"]}, {}, "1 .* 2 .* 2 knobs"),
        ({}, {"variant": "huge"}, "SignalTrain.* 'huge'.* quarter"),
        ({}, {"variant": "default"}, "window of 8192"),
        ({}, {"stats": "stats.npz"}, "no feature statistics"),
        ({"state_dict": {"a": torch.zeros(1)}}, {}, "no weights of signaltrain"),
        ({"state_dict": [1]}, {}, "no weights"),
    ],
)
def test_signaltrain_checkpoints_that_do_not_fit(small_signaltrain, tmp_path, changes, options, match) -> None:
    torch.save(signaltrain_checkpoint(small_signaltrain, **changes), tmp_path / "a.tar")
    with pytest.raises((CheckpointError, ConfigError), match=match):
        FAMILIES["signaltrain"].convert(tmp_path / "a.tar", **options)


@pytest.fixture
def tcn_checkpoint(tmp_path):
    torch.manual_seed(0)
    config = TCNConfig(
        knobs=KNOBS,
        num_blocks=2,
        kernel_size=3,
        channels=8,
        condition_channels=(16, 32, 32),
        norm="batch",
        crop="official",
    )
    state = {tcn_name(key): value for key, value in TCN(config).state_dict().items()}
    options = {"nparams": 2, "nblocks": 2, "kernel_size": 3, "dilation_growth": 10, "channel_width": 8, "lr": 1e-3}
    path = tmp_path / "tcn.ckpt"
    torch.save({"state_dict": state, "hyper_parameters": options | {"causal": True}, "epoch": 1}, path)
    return path, state, options


def test_a_micro_tcn_loads_with_its_residual_offset(tcn_checkpoint, tmp_path) -> None:
    path, state, options = tcn_checkpoint
    model = FAMILIES["tcn"].convert(path)
    assert (model.config.crop, model.config.norm, model.latency) == ("official", "batch", 1)
    assert model.knobs.names == ("mode", "peak_reduction")
    assert model.knobs.normalize(model.knobs.values({"mode": "limit", "peak_reduction": 65})).tolist() == [1, 0.65]
    mapped = KEY_MAPS["tcn"].apply(state)
    assert all(torch.equal(value, mapped[key]) for key, value in model.state_dict().items())
    torch.save(state, tmp_path / "bare.pt")
    (tmp_path / "tcn.yaml").write_text("".join(f"{key}: {value}\n" for key, value in options.items()))
    bare = FAMILIES["tcn"].convert(tmp_path / "bare.pt", config=tmp_path / "tcn.yaml")
    assert bare.config == model.config
    with pytest.raises(ConfigError, match="--variant .*tcn_300_causal"):
        FAMILIES["tcn"].convert(tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match="missing.*blocks.2.*--variant"):
        FAMILIES["tcn"].convert(tmp_path / "bare.pt", variant="tcn_300_causal")


def test_a_micro_tcn_lstm_says_its_own_size(tmp_path) -> None:
    torch.manual_seed(0)
    model = Recurrent(RecurrentConfig(knobs=KNOBS, hidden_size=6))
    renamed = {
        key.replace("cells", "lstm").replace("projection", "linear"): value for key, value in model.state_dict().items()
    }
    torch.save({"state_dict": renamed}, tmp_path / "lstm.ckpt")
    converted = FAMILIES["recurrent"].convert(tmp_path / "lstm.ckpt")
    assert (converted.config.hidden_size, converted.config.cell, converted.latency) == (6, "lstm", 0)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in converted.state_dict().items())
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "lstm.ckpt")
    with pytest.raises(CheckpointError, match=r"no lstm\.weight_ih_l0"):
        FAMILIES["recurrent"].convert(tmp_path / "lstm.ckpt")


def test_the_registry_knows_effects_alone(tmp_path) -> None:
    for family in FAMILIES.values():
        assert family.model_class.family == family.name
        assert all(isinstance(config, family.model_class.config_class) for config in family.variants.values())
    with pytest.raises(CheckpointError, match="'wavehax'.* signaltrain, tcn"):
        load("wavehax-24k")
    with pytest.raises(CheckpointError, match="no model"):
        load("no-such-effect")
