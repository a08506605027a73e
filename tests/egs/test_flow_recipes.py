"""The recipes of PeriodWave and PeriodWave-Turbo, all stages, for a few steps."""

import json

import numpy as np
import pytest
import soundfile
import torch

from recipes.build import restore_generator
from recipes.data.statistics import FeatureStatistics
from vocoders.frontends.mel import MEL_PRESETS, LogMel
from vocoders.registry import load

pytestmark = pytest.mark.slow

# A network that trains in milliseconds a step.
SMALL = [
    "model.hidden_channels=16",
    "model.dilations=[1]",
    "data.batch_size=2",
    "data.num_workers=0",
    "scheduler.warmup_steps=0",
    "trainer.precision='no'",
    "trainer.log_every=2",
    "trainer.valid_clips=1",
    "trainer.num_threads=1",
]
FLOW = ["model.sampling.steps=1"]
TRAINING = ["--stage", "2", "--stop_stage", "2"]
TURBO = ["objective.discriminators={mpd: {channels: 4, max_channels: 8}, ms_sb_cqt: {channels: 4}}"]


@pytest.fixture
def run(shell):
    """Return a function that runs a recipe in its folder for a number of steps."""

    def run(folder, steps, *options, segment=8192):
        limits = [f"trainer.max_steps={steps}", f"trainer.valid_every={steps}", f"trainer.checkpoint_every={steps}"]
        limits.append(f"data.segment_length={segment}")
        words = ["--nj", "1", "--n_gpus", "0", "--metrics", "mel_l1", "--baselines", "", *options, *SMALL, *limits]
        return shell("./run.sh", *words, cwd=folder)

    return run


def _losses(folder, name):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    values = [line[f"loss/{name}"] for line in lines if f"loss/{name}" in line]
    assert np.isfinite(values).all()
    return values


def test_mini_recipes_from_corpus_to_turbo(copy_recipe, small_corpus, run, shell, tmp_path):
    flow, turbo = copy_recipe("mini/periodwave"), copy_recipe("mini/periodwave_turbo")
    corpus = ["--corpus_dir", small_corpus]
    result = run(flow, 4, *corpus, *FLOW)
    assert result.returncode == 0, result.stderr
    assert "| periodwave/train | 2 |" in (flow / "exp/train/RESULTS.md").read_text()
    assert len(_losses(flow / "exp/train", "flow_matching")) == 2
    trained = restore_generator(flow / "exp/train").model
    # The published prior follows the energies of this very training set.
    result = run(flow, 2, "--conf", "conf/waveform.yaml", *TRAINING, *FLOW)
    assert result.returncode == 0, result.stderr
    statistics = FeatureStatistics.load(flow / "dump/statistics.json")
    assert statistics.peak == 0.95
    published = restore_generator(flow / "exp/waveform").model
    assert published.energy_range.tolist() == pytest.approx([statistics.energy_min, statistics.energy_max])

    # A Turbo of the run, and one of the packed model with another number of steps.
    result = run(turbo, 4, *corpus, "--init", flow / "exp/train", *TURBO)
    assert result.returncode == 0, result.stderr
    assert "| periodwave_turbo/turbo4 | 2 |" in (turbo / "exp/turbo4/RESULTS.md").read_text()
    for name in ("turbo_mel", "adversarial", "feature_matching", "discriminator_real", "discriminator_fake"):
        assert len(_losses(turbo / "exp/turbo4", name)) == 2
    tuned = load(turbo / "exp/turbo4/model", verify=True)
    assert (tuned.config.sampling.solver, tuned.config.sampling.steps) == ("euler", 4)
    assert tuned.config.domain == trained.config.domain
    packed = ["--init", "../periodwave/exp/train/model", "--conf", "conf/turbo1.yaml"]
    result = run(turbo, 2, *packed, *TRAINING, *TURBO)
    assert result.returncode == 0, result.stderr
    assert restore_generator(turbo / "exp/turbo1").config.generator.sampling.steps == 1

    source = next(small_corpus.glob("test-mini/*/*/*.flac"))
    words = ["--model", turbo / "exp/turbo4/model", "--output", tmp_path / "out.wav", "--resample"]
    made = shell("ondes", "synth", source, *words, cwd=turbo)
    assert made.returncode == 0, made.stderr
    audio, rate = soundfile.read(tmp_path / "out.wav")
    assert np.isfinite(audio).all()
    assert len(audio) == pytest.approx(soundfile.info(source).duration * rate, abs=rate / 50)

    # A run goes on without its start; weights of another network are refused, and it says which.
    result = run(turbo, 6, *TRAINING, *TURBO)
    assert result.returncode == 0, result.stderr
    assert restore_generator(turbo / "exp/turbo4").step == 6
    other = ["--tag", "other", "--init", flow / "exp/train"]
    result = run(turbo, 2, *other, *TRAINING, *TURBO, "model.periods=[1,2,3]")
    assert result.returncode == 2
    assert "Unexpected key(s)" in result.stderr
    assert "Traceback" not in result.stderr


