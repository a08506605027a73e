"""Frame energy: closed forms, range and agreement with reference tensors."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.frontends.energy import ENERGY_PRESETS, EnergyConfig, mel_energy, relative_energy

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


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="energy_min"):
        EnergyConfig.from_dict({"energy_min": 2.0, "energy_max": 1.0})


class Holder(Config):
    energy: EnergyConfig


def test_a_preset_stands_for_the_mapping():
    assert Holder.from_dict({"energy": "ljspeech_22k"}).energy == ENERGY_PRESETS["ljspeech_22k"]
    with pytest.raises(ConfigError, match="'ljspeech'.* libritts_24k"):
        Holder.from_dict({"energy": "ljspeech"})
