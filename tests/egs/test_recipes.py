"""The recipes themselves, all stages, for a few steps."""

import json

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

# A network that trains in milliseconds a step.
SMALL = [
    "model.channels=8",
    "model.num_blocks=2",
    "data.batch_size=2",
    "data.segment_length=4800",
    "data.num_workers=0",
    "objective.reconstruction={mel: 45.0}",
    "objective.discriminators={mrd: {channels: 4}}",
    "objective.adversarial_start=10",
    "objective.discriminator_start=5",
    "scheduler.warmup_steps=0",
    "trainer.ema_decay=null",
    "trainer.log_every=5",
    "trainer.valid_clips=1",
    "trainer.num_threads=1",
]


def _checkpoints(folder):
    return sorted(path.name for path in (folder / "exp/small/checkpoints").iterdir())


def _synthesise(shell, folder, source, output):
    made = shell("ondes", "synth", source, "--model", "exp/small/model", "-o", output, "--resample", cwd=folder)
    assert made.returncode == 0, made.stderr
    audio, sample_rate = soundfile.read(output)
    assert np.isfinite(audio).all()
    assert np.sqrt(np.mean(audio**2)) > 1e-3
    assert len(audio) == pytest.approx(soundfile.info(source).duration * sample_rate, abs=sample_rate / 100)


def test_mini_recipe_from_corpus_to_model(copy_recipe, small_corpus, shell, tmp_path):
    folder = copy_recipe("mini/wavehax")

    def run(steps, *options):
        limits = [f"trainer.max_steps={steps}", f"trainer.valid_every={steps}", f"trainer.checkpoint_every={steps}"]
        command = ["./run.sh", "--tag", "small", "--nj", "1", "--metrics", "mel_l1,mstft", *options, *SMALL, *limits]
        result = shell(*command, cwd=folder)
        assert result.returncode == 0, result.stderr
        return result

    run(20, "--corpus_dir", small_corpus)
    results = (folder / "exp/small/RESULTS.md").read_text()
    for system in ("natural", "wavehax/small", "griffin-lim", "world"):
        assert f"| {system} | 2 |" in results
    assert "Problems" not in results
    values = json.loads((folder / "exp/small/results.json").read_text())["systems"]
    assert values["natural"]["mel_l1"]["mean"] == 0 < values["griffin-lim"]["mel_l1"]["mean"]
    log = [json.loads(line) for line in (folder / "exp/small/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss/mel"] for line in log if "loss/mel" in line]
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    _synthesise(shell, folder, next(small_corpus.glob("test-mini/*/*/*.flac")), tmp_path / "out.wav")

    # Again: data and features are kept, training goes on where it stopped.
    kept = {path: path.stat().st_mtime_ns for path in [*folder.glob("data/*/wav.scp"), *folder.glob("dump/**/*.*")]}
    kept = {path: time for path, time in kept.items() if path.suffix != ".log"}
    assert len(kept) > 16
    run(25, "--corpus_dir", small_corpus, "--stop_stage", "2")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert _checkpoints(folder) == ["checkpoint-00000020.pt", "checkpoint-00000025.pt"]
    assert "resumed at step 20" in (folder / "exp/small/log/train.log").read_text()

    # No GPU is visible here, and nothing trains on the CPU unasked.
    stages = ["--stage", "2", "--stop_stage", "2"]
    promised = shell("./run.sh", "--tag", "two", *stages, "--n_gpus", "2", *SMALL, cwd=folder)
    assert promised.returncode != 0
    assert "--n_gpus 0" in (folder / "exp/two/log/train.log").read_text()
    assert not (folder / "exp/two/metrics.jsonl").exists()

    refused = shell("./run.sh", "--tag", "small", "--stage", "2", "--resume", "false", *SMALL, cwd=folder)
    assert refused.returncode == 2
    assert "pass --resume" in refused.stderr


def test_template_needs_only_a_folder_of_audio(copy_recipe, shell, tmp_path, write_tone):
    folder = copy_recipe("template/vocoder")
    for number in range(8):
        # Own data: other rates too.
        write_tone(tmp_path / f"audio/voice {number % 2}/{number}.wav", 110 + 15 * number, 24000 if number else 44100)
    options = ["--audio_dir", tmp_path / "audio", "--num_dev", "1", "--num_test", "1", "--nj", "1", "--n_gpus", "0"]
    limits = ["trainer.max_steps=6", "trainer.valid_every=6"]
    metrics = ["--metrics", "mel_l1", "--baselines", "", "--tag", "small"]
    result = shell("./run.sh", *options, *metrics, *SMALL, *limits, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "| vocoder/small | 1 |" in (folder / "exp/small/RESULTS.md").read_text()
    _synthesise(shell, folder, tmp_path / "audio/voice 0/0.wav", tmp_path / "out.wav")
