"""What single families of effects promise beyond the common interface."""

import pytest
import torch
from effect_cases import CONFIGS, KNOBS, make_audio, make_knobs, make_model

from effects.models.head import Head, detector_signal
from effects.models.recurrent import VARIANTS as RECURRENT
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.signaltrain import VARIANTS as SIGNALTRAIN
from effects.models.signaltrain import SignalTrain, SignalTrainConfig
from effects.models.tcn import TCN, TCNConfig
from effects.models.tcn import VARIANTS as TCNS
from effects.processors import find_processor
from vocoders.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "field", "parameters", "latency"),
    [
        ("tcn_100_causal", 4445, 25905, 1),
        ("tcn_300_causal", 13333, 50737, 1),
        ("tcn_300_noncausal", 13333, 50737, 6666),
        ("tcn_1000_causal", 44445, 33201, 1),
        ("tcn_324_noncausal", 14323, 162161, 7161),
        ("tcn_324_16_noncausal", 14323, 47345, 7161),
        ("tcn_3_60_5_causal", 14645, 18609, 1),
        ("tcn_30_blocks_noncausal", 42967, 512881, 21483),
    ],
)
def test_published_tcns_have_their_published_sizes(name: str, field: int, parameters: int, latency: int) -> None:
    model = TCN(TCNS[name])
    assert (model.receptive_field, model.latency) == (field, latency)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_published_lstm_has_its_published_size() -> None:
    assert sum(parameter.numel() for parameter in Recurrent(RECURRENT["lstm_32"]).parameters()) == 4769


