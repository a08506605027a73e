"""The recipes for effects run from audio to results."""

import json

import numpy as np
import pytest
import soundfile

from effects import load
from recipes.data.effects.reamping import reamping_signal

RATE = 44100
SHORT = ["trainer.max_steps=3", "trainer.valid_every=3", "trainer.checkpoint_every=3", "trainer.log_every=1"]
SMALL = ["data.batch_size=2", "data.segment_length=2000", "effect.pre_roll=500", "effect.valid_items=2"]


def _write_noise(folder, count, seconds=2):
    generator = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        audio = 0.5 * generator.uniform(-1, 1, seconds * RATE)
        soundfile.write(folder / f"take_{index}.wav", audio, RATE, "FLOAT")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["comp4c/graybox", "comp4c/s4", "mini/effects"])
def test_from_dry_audio_to_results(recipe, copy_recipe, shell, tmp_path):
    _write_noise(tmp_path / "dry", 6)
    folder = copy_recipe(recipe)
    options = ["--audio_dir", tmp_path / "dry", "--num_dev", 1, "--num_test", 2, "--items", 1, "--tag", "small"]
    result = shell("./run.sh", *options, *SHORT, *SMALL, cwd=folder)
    assert result.returncode == 0, result.stderr
    systems = json.loads((folder / "exp/small/results.json").read_text())["systems"]
    assert len(systems) == 12
    assert len(list((folder / "exp/small/rendered").iterdir())) == 2
    assert "unseen audio, unseen knobs" in (folder / "exp/small/RESULTS.md").read_text()


@pytest.mark.slow
def test_from_recorded_pairs_to_results(copy_recipe, shell, tmp_path):
    _write_noise(tmp_path / "pairs", 1)
    dry, _ = soundfile.read(tmp_path / "pairs/take_0.wav")
    soundfile.write(tmp_path / "pairs/wet.wav", 0.5 * dry, RATE, "FLOAT")
    rows = [f"take_0.wav,wet.wav,{part},-20dB,2" for part in ("train", "dev", "test")]
    (tmp_path / "pairs/pairs.csv").write_text("\n".join(["dry,wet,set,threshold,ratio", *rows]))
    folder = copy_recipe("template/effect")
    options = ["--pairs_dir", tmp_path / "pairs", "--tag", "small"]
    result = shell("./run.sh", *options, *SHORT, *SMALL, cwd=folder)
    assert result.returncode == 0, result.stderr
    systems = json.loads((folder / "exp/small/results.json").read_text())["systems"]
    assert set(systems) >= {"identity: recorded pairs", "constant gain: recorded pairs"}


CAPTURE = ["data.batch_size=2", "data.segment_length=2048", "effect.pre_roll=500", "trainer.num_threads=1"]


@pytest.mark.slow
def test_from_a_recording_to_a_file_for_players(copy_recipe, shell, tmp_path):
    dry = reamping_signal(29.0)
    soundfile.write(tmp_path / "dry.wav", dry, 48000, "PCM_24")
    wet = 0.3 * np.tanh(3 * dry)[20:]
    soundfile.write(tmp_path / "wet.wav", wet, 48000, "PCM_24")
    folder = copy_recipe("template/capture")
    options = ["--dry", tmp_path / "dry.wav", "--wet", tmp_path / "wet.wav", "--tag", "small", "--name", "My pedal"]
    result = shell("./run.sh", *options, *SHORT, *CAPTURE, "model.variant=nano", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "20 samples early" in result.stdout
    assert "small: ESR" in result.stdout
    model = load(folder / "exp/small/small.nam")
    assert model.capture is not None
    assert model.capture.name == "My pedal"
    assert model.capture.validation_esr > 0


@pytest.mark.slow
def test_from_recordings_at_several_settings_to_a_file_with_a_knob(copy_recipe, shell, tmp_path):
    _write_noise(tmp_path / "pairs", 1)
    dry, _ = soundfile.read(tmp_path / "pairs/take_0.wav")
    rows = ["dry;wet;set;drive"]
    for part, drive in (("train", "0,25"), ("dev", "0,5"), ("test", "0,75")):
        soundfile.write(tmp_path / f"pairs/{part}.wav", 0.5 * np.pad(dry, (100, 0)), RATE, "FLOAT")
        rows.append(f"take_0.wav;{part}.wav;{part};{drive}")
    (tmp_path / "pairs/pairs.csv").write_text("\n".join(rows), encoding="utf-16")
    folder = copy_recipe("template/capture")
    options = ["--pairs_dir", tmp_path / "pairs", "--conf", folder / "conf/knobs.yaml", "--tag", "small"]
    result = shell("./run.sh", *options, *SHORT, *CAPTURE, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("100 samples late; aligned") == 3
    assert len(load(folder / "exp/small/small.aidax.json").knobs) == 1
