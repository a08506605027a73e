"""`ondes synth` with a model of flow matching: solver, steps, temperature, FreeU, chunks."""

import numpy as np
import pytest
import torch

import vocoders.registry
from vocoders.core.audio import read_audio
from vocoders.periodwave import (
    BandFlowSampling,
    FlowSampling,
    PeriodWave,
    PeriodWaveConfig,
    PeriodWaveMB,
    PeriodWaveMBConfig,
)

TINY = PeriodWaveConfig(hidden_channels=16, sampling=FlowSampling(solver="euler", steps=2, temperature=1.0))


@pytest.fixture
def flow(make_audio, monkeypatch, tmp_path):
    """Make x.wav and a flow model; gives its folder."""
    family = vocoders.registry.VocoderFamily(
        "periodwave",
        "PeriodWave",
        "vocoders.periodwave:PeriodWave",
        options="vocoders.periodwave:FlowOptions",
    )
    monkeypatch.setitem(vocoders.registry.FAMILIES, "periodwave", family)
    make_audio("x.wav", 2560)
    torch.manual_seed(0)
    model = PeriodWave(TINY)
    model.save_pretrained(tmp_path / "flow")
    return tmp_path / "flow"


def test_options_reach_the_model(ondes, flow):
    options = ["--steps", 3, "--solver", "midpoint", "--temperature", 0.5, "--freeu", "1.1,0.9", "--seed", 4]
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", flow, *options)
    assert run.code == 0, run.err
    model = PeriodWave.from_pretrained(flow)
    sampling = FlowSampling(solver="midpoint", steps=3, temperature=0.5, freeu=(1.1, 0.9))
    expected = model.synthesize(audio=read_audio("x.wav")[0], options=sampling, seed=4)[0]
    torch.testing.assert_close(read_audio("y.wav")[0], expected.clamp(-1, 1), atol=2 / 32768, rtol=0)


def test_what_is_not_given_stays_as_the_model_has_it(ondes, flow):
    assert ondes("synth", "x.wav", "-o", "a.wav", "-m", flow).code == 0
    assert ondes("synth", "x.wav", "-o", "b.wav", "-m", flow, "--steps", 2, "--solver", "euler").code == 0
    assert ondes("synth", "x.wav", "-o", "c.wav", "-m", flow, "--steps", 1).code == 0
    a, b, c = (read_audio(f"{name}.wav")[0] for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", 0], "steps"),
        (["--steps", -4], "steps"),
        (["--solver", "dopri5"], "solver"),
        (["--temperature", -1], "temperature"),
        (["--freeu", "1.1"], "freeu"),
        (["--freeu", "a,b"], "freeu"),
        (["--chunk-seconds", 0.2], "chunk_seconds"),
    ],
)
def test_impossible_sampling_writes_nothing(ondes, flow, tmp_path, options, message):
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", flow, *options)
    assert run.code in (1, 2)
    assert message in run.err
    assert "Traceback" not in run.err
    assert not (tmp_path / "work/y.wav").exists()


@pytest.fixture
def bands(flow, monkeypatch, tmp_path):
    """A model of four bands beside the one of ``flow``; gives its folder."""
    family = vocoders.registry.VocoderFamily(
        "periodwave_mb",
        "PeriodWave-MB",
        "vocoders.periodwave:PeriodWaveMB",
        options="vocoders.periodwave:BandFlowOptions",
    )
    monkeypatch.setitem(vocoders.registry.FAMILIES, "periodwave_mb", family)
    torch.manual_seed(0)
    sampling = BandFlowSampling(solver="euler", band_steps=(2, 1, 1, 1))
    PeriodWaveMB(PeriodWaveMBConfig(hidden_channels=16, sampling=sampling)).save_pretrained(tmp_path / "bands")
    return tmp_path / "bands"


@pytest.mark.parametrize(
    ("option", "steps"), [("3,2,1,1", {"band_steps": (3, 2, 1, 1)}), ("2", {"steps": 2}), (None, {})]
)
def test_bands_take_one_number_of_steps_or_each_its_own(ondes, bands, option, steps):
    options = [] if option is None else ["--steps", option]
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", bands, *options)
    assert run.code == 0, run.err
    model = PeriodWaveMB.from_pretrained(bands)
    sampling = model.config.sampling.model_copy(update=steps)
    expected = model.synthesize(audio=read_audio("x.wav")[0], options=sampling)[0]
    torch.testing.assert_close(read_audio("y.wav")[0], expected.clamp(-1, 1), atol=2 / 32768, rtol=0)


@pytest.mark.parametrize(
    ("steps", "message"),
    [("4,4", "2 numbers for 4 bands"), ("4,4,0,1", "0 steps"), ("a", "a number"), ("4,,1,1", "numbers")],
)
def test_impossible_steps_of_bands_are_refused_before_any_work(ondes, bands, steps, message):
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", bands, "--steps", steps)
    assert run.code == 2
    assert message in run.err


def test_a_model_of_one_band_takes_one_number_of_steps(ondes, flow):
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", flow, "--steps", "4,1,1,1")
    assert run.code == 2
    assert "steps" in run.err


def test_other_vocoders_refuse_sampling_options(ondes, make_audio, tiny):
    make_audio("x.wav")
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", tiny, "--steps", 4)
    assert run.code == 2
    assert "--steps" in run.err


def test_one_frame_is_refused_in_words(ondes, make_audio, flow):
    make_audio("short.wav", 256)
    run = ondes("synth", "short.wav", "-o", "y.wav", "--model", flow)
    assert run.code == 1
    assert "short.wav" in run.err
    assert "at least 512" in run.err


def test_features_of_another_front_end_are_refused_with_both_lines(ondes, flow):
    features = np.zeros((100, 10), np.float32)
    np.savez("mel.npz", features=features, fingerprint="mel of somebody else")
    run = ondes("synth", "mel.npz", "-o", "y.wav", "--model", flow)
    assert run.code == 1
    assert "mel of somebody else" in run.err
    assert TINY.mel.fingerprint in run.err