def _predict(folder, target):
    """Write what a poor acoustic model might predict: the log-mels, smoothed over time, at the level of the audio."""
    front_end = LogMel(MEL_PRESETS["bigvgan_24k"])
    target.mkdir()
    for path in sorted(folder.rglob("*.wav")):
        audio, _ = soundfile.read(path, dtype="float32")
        mel = front_end(torch.from_numpy(audio)[None])
        smooth = torch.nn.functional.avg_pool1d(mel, 5, 1, 2, count_include_pad=False)[0]
        np.save(target / f"{path.stem}.npy", smooth.numpy())


def test_tuning_on_predicted_features(copy_recipe, run, tmp_path, write_tone):
    for subset, count in (("train-clean-100", 6), ("dev-clean", 1), ("test-clean", 2)):
        for number in range(count):
            # Above the training segment, with frames to spare.
            write_tone(tmp_path / f"corpus/{subset}/1{number}/2/{subset}_{number}.wav", 120 + 20 * number, seconds=0.8)
    _predict(tmp_path / "corpus", tmp_path / "predicted")
    flow, turbo = copy_recipe("libritts/periodwave"), copy_recipe("libritts/periodwave_turbo")
    sets = ["--train_set", "train-clean-100", "--dev_set", "dev-clean", "--test_set", "test-clean"]
    corpus = ["--corpus_dir", tmp_path / "corpus", *sets, "--num_dev", "0", "--num_test", "0"]
    result = run(flow, 2, *corpus, "--conf", "conf/small.yaml", *FLOW)
    assert result.returncode == 0, result.stderr
    initial = restore_generator(flow / "exp/small").model

    predicted = ["--predicted", tmp_path / "predicted", "--dump", "dump/predicted", "--tag", "tuned"]
    result = run(flow, 4, *predicted, "--stage", "1", "--conf", "conf/small.yaml", "--init", "exp/small", *FLOW)
    assert result.returncode == 0, result.stderr
    trained = restore_generator(flow / "exp/tuned")
    assert (trained.config.data.features, trained.config.data.peak, trained.step) == ("predicted", None, 4)
    # The features mean what they meant to the first model, whatever the statistics of the new level.
    assert torch.equal(trained.model.energy_range, initial.energy_range)
    assert "| periodwave/tuned | 2 |" in (flow / "exp/tuned/RESULTS.md").read_text()
    # Decoding takes the predictions, not the features of the recordings.
    name = "test-clean_0"
    output, _ = soundfile.read(flow / f"exp/tuned/decode/model/{name}.wav", dtype="float32")
    features = torch.from_numpy(np.load(tmp_path / f"predicted/{name}.npy"))
    expected = trained.model.synthesize(features)[0, 0].numpy()
    assert np.abs(output - expected).max() < 2**-15
    # And their own audio, at the level that it has.
    reference, _ = soundfile.read(flow / f"exp/tuned/decode/reference/{name}.wav", dtype="float32")
    recording, _ = soundfile.read(next(tmp_path.glob(f"corpus/test-clean/*/*/{name}.wav")), dtype="float32")
    assert np.array_equal(reference, recording[: len(reference)])

    first = ["--conf", "conf/turbo_small.yaml", "--init", flow / "exp/small"]
    result = run(turbo, 2, *corpus, *predicted, "--stop_stage", "2", *first, *TURBO)
    assert result.returncode == 0, result.stderr
    assert len(_losses(turbo / "exp/tuned", "turbo_mel")) == 1

    # One prediction is missing: said before the first step.
    (tmp_path / "predicted/train-clean-100_3.npy").unlink()
    again = ["--tag", "again", "--stage", "1", "--stop_stage", "2"]
    result = run(turbo, 2, *predicted, *again, *first, *TURBO)
    assert result.returncode == 2
    assert "'train-clean-100_3'" in result.stderr


