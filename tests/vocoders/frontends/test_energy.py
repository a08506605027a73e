"""Frame energy: closed forms, range and agreement with reference tensors."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, ShapeError
from vocoders.frontends.energy import ENERGY_PRESETS, EnergyConfig, mel_energy, relative_energy, rms_energy

REFERENCE = (
    Path(os.environ.get("ONDES_ORACLE", Path(__file__).resolve().parents[4] / "shared" / "oracle"))
    / "periodwave" / "front_end.safetensors"
)  # fmt: skip


def test_mel_energy_is_the_root_of_the_sum_of_amplitudes():
    mel = torch.rand(2, 100, 7, dtype=torch.float64)
    expected = torch.tensor(
        [[[math.sqrt(mel[b, :, f].sum()) for f in range(7)]] for b in range(2)], dtype=torch.float64
    )
    torch.testing.assert_close(mel_energy(mel.log()), expected)
    torch.testing.assert_close(mel_energy(mel.log10(), log="log10"), expected)


def test_silence_has_the_lowest_energy_of_the_published_range():
    silence = torch.full((1, 100, 3), math.log(1e-5), dtype=torch.float64)
    config = ENERGY_PRESETS["libritts_24k"]
    torch.testing.assert_close(
        mel_energy(silence), torch.full((1, 1, 3), config.energy_min).double(), rtol=1e-6, atol=0
    )
    assert (relative_energy(silence, config) == config.floor).all()


def test_relative_energy_has_a_floor_and_no_ceiling():
    config = EnergyConfig(energy_min=1.0, energy_max=3.0)
    energy = torch.tensor([0.5, 1.1, 2.0, 3.0, 5.0])
    log_mel = (energy**2).log()[None, None]
    torch.testing.assert_close(relative_energy(log_mel, config), torch.tensor([[[0.1, 0.1, 0.5, 1.0, 2.0]]]))


@pytest.mark.parametrize("case", ["synth24k", "synth22k", "libri24k"])
def test_agrees_with_reference_tensors(case):
    if not REFERENCE.is_file():
        pytest.skip(f"no reference tensors: {REFERENCE} is absent; set ONDES_ORACLE")
    with safe_open(REFERENCE, framework="pt") as file:
        settings = json.loads(file.metadata()["config"])[case]
        log_mel, energy, deviation = (file.get_tensor(f"{case}.{name}") for name in ("mel", "energy", "target_std"))
    config = EnergyConfig(energy_min=settings["energy_min"], energy_max=settings["energy_max"])
    assert config in ENERGY_PRESETS.values()
    torch.testing.assert_close(mel_energy(log_mel)[:, 0], energy, rtol=1e-6, atol=0)
    held = relative_energy(log_mel, config)[:, 0].repeat_interleave(settings["hop"], dim=-1)
    torch.testing.assert_close(held, deviation, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("frame_length", [None, 10, 25, 64])
def test_rms_of_a_constant_is_its_magnitude_up_to_the_ends(frame_length):
    rms = rms_energy(torch.full((2, 1, 107), -0.25), 10, frame_length)
    torch.testing.assert_close(rms, torch.full((2, 1, 10), 0.25))


def test_rms_of_a_sine_is_its_amplitude_over_the_root_of_two():
    sine = 0.5 * torch.sin(2 * math.pi * torch.arange(4800, dtype=torch.float64) / 48)
    torch.testing.assert_close(rms_energy(sine, 48, 96), torch.full((100,), 0.5 / math.sqrt(2)).double())


def test_rms_frames_are_centred_half_a_hop_late():
    impulse = torch.zeros(100)
    impulse[45] = 1.0
    assert rms_energy(impulse, 10).nonzero().flatten().tolist() == [4]
    assert rms_energy(impulse, 10, 30).nonzero().flatten().tolist() == [3, 4, 5]


def test_bad_input_is_refused():
    with pytest.raises(ShapeError, match="3 samples; at least one hop of 10"):
        rms_energy(torch.zeros(3), 10)
    with pytest.raises(ShapeError, match="never be counted"):
        rms_energy(torch.zeros(30), 10, 5)
    with pytest.raises(ConfigError, match="not above energy_min"):
        EnergyConfig.from_dict({"energy_min": 2.0, "energy_max": 1.0})


class Holder(Config):
    energy: EnergyConfig


def test_a_preset_stands_for_the_mapping():
    assert Holder.from_dict({"energy": "ljspeech_22k"}).energy == ENERGY_PRESETS["ljspeech_22k"]
    with pytest.raises(ConfigError, match="unknown energy preset 'ljspeech'; known presets: libritts_24k"):
        Holder.from_dict({"energy": "ljspeech"})
