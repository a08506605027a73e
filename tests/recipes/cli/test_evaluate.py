"""`ondes evaluate` as a user calls it."""

import json

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from recipes.cli.evaluate import register
from recipes.metrics.registry import METRICS
from vocoders.core.errors import ConfigError, DataError, OndesError


@pytest.fixture
def command():
    """Function that runs the command and returns (exit code, output); errors of the user are raised."""
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)

    def call(*arguments):
        result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
        if isinstance(result.exception, OndesError):
            raise result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture
def corpus(tmp_path):
    """References and two systems, both called ``wav`` in folders of their own."""
    for folder, gain in (("ref", 1.0), ("first/wav", 0.5), ("second/wav", 2.0)):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(2):
            samples = gain * 0.1 * np.random.default_rng(index).standard_normal(8000)
            soundfile.write(tmp_path / folder / f"u{index}.wav", samples, 16000, subtype="FLOAT")
    return tmp_path


def _rows(output):
    """Return the first cells of the table; log lines may stand between."""
    return [line.split(" | ")[0] for line in output.splitlines() if line.startswith("| ")]


def test_one_row_per_system_and_all_files(command, corpus):
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--gen", corpus / "second/wav", "--natural",
        "--metrics", "level_difference,dc_offset", "--out", corpus / "out/r.json", "--csv", corpus / "r.csv",
        "--markdown", corpus / "RESULTS.md", "--title", "A title",
    )  # fmt: skip
    assert code == 0
    assert _rows(output) == ["| system", "| ---", "| natural", "| first/wav", "| second/wav"]
    means = json.loads((corpus / "out/r.json").read_text())["systems"]
    assert means["first/wav"]["level_difference"]["mean"] == pytest.approx(-6.02, abs=0.01)
    assert means["second/wav"]["level_difference"]["mean"] == pytest.approx(6.02, abs=0.01)
    assert (corpus / "RESULTS.md").read_text().startswith("# A title\n")
    assert len((corpus / "r.csv").read_text().splitlines()) == 7


def test_named_systems_keep_the_order_of_the_command_line(command, corpus):
    _, output = command(
        "--ref", corpus / "ref", "--gen", f"loud={corpus}/second/wav", "--gen", corpus / "first/wav", "--metrics",
        "dc_offset",
    )  # fmt: skip
    assert _rows(output)[2:] == ["| loud", "| wav"]


def test_a_failed_pair_is_named_and_exits_with_1(command, corpus):
    (corpus / "first/wav/u1.wav").write_bytes(b"")
    code, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert code == 1
    assert "| wav | 1 |" in output
    assert "failed: wav u1: " in output
    assert "empty" in output


def test_a_missing_file_is_named_without_failing(command, corpus):
    (corpus / "first/wav/u1.wav").unlink()
    code, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert code == 0
    assert "missing: wav u1: no generated file" in output


def test_many_missing_files_are_one_line(command, corpus):
    for index in range(2, 8):
        (corpus / "ref" / f"u{index}.wav").touch()
    _, output = command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset")
    assert output.count("missing") == 1
    assert "missing: wav: no generated file for 6 utterances" in output


def test_mistakes_are_found_before_anything_is_measured(command, corpus):
    ref, first = corpus / "ref", corpus / "first/wav"
    with pytest.raises(ConfigError, match="did you mean 'dc_offset'"):
        command("--ref", ref, "--gen", first, "--metrics", "dcoffset")
    with pytest.raises(ConfigError, match="is a folder"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus)
    with pytest.raises(ConfigError, match="--out and --csv different names"):
        command("--ref", ref, "--gen", first, "--metrics", "dc_offset", "--out", corpus / "a", "--csv", corpus / "a")
    with pytest.raises(ConfigError, match="--gen: one system stands twice"):
        command("--ref", ref, "--gen", first, "--gen", first, "--metrics", "dc_offset")
    with pytest.raises(ConfigError, match="called 'x'"):
        command("--ref", ref, "--gen", f"x={first}", "--gen", f"x={ref}", "--metrics", "dc_offset")
    with pytest.raises(DataError, match="no such folder"):
        command("--ref", ref, "--gen", corpus / "nowhere", "--metrics", "dc_offset")
    (corpus / "empty").mkdir()
    with pytest.raises(DataError, match="no audio in this folder"):
        command("--ref", ref, "--gen", corpus / "empty", "--metrics", "dc_offset")


def test_the_help_names_every_metric(command):
    _, output = command("--help")
    words = {word.strip("│.,") for word in output.split()}
    assert set(METRICS) <= words


def test_values_may_stand_in_a_row(command, corpus):
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", corpus / "second/wav", "--metrics", "dc_offset", "mae",
        "level_difference", "--nj", "1",
    )  # fmt: skip
    assert code == 0
    assert "| system | n | DC (% FS) →0 | MAE ↓ | level (dB) →0 |" in output
    assert _rows(output)[2:] == ["| first/wav", "| second/wav"]


def test_the_page_is_written_with_as_many_files_as_wanted(command, corpus):
    pages = {}
    for count in (0, 1):
        code, _ = command(
            "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "mae", "--report",
            corpus / f"{count}/page.html", "--report-files", count, "--title", "Heard",
        )  # fmt: skip
        assert code == 0
        pages[count] = (corpus / f"{count}/page.html").read_text()
    assert [page.count("<audio") for page in pages.values()] == [0, 2]
    assert "<h1>Heard</h1>" in pages[0]


