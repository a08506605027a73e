"""The shell scripts of the recipes: options, launchers, data sets, downloads and their errors."""

import os
import tarfile
from pathlib import Path

import pytest

EGS = Path(__file__).resolve().parents[2] / "egs"
SCRIPTS = sorted(EGS.rglob("*.sh"))
RECIPES = sorted(str(path.parent.relative_to(EGS)) for path in EGS.glob("*/*/run.sh"))
UTILS = EGS / "utils"


@pytest.mark.parametrize("script", SCRIPTS, ids=[str(path.relative_to(EGS)) for path in SCRIPTS])
def test_syntax_and_strictness(script, shell):
    assert shell("bash", "-n", script, cwd=EGS).returncode == 0
    if os.access(script, os.X_OK):
        text = script.read_text()
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_help_names_every_option_and_needs_nothing_installed(recipe, shell):
    result = shell("./run.sh", "--help", cwd=EGS / recipe, PATH="/usr/bin:/bin")
    assert result.returncode == 0
    assert result.stderr == ""
    for option in ("stage", "stop_stage", "n_gpus", "nj", "conf", "tag", "resume"):
        assert f"--{option} " in result.stdout
    assert "shellcheck" not in result.stdout


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stages", "1"], "unknown option '--stages'"),
        (["--PATH", "1"], "unknown option '--PATH'"),
        (["--recipe", "1"], "unknown option '--recipe'"),
        (["-x"], "unknown option '-x'"),
        (["--stage"], "option '--stage' needs a value"),
        (["--nj", "two"], "needs a whole number, found 'two'"),
        (["--nj", "0"], "at least one process"),
        (["--conf", "conf/none.yaml"], "no such configuration"),
        (["--backend", "cloud"], "unknown backend 'cloud'"),
        (["trainer.max_steps"], "changes have the form key=value"),
    ],
)
def test_wrong_usage_exits_with_2(recipe, arguments, message, shell):
    result = shell("./run.sh", "--stage", "9", *arguments, cwd=EGS / recipe)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Usage: ./run.sh" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("recipe", "arguments", "message"),
    [
        ("mini/wavehax", [], "pass --corpus_dir"),
        ("mini/wavehax", ["--corpus_dir", "/no/corpus"], "/no/corpus: no such corpus"),
        ("libritts/wavehax", ["--corpus_dir", "/no/corpus"], "run stage -1 to download it"),
        ("template/vocoder", [], "pass --audio_dir"),
        ("template/vocoder", ["--audio_dir", "/no/audio"], "/no/audio: no such folder"),
    ],
)
def test_missing_corpus_is_one_line(recipe, arguments, message, copy_recipe, shell):
    folder = copy_recipe(recipe)
    result = shell("./run.sh", "--stage", "0", *arguments, cwd=folder)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not (folder / "data").exists()


