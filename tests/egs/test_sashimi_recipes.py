"""Recipes of SaShiMi: published sizes and settings, data of every corpus, and the mini recipe from corpus to model."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.build import build_generator, build_objective
from recipes.config import TrainConfig
from recipes.data.kaldi import KaldiDirectory
from vocoders.sashimi import VARIANTS

EGS = Path(__file__).resolve().parents[2] / "egs"
LIKELIHOOD = {
    "sc09/sashimi/conf/sc09.yaml": ("sc09", 4_751_072, 32, 16000, 1e-3),
    "sc09/sashimi/conf/sc09_unet.yaml": ("sc09_unet", 6_820_512, 16, 16000, 1e-3),
    "youtubemix/sashimi/conf/youtubemix.yaml": ("youtubemix", 4_059_360, 1, 131072, 4e-3),
    "beethoven/sashimi/conf/beethoven.yaml": ("beethoven", 4_751_072, 1, 128000, 4e-3),
}
DIFFUSION = {
    "sc09/sashimi/conf/diffwave_large.yaml": 23.47,
    "sc09/sashimi/conf/diffwave_small.yaml": 7.73,
    "ljspeech/diffwave_sashimi/conf/train.yaml": 3.15,
}
SMALL = [
    "model.channels=8",
    "model.num_layers=1",
    "model.s4={d_state: 8}",
    "data.segment_length=1024",
    "model.kernel_length=1024",
    "data.batch_size=2",
    "scheduler.warmup_steps=0",
    "trainer.log_every=2",
]


@pytest.mark.parametrize("path", LIKELIHOOD)
def test_published_likelihood_models(path):
    config = TrainConfig.from_yaml(EGS / path)
    variant, size, batch, segment, rate = LIKELIHOOD[path]
    assert config.generator == VARIANTS[variant]
    model = build_generator(config)
    build_objective(config, model)
    assert sum(parameter.numel() for parameter in model.parameters()) == size
    assert (config.data.batch_size, config.data.segment_length, config.data.shorter) == (batch, segment, "pad")
    optimizer, scheduler, trainer = config.optimizer, config.scheduler, config.trainer
    assert (optimizer.learning_rate, optimizer.system_learning_rate) == (rate, 1e-3)
    assert (optimizer.betas, trainer.max_gradient_norm, trainer.ema_decay) == ((0.9, 0.999), None, None)
    if variant == "sc09_unet":
        assert (optimizer.weight_decay, optimizer.decay_biases) == (0.1, False)
        assert (scheduler.name, scheduler.warmup_steps, trainer.max_steps) == ("cosine", 1000, 200_000)
    else:
        assert optimizer.weight_decay == 0.0
        assert (scheduler.name, scheduler.decay, scheduler.patience) == ("plateau", 0.2, 20)


@pytest.mark.parametrize("path", DIFFUSION)
def test_published_diffusion_models(path):
    config = TrainConfig.from_yaml(EGS / path)
    model = build_generator(config)
    build_objective(config, model)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(DIFFUSION[path], abs=0.01)
    optimizer, trainer = config.optimizer, config.trainer
    assert (optimizer.learning_rate, optimizer.weight_decay, optimizer.system_learning_rate) == (2e-4, 0.0, None)
    assert (trainer.max_gradient_norm, trainer.ema_decay, config.data.batch_size) == (None, None, 16)
    diffusion = config.generator.diffusion
    expected = (200, 0.02) if path.startswith("sc09") else (50, 0.05)
    assert (diffusion.num_steps, diffusion.last_beta) == expected


def _copy(copy_recipe, name):
    folder = copy_recipe(name)
    if (EGS / name / "local").is_dir():
        shutil.copytree(EGS / name / "local", folder / "local", dirs_exist_ok=True)
    return folder


def _prepare(shell, folder, corpus):
    result = shell("./run.sh", "--stage", "0", "--stop_stage", "0", "--corpus_dir", corpus, "--nj", "1", cwd=folder)
    assert result.returncode == 0, result.stderr
    return {name: KaldiDirectory.read(folder / "data" / name) for name in ("train", "dev", "test")}


def test_digits_of_speech_commands(copy_recipe, shell, tmp_path, write_tone):
    names = [f"{word}/{speaker}_nohash_0.wav" for word in _DIGITS for speaker in ("a1", "b2", "c3")]
    for number, name in enumerate([*names, "bed/a1_nohash_0.wav"]):
        write_tone(tmp_path / "corpus" / name, 100 + number, 16000, 0.2)
    for list_name, speaker in (("validation", "b2"), ("testing", "c3")):
        lines = [name for name in [*names, f"bed/{speaker}_nohash_0.wav"] if speaker in name]
        (tmp_path / "corpus" / f"{list_name}_list.txt").write_text("\n".join(lines) + "\n")
    sets = _prepare(shell, copy_recipe("sc09/sashimi"), tmp_path / "corpus")
    assert {name: found.speakers for name, found in sets.items()} == {"train": ("a1",), "dev": ("b2",), "test": ("c3",)}
    assert {len(found) for found in sets.values()} == {10}


_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_pieces_of_music(copy_recipe, shell, tmp_path, write_tone):
    for number in range(20):
        write_tone(tmp_path / f"corpus/{number}.wav", 100, 16000, 20.0)
    sets = _prepare(shell, copy_recipe("youtubemix/sashimi"), tmp_path / "corpus")
    # 17, 1 and 2 files in natural order, two whole pieces of each.
    assert {name: len(found) for name, found in sets.items()} == {"train": 34, "dev": 2, "test": 4}
    assert [u.utt_id for u in sets["dev"]] == ["17-0000", "17-0001"]
    assert [round(u.duration * 16000) for u in sets["test"]] == [131072] * 4
    assert sets["dev"].utterances[1].start == pytest.approx(8.192)


def test_absent_corpora_are_one_line(copy_recipe, shell):
    for name in ("mini/sashimi_digits", "mini/sashimi_piano", "youtubemix/sashimi", "beethoven/sashimi"):
        result = shell("./run.sh", "--stage", "0", cwd=copy_recipe(name))
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert result.stderr.startswith("error: no corpus; pass --corpus_dir")


@pytest.mark.slow
def test_mini_recipe_from_corpus_to_results(copy_recipe, shell, tmp_path):
    rng = np.random.default_rng(0)
    speakers = {"train": ("anna", "bert"), "test": ("carl",)}
    for subset, names in speakers.items():
        for word in _DIGITS:
            for name in names:
                for take in range(4):
                    path = tmp_path / "corpus" / subset / word / f"{name}_{take:02d}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    tone = 0.5 * np.sin(np.arange(1500 + 100 * take) * (0.1 + 0.05 * _DIGITS.index(word)))
                    soundfile.write(path, tone + 0.01 * rng.standard_normal(len(tone)), 8000)
    folder = _copy(copy_recipe, "mini/sashimi_digits")
    limits = ["trainer.max_steps=6", "trainer.valid_every=3", "trainer.checkpoint_every=3"]
    options = ["--corpus_dir", tmp_path / "corpus", "--num_dev", "8", "--num", "2", "--seconds", "0.2"]
    result = shell("./run.sh", *options, "--tag", "small", *SMALL, *limits, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert KaldiDirectory.read(folder / "data/test").speakers == ("carl",)
    assert KaldiDirectory.read(folder / "data/train").speakers == ("anna", "bert")
    systems = json.loads((folder / "exp/small/results.json").read_text())["systems"]
    bits = {name: values["bits_per_sample"]["mean"] for name, values in systems.items()}
    assert bits["uniform"] == 8.0
    assert bits["Markov chain of order 1"] < bits["histogram (order 0)"] < 8.0
    assert 0 < bits["sashimi"] < 9
    page = (folder / "exp/small/RESULTS.md").read_text()
    assert "| Markov chain of order 1 |" in page
    assert "| real, speakers not in training | 40 |" in (folder / "exp/small/CLASSIFIER.md").read_text()
    assert (folder / "exp/small/model/model.safetensors").exists()
    options += ["--conf", "conf/words.yaml", "--init", "exp/small"]
    result = shell("./run.sh", *options, "--tag", "words", *SMALL, *limits, cwd=folder)
    assert result.returncode == 0, result.stderr
    words = {path.stem.split("-")[-1] for path in (folder / "exp/words/generated").glob("*.wav")}
    assert words <= set(_DIGITS)
    assert re.search(r"\| generated \| 2 \| [01]\.\d", (folder / "exp/words/CLASSIFIER.md").read_text())
