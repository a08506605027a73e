"""The recipes for effects run from audio to results."""

import json

import numpy as np
import pytest
import soundfile

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