def test_options_of_every_kind(tmp_path, shell):
    script = tmp_path / "script.sh"
    script.write_text(
        "#!/usr/bin/env bash\n# Usage: script.sh\n# --some_name --flag --count --other\n"
        'set -euo pipefail\nsome_name=a flag=false count=-1 other=""\n'
        f". {UTILS}/parse_options.sh\n"
        'echo "$some_name|$flag|$count|$other|$*"\n'
    )

    def run(*arguments):
        result = shell("bash", script, *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    assert run() == "a|false|-1||"
    assert run("--some-name", "two words", "--count", "-3", "k=v", "--flag") == "two words|false|-3||k=v --flag"
    assert run("--flag", "--other", "--count") == "a|true|-1|--count|"
    assert run("--flag", "false", "--some_name", "", "--", "--rest") == "|false|-1||--rest"
    assert run("--flag", "k=v") == "a|true|-1||k=v"


def test_local_launcher_keeps_logs_and_shows_the_end_of_a_failure(tmp_path, shell):
    log = tmp_path / "logs/job.log"
    good = shell(UTILS / "local.sh", "--gpus", "1", log, "echo", "all well", cwd=tmp_path)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = shell(UTILS / "local.sh", log, "bash", "-c", "seq 1 50; echo oops >&2; exit 7", cwd=tmp_path)
    assert bad.returncode == 7
    assert "oops" in bad.stderr
    assert str(log) in bad.stderr
    assert "all well" not in bad.stderr
    assert len(bad.stderr.splitlines()) == 21
    assert "all well" in log.read_text()


def test_slurm_launcher_asks_for_what_the_job_needs(tmp_path, shell):
    fake = tmp_path / "bin/srun"
    fake.parent.mkdir()
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" > call\nexit "${FAKE_EXIT:-0}"\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:/usr/bin:/bin"
    command = [UTILS / "slurm.sh", "--gpus", "2", "--threads", "4", tmp_path / "train.log", "ondes", "train", "a b"]
    assert shell(*command, cwd=tmp_path, PATH=path, SLURM_OPTIONS="--partition gpu").returncode == 0
    words = (tmp_path / "call").read_text().splitlines()
    assert words[-3:] == ["ondes", "train", "a b"]
    for option, value in (("--gres", "gpu:2"), ("--cpus-per-task", "4"), ("--partition", "gpu")):
        assert words[words.index(option) + 1] == value
    failed = shell(*command, cwd=tmp_path, PATH=path, FAKE_EXIT="3")
    assert failed.returncode == 3
    assert "train.log" in failed.stderr
    absent = shell(*command, cwd=tmp_path, PATH="/usr/bin:/bin")
    assert absent.returncode == 2
    assert "no srun" in absent.stderr


@pytest.mark.parametrize("count", [1, 3, 7, 10])
def test_subset_is_spread_evenly_and_valid(count, tmp_path, shell):
    from recipes.data.kaldi import KaldiDirectory, Utterance

    audio = tmp_path / "a.wav"
    audio.touch()
    names = [f"u{i:02d}" for i in range(10)]
    utterances = [Utterance(name, audio, f"s{i % 3}", duration=1.0, text="x") for i, name in enumerate(names)]
    KaldiDirectory.write(tmp_path / "all", utterances)
    result = shell(UTILS / "subset_data.sh", count, "all", "part", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    chosen = [int(u.utt_id[1:]) for u in KaldiDirectory.read(tmp_path / "part")]
    assert len(chosen) == count
    gaps = [later - earlier for earlier, later in zip(chosen, chosen[1:], strict=False)]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    assert not list(tmp_path.glob("part.tmp*"))


def test_download_fetches_what_is_missing_and_keeps_the_rest(tmp_path, copy_recipe, shell, write_tone):
    server = tmp_path / "server"
    for number, subset in enumerate(("train-clean-100", "dev-clean", "test-clean")):
        write_tone(tmp_path / f"made/LibriTTS/{subset}/1{number}/2/1{number}_2_0_0.wav", 120 + 20 * number)
        server.mkdir(exist_ok=True)
        with tarfile.open(server / f"{subset}.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "made/LibriTTS" / subset, f"LibriTTS/{subset}")
    folder = copy_recipe("libritts/wavehax")
    own = folder / "downloads/LibriTTS/dev-clean"
    own.mkdir(parents=True)
    options = ["--stage", "-1", "--stop_stage", "-1", "--train_set", "train-clean-100"]
    result = shell("./run.sh", *options, "--url", server.as_uri(), cwd=folder)
    assert result.returncode == 0, result.stderr
    root = folder / "downloads/LibriTTS"
    assert sorted(path.name for path in root.iterdir()) == ["dev-clean", "test-clean", "train-clean-100"]
    assert not any(own.iterdir())
    assert (root / "test-clean/12/2/12_2_0_0.wav").is_file()
    # A second run needs no server.
    assert shell("./run.sh", *options, "--url", "file:///nowhere", cwd=folder).returncode == 0


def test_download_without_network_says_what_to_do(copy_recipe, shell):
    folder = copy_recipe("libritts/wavehax")
    result = shell("./run.sh", "--stage", "-1", "--url", "file:///nowhere", cwd=folder)
    assert result.returncode == 2
    assert "pass --corpus_dir" in result.stderr.splitlines()[-1]
    assert not list((folder / "downloads").glob("*.tar.gz"))