def test_decoder_of_codec_embeddings(copy_recipe, run, tmp_path, write_tone):
    rng = np.random.default_rng(0)
    (tmp_path / "codes").mkdir()
    for subset in ("train-clean-100", "dev-clean", "test-clean"):
        for number in range(2):
            name = f"{subset}_{number}"
            write_tone(tmp_path / f"corpus/{subset}/1/2/{name}.wav", 150, seconds=0.5)
            np.save(tmp_path / f"codes/{name}.npy", rng.standard_normal((128, 37), dtype=np.float32))
    folder = copy_recipe("libritts/periodwave")
    sets = ["--train_set", "train-clean-100", "--dev_set", "dev-clean", "--test_set", "test-clean"]
    corpus = ["--corpus_dir", tmp_path / "corpus", *sets, "--num_dev", "0", "--num_test", "0"]
    options = ["--conf", "conf/encodec.yaml", "--predicted", tmp_path / "codes", *FLOW]
    result = run(folder, 2, *corpus, *options, segment=9600)
    assert result.returncode == 0, result.stderr
    model = load(folder / "exp/encodec/model", verify=True)
    assert (model.config.condition, model.hop_length) == ("embedding", 320)
    audio, rate = soundfile.read(folder / "exp/encodec/decode/model/test-clean_0.wav")
    assert (len(audio), rate) == (37 * 320, 24000)


def test_one_voice_at_its_own_rate(copy_recipe, run, tmp_path, write_tone):
    names = [f"LJ001-{number:04d}" for number in range(6)]
    for number, name in enumerate(names):
        write_tone(tmp_path / f"corpus/wavs/{name}.wav", 150 + 10 * number, 22050, 0.5)
    (tmp_path / "corpus/metadata.csv").write_text("".join(f"{name}|Text|text\n" for name in names))
    folder = copy_recipe("ljspeech/periodwave")
    sets = ["--corpus_dir", tmp_path / "corpus", "--num_dev", "1", "--num_test", "1"]
    result = run(folder, 2, *sets, "--stop_stage", "2", *FLOW)
    assert result.returncode == 0, result.stderr
    result = run(folder, 2, "--conf", "conf/turbo.yaml", "--init", "exp/base", *TRAINING, *TURBO)
    assert result.returncode == 0, result.stderr
    assert restore_generator(folder / "exp/turbo").model.sample_rate == 22050


def test_own_audio_of_any_rate(copy_recipe, run, tmp_path, write_tone):
    folder = copy_recipe("template/vocoder")
    copy_recipe("libritts/periodwave_turbo")
    for number in range(6):
        write_tone(tmp_path / f"audio/{number}.wav", 110 + 15 * number, 44100 if number % 2 else 24000, 0.5)
    first = ["--audio_dir", tmp_path / "audio", "--num_dev", "1", "--num_test", "1", "--stop_stage", "2"]
    result = run(folder, 2, *first, "--conf", "conf/periodwave.yaml", *FLOW)
    assert result.returncode == 0, result.stderr
    second = ["--conf", "../../libritts/periodwave_turbo/conf/turbo_small.yaml", "--init", "exp/periodwave"]
    result = run(folder, 2, *second, *TRAINING, *TURBO, "data.resample=true")
    assert result.returncode == 0, result.stderr
    assert restore_generator(folder / "exp/turbo_small").step == 2