@pytest.mark.parametrize(
    ("name", "block", "frames", "parameters"),
    [
        ("quarter", 512, 9, 4_208_522),
        ("half", 896, 14, 4_209_292),
        ("default", 2048, 25, 4_211_090),
        ("unshrunk", 8192, 25, 4_213_170),
        ("double", 3968, 46, 4_214_428),
        ("quadruple", 8192, 89, 4_221_362),
        ("old_quarter", 512, 25, 278_930),
    ],
)
def test_published_signaltrains_have_their_published_sizes(
    monkeypatch: pytest.MonkeyPatch, name: str, block: int, frames: int, parameters: int
) -> None:
    config = SIGNALTRAIN[name].model_copy(update={"knobs": find_processor("comp_4c").knobs})
    assert (config.block_length, config.num_frames) == (block, frames)
    monkeypatch.setattr(SignalTrain, "_start_as_fourier_transform", lambda self: None)
    with torch.device("meta"):
        model = SignalTrain(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@torch.no_grad()
def test_signaltrains_transform_starts_as_a_perfect_reconstruction() -> None:
    model = SignalTrain(SIGNALTRAIN["old_quarter"]).double()
    windows = torch.randn(2, 2048, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    last = slice(model.config.num_frames - model.config.output_frames, None)
    real, imag = (model._analyse(windows, conv)[:, last] for conv in (model.analysis_real, model.analysis_imag))
    # The kernels are stored in single precision.
    torch.testing.assert_close(model._synthesise(real, imag), windows[:, -512:], rtol=0, atol=3e-6)


@torch.no_grad()
def test_signaltrain_depends_on_where_its_grid_begins() -> None:
    model = make_model("signaltrain")
    audio, knobs = make_audio(model, 400, batch=1), make_knobs(model, batch=1)
    shifted = torch.cat([torch.zeros(1, 1, 7, dtype=audio.dtype), audio], dim=-1)[..., :400]
    assert (model(shifted, knobs)[0][..., 7:] - model(audio, knobs)[0][..., :-7]).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["tcn_gain", "tcn_official_gain", "tcn_noncausal_gain", "tcn_stereo", "lstm_film_gain"]
)
def test_a_gain_of_nothing_is_the_dry_audio_as_late_as_declared(name: str) -> None:
    model = make_model(name)
    model.projection.weight.zero_()
    model.projection.bias.zero_()
    audio = make_audio(model, 100)
    for output in (
        model(audio, make_knobs(model))[0],
        model.stream(audio, make_knobs(model), model.initial_state(*audio.shape[:2], dtype=audio.dtype))[0],
    ):
        assert torch.equal(output[..., model.latency :], audio[..., : 100 - model.latency])
        assert output[..., : model.latency].abs().sum() == 0


def residual_delay(model: TCN) -> int:
    """Return by how many samples the residual path alone delays an impulse."""
    for block in model.blocks:
        block.conv.weight.data.zero_()
        block.film.adaptor.weight.data.zero_()
        block.film.adaptor.bias.data.zero_()
        block.residual.weight.data.fill_(1)
        block.film.norm = None
    impulse = torch.zeros(1, 1, 100, dtype=torch.float64)
    impulse[..., 0] = 1
    output, _ = model(impulse, make_knobs(model, batch=1))
    return int((output - output[..., -1:]).abs().argmax())


@torch.no_grad()
def test_official_crops_delay_the_residual_path_by_one_sample_in_each_block() -> None:
    assert residual_delay(make_model("tcn")) == 0
    assert residual_delay(make_model("tcn_official")) == CONFIGS["tcn_official"].num_blocks
    noncausal = make_model("tcn_noncausal")
    assert residual_delay(noncausal) == noncausal.latency


@torch.no_grad()
@pytest.mark.parametrize("name", ["tcn_gain", "tcn_official_gain", "lstm_film_gain"])
def test_linked_channels_get_one_gain(name: str) -> None:
    model = make_model(name)
    late = model.latency
    audio, knobs = make_audio(model, 300, batch=1), make_knobs(model, batch=1)
    alone, _ = model(audio, knobs)
    trio = torch.cat([audio, -0.5 * audio, torch.zeros_like(audio)], dim=1)
    # Before the first sample there is nothing to share.
    first, second, third = model(trio, knobs)[0][:, :, late:].unbind(dim=1)
    torch.testing.assert_close(first, alone[:, 0, late:], rtol=0, atol=1e-12)
    torch.testing.assert_close(second, -0.5 * alone[:, 0, late:], rtol=0, atol=1e-12)
    assert third.abs().max() == 0
    wide = torch.cat([audio, audio.flip(-1)], dim=1)
    first, second = model(wide, knobs)[0][:, :, late:].unbind(dim=1)
    dry = wide[..., : 300 - late].unbind(dim=1)
    torch.testing.assert_close(first * dry[1], second * dry[0], rtol=0, atol=1e-12)


def test_the_detector_follows_the_louder_channel_with_its_sign() -> None:
    audio = torch.tensor([[[0.1, -0.5, 0.0], [-0.2, 0.4, 0.0]]])
    assert detector_signal(audio).tolist() == [[[pytest.approx(-0.2), -0.5, 0.0]]]


def test_gains_are_bounded() -> None:
    head = Head("gain", 1)
    dry = torch.ones(1, 1, 2)
    output = head(torch.tensor([[[1e9, -1e9], [1.0, 1.0]]]), dry)
    assert output.flatten().tolist() == pytest.approx([1000, 0.001], rel=1e-4)


@pytest.mark.parametrize(
    ("config_class", "data", "match"),
    [
        (TCNConfig, {"kernel_size": 1}, "kernel_size"),
        (TCNConfig, {"head": "gian"}, "head"),
        (TCNConfig, {"audio_channels": 3}, "audio_channels 3"),
        (TCNConfig, {"dilation": 3}, "unknown key 'dilation'"),
        (RecurrentConfig, {"head": "gain", "residual": True}, "residual.* 'direct'"),
        (SignalTrainConfig, {"audio_channels": 2}, "mono model"),
        (SignalTrainConfig, {"output_frames": 26}, "output_frames 26 of 25"),
        (SignalTrainConfig, {"output_frames": 3}, "block of -256 samples"),
        (SignalTrainConfig, {"hop_length": 2000}, "above hop_length"),
    ],
)
def test_impossible_configurations_are_refused(config_class: type, data: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        config_class.from_dict(data)


@pytest.mark.parametrize(
    ("model_class", "config", "factor"),
    [
        (TCN, TCNConfig(knobs=KNOBS, channels=8, num_blocks=3, kernel_size=5, dilation_growth=6, head="gain"), 0.2),
        (Recurrent, RecurrentConfig(knobs=KNOBS, hidden_size=8, head="gain"), 0.5),
        (SignalTrain, SIGNALTRAIN["old_quarter"].model_copy(update={"knobs": KNOBS}), 0.6),
    ],
    ids=["tcn", "recurrent", "signaltrain"],
)
def test_a_compressor_is_learned(model_class: type, config, factor: float) -> None:
    torch.manual_seed(0)
    model = model_class(config)
    time = torch.arange(4096) / 44100
    dry = (torch.sin(2 * torch.pi * 440 * time) * torch.tensor([0.9, 0.1]).repeat_interleave(2048))[None, None]
    knobs = torch.zeros(1, 2)
    wet, _ = find_processor("comp_4c").process(dry, {"threshold": -30, "ratio": 5}, 44100)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(50):
        output, _ = model(dry, knobs)
        loss = (output - wet).square().mean() / wet.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < factor * losses[0]