def test_a_limit_on_the_difference_of_lengths(command, corpus):
    samples, rate = soundfile.read(corpus / "first/wav/u0.wav")
    soundfile.write(corpus / "first/wav/u0.wav", samples[:-4000], rate, subtype="FLOAT")
    arguments = ["--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset"]
    code, output = command(*arguments)
    assert (code, "cropped: wav u0: lengths differ by 0.250 s; both were cut" in output) == (0, True)
    code, output = command(*arguments, "--max-difference", "0.2")
    assert (code, "failed: wav u0: 0.250 s, but its reference has 0.500 s" in output) == (1, True)


def test_metrics_that_cannot_run_are_named(command, corpus, monkeypatch):
    monkeypatch.setattr("torch.hub.load", lambda *arguments, **options: 1 / 0)
    code, output = command(
        "--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "dc_offset,utmos", "--out",
        corpus / "r.json",
    )  # fmt: skip
    assert code == 0
    assert "not run: UTMOS: its weights" in output
    assert "| DC (% FS) →0 |" in output
    assert "utmos" in json.loads((corpus / "r.json").read_text())["not_run"]
    with pytest.raises(ConfigError, match="gain_trace' needs the input of the effect; pass --dry"):
        command("--ref", corpus / "ref", "--gen", corpus / "first/wav", "--metrics", "gain_trace")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "nothing to evaluate; pass --ref and --gen"),
        (["--ref", "x"], "--gen is missing; --ref and --gen belong together"),
        (["--gen", "x"], "--ref is missing"),
        (["--exp", "x"], "--data is missing; --exp and --data belong together"),
        (["--ref", "x", "--gen", "y", "--exp", "z"], "--ref measures audio and --exp a model"),
    ],
)
def test_one_of_two_ways(command, arguments, cause):
    with pytest.raises(ConfigError, match=cause):
        command(*arguments)


def test_bits_per_sample_of_a_model_beside_simple_ones(command, tmp_path):
    """Weighted by their lengths, the values of the files are what the validation of a training reports."""
    from recipes.build import restore_generator
    from recipes.config import TrainConfig
    from recipes.data.corpora import find_folder
    from recipes.data.kaldi import KaldiDirectory
    from recipes.data.preparation import prepare
    from recipes.data.reading import AudioReader
    from recipes.data.waveforms import PieceDataset
    from recipes.metrics.bits import HistogramModel
    from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions
    from recipes.tasks.waveforms import LossValidator
    from recipes.trainer import Trainer

    (tmp_path / "wav").mkdir()
    for number in range(3):
        tone = 0.8 * np.sin(2 * np.pi * np.arange(1000 + 400 * number) / 20)
        soundfile.write(tmp_path / "wav" / f"tone{number}.wav", tone, 8000)
    prepare(find_folder(tmp_path / "wav"), tmp_path / "data")
    model = {"sample_rate": 8000, "channels": 8, "num_layers": 1, "pool": [4], "kernel_length": 400}
    config = {
        "family": "sashimi",
        "model": model | {"s4": {"d_state": 8}, "quantiser": {"bits": 4}},
        "data": {"train": str(tmp_path / "data"), "num_workers": 0, "segment_length": 400, "batch_size": 2},
        "objective": {"name": "likelihood"},
        "optimizer": {"learning_rate": 1e-2},
        "scheduler": {"name": "constant"},
        "trainer": {"max_steps": 2, "num_threads": 1, "checkpoint_every": 2, "log_every": 1},
    }
    Trainer(TrainConfig.from_dict(config), tmp_path / "exp").run()
    code, output = command(
        "--exp", tmp_path / "exp", "--data", tmp_path / "data", "--out", tmp_path / "r.json", "--markdown",
        tmp_path / "RESULTS.md", "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    found = json.loads((tmp_path / "r.json").read_text())
    lengths = {"tone0": 1000, "tone1": 1400, "tone2": 1800}
    weighted = {
        system: sum(
            file["values"]["bits_per_sample"] * lengths[file["utt_id"]] / 4200
            for file in found["files"]
            if file["system"] == system
        )
        for system in found["systems"]
    }
    trained = restore_generator(tmp_path / "exp")
    options = trained.config.data
    utterances = KaldiDirectory.read(tmp_path / "data").utterances
    dataset = PieceDataset(AudioReader(utterances, 8000, options.resample, options.peak, options.in_memory))
    objective = LikelihoodObjective(LikelihoodOptions(), trained.model)
    expected = LossValidator(dataset, objective, 3).run(trained.model, 0)["valid/bits"]
    assert weighted["sashimi"] == pytest.approx(expected, rel=1e-5)
    codes = [trained.model.quantiser.encode(dataset[number]["audio"][0]).int().numpy() for number in range(3)]
    histogram = HistogramModel(codes, 16)
    assert weighted["histogram (order 0)"] == pytest.approx(sum(map(histogram.bits, codes)) / 4200)
    assert weighted["Markov chain of order 1"] < weighted["histogram (order 0)"] < weighted["uniform"] == 4
    assert "| uniform | 3 | 4.0000 [4.0000, 4.0000] |" in output
    assert "bits per sample (bit) ↓" in (tmp_path / "RESULTS.md").read_text()
