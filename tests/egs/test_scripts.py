"""The shell scripts of the recipes: options, launchers, data sets, downloads and their errors."""

import os
import re
import shlex
import shutil
import tarfile
from pathlib import Path

import pytest
import typer
import typer.core

from recipes.cli.main import app

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
    for option in ("stage", "stop_stage", "n_gpus", "nj", "conf", "tag", "resume", "init", "checkpoint"):
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
        (["--nj", "two"], "found 'two'"),
        (["--nj", "0"], "at least one process"),
        (["--conf", "conf/none.yaml"], "no such configuration"),
        (["--backend", "cloud"], "unknown backend 'cloud'"),
        (["trainer.max_steps"], "key=value"),
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
        ("mini/wavehax", ["--corpus_dir", "/no/corpus"], "/no/corpus: "),
        ("libritts/wavehax", ["--corpus_dir", "/no/corpus"], "stage -1"),
        ("mini/periodwave", [], "pass --corpus_dir"),
        ("libritts/periodwave", ["--corpus_dir", "/no/corpus"], "stage -1"),
        ("ljspeech/periodwave", ["--corpus_dir", "/no/corpus"], "stage -1"),
        ("template/vocoder", [], "pass --audio_dir"),
        ("template/vocoder", ["--audio_dir", "/no/audio"], "/no/audio: "),
    ],
)
def test_missing_corpus_is_one_line(recipe, arguments, message, copy_recipe, shell):
    folder = copy_recipe(recipe)
    result = shell("./run.sh", "--stage", "0", *arguments, cwd=folder)
    _check_refusal(result, message)


def _check_refusal(result, message):
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [
        ("mini/periodwave_turbo", []),
        ("mini/periodwave_turbo", ["--conf", "conf/turbo1.yaml"]),
        ("libritts/periodwave_turbo", []),
        ("ljspeech/periodwave", ["--conf", "conf/turbo.yaml"]),
        ("template/vocoder", ["--conf", "turbo.yaml"]),
    ],
)
def test_turbo_refuses_to_start_from_nothing(recipe, arguments, copy_recipe, shell):
    folder = copy_recipe(recipe)
    shutil.copy2(EGS / "libritts/periodwave_turbo/conf/turbo_small.yaml", folder / "turbo.yaml")
    # Before the data stages, which may take hours.
    result = shell("./run.sh", *arguments, cwd=folder)
    _check_refusal(result, "tunes a model that is trained already; pass --init PATH")
    assert result.stdout == ""
    result = shell("./run.sh", *arguments, "--init", "exp/none", cwd=folder)
    _check_refusal(result, f"{folder}/exp/none: nothing to start from; pass --init PATH")
    # A run that was begun needs its start no more, and stages before training never do.
    defaults = {"mini/periodwave_turbo": "turbo4", "libritts/periodwave_turbo": "turbo_base"}
    tag = Path(arguments[1]).stem if arguments else defaults[recipe]
    checkpoint = folder / "exp" / tag / "checkpoints/checkpoint-00000001.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert "--init" not in shell("./run.sh", *arguments, cwd=folder).stderr
    checkpoint.unlink()
    assert "--init" not in shell("./run.sh", *arguments, "--stop_stage", "1", cwd=folder).stderr


def test_training_starts_from_a_shipped_model_by_its_name(copy_recipe, shell):
    folder = copy_recipe("template/vocoder")
    arguments = ("--stage", "2", "--stop_stage", "2", "--n_gpus", "0", "--init")
    _check_refusal(shell("./run.sh", *arguments, "wavehax-25k", cwd=folder), "wavehax-25k: nothing to start from")
    found = shell("./run.sh", *arguments, "wavehax-24k", cwd=folder).stderr
    assert "ondes features" in found  # there are no features yet
    assert "nothing to start from" not in found


def test_absent_folder_of_predictions_is_one_line(copy_recipe, shell):
    folder = copy_recipe("libritts/periodwave")
    result = shell("./run.sh", "--predicted", "none", cwd=folder)
    _check_refusal(result, f"{folder}/none: no such folder; pass --predicted")
    assert not (folder / "data").exists()


def _parse(words):
    """Let the real command read its arguments; what it does not know is an error."""
    command = typer.main.get_command(app)
    while isinstance(command, typer.core.TyperGroup):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("ondes", list(words))


@pytest.mark.parametrize(
    ("recipe", "options", "expected"),
    [
        ("mini/wavehax", [], "last"),
        ("mini/wavehax", ["--checkpoint", "best"], "best"),
        ("mini/wavehax", ["--checkpoint", "400"], "400"),
        ("mini/wavehax", ["--checkpoint", "some/best.pt"], "FOLDER/some/best.pt"),
        ("mini/wavehax", ["--checkpoint", "/a/b.pt"], "/a/b.pt"),
        ("mini/wavehax", ["--checkpoint", ""], "last"),
        ("mini/sashimi_digits", [], "last"),
        ("comp4c/tcn", ["--checkpoint", "best"], "best"),
        ("sc09/sashimi", [], "best"),
        ("sc09/sashimi", ["--conf", "conf/diffwave_small.yaml"], "last"),
        ("sc09/sashimi", ["--checkpoint", "last"], "last"),
        ("youtubemix/sashimi", [], "best"),
        ("beethoven/sashimi", ["--checkpoint", "100"], "100"),
    ],
)
def test_the_chosen_checkpoint_reaches_every_command(recipe, options, expected, copy_recipe, shell, tmp_path):
    """With an `ondes` that only writes down what it is called with."""
    folder = copy_recipe(recipe)
    program = tmp_path / "bin/ondes"
    program.parent.mkdir()
    # What is generated goes to its last argument, and is drawn by the next command.
    program.write_text(
        '#!/usr/bin/env bash\nprintf "%q " "$@" >>"$CALLS"\necho >>"$CALLS"\n'
        'if [ "$1" = generate ]; then mkdir -p "${@: -1}" && touch "${@: -1}/a.wav"; fi\n'
    )
    program.chmod(0o755)
    (folder / "path.sh").write_text(f'export PATH="{program.parent}:$PATH" CALLS="{tmp_path}/calls"\n')
    shell("./run.sh", "--stage", "3", "--stop_stage", "5", "--tag", "x", *options, cwd=folder)
    for stage in ("4", "5"):
        result = shell("./run.sh", "--stage", stage, "--stop_stage", stage, "--tag", "x", *options, cwd=folder)
        assert result.returncode == 0, result.stderr
    calls = [shlex.split(line) for line in (tmp_path / "calls").read_text().splitlines()]
    for words in calls:
        _parse(words)
    calls = [words for words in calls if words[0] in ("decode", "pack") or words[:2] == ["evaluate", "likelihood"]]
    assert {words[0] for words in calls} >= {"pack"}
    assert {words[words.index("--checkpoint") + 1] for words in calls} == {expected.replace("FOLDER", str(folder))}


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


@pytest.mark.parametrize("launcher", ["local.sh", "slurm.sh"])
def test_a_failed_job_shows_its_errors_once_and_not_what_torchrun_adds(launcher, tmp_path, shell):
    fake = tmp_path / "bin/srun"
    fake.parent.mkdir()
    fake.write_text('#!/usr/bin/env bash\nwhile [ "$1" != --output ]; do shift; done\n"${@:5}" >>"$2" 2>&1\n')
    fake.chmod(0o755)
    said = "for i in 1 2; do echo 'error: 4 GPUs wanted'; echo '  on 2 nodes'; done; seq 1 50; echo '  below'; exit 2"
    words = [tmp_path / "job.log", "bash", "-c", said]
    run = shell(UTILS / launcher, *words, cwd=tmp_path, PATH=f"{fake.parent}:/usr/bin:/bin")
    first, more, last = run.stderr.splitlines()
    assert (run.returncode, first, more) == (2, "error: 4 GPUs wanted", "  on 2 nodes")
    assert "exit code 2" in last
    assert "50" in (tmp_path / "job.log").read_text()


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


def _write_data(folder, names, audio):
    from recipes.data.kaldi import KaldiDirectory, Utterance

    audio.touch()
    KaldiDirectory.write(folder, [Utterance(name, audio, "s", duration=1.0) for name in names])


def _ids(folder):
    return [line.split()[0] for line in (folder / "utt2spk").read_text().splitlines()]


def test_subset_by_list(tmp_path, shell):
    names = [f"u{i}" for i in range(6)]
    _write_data(tmp_path / "all", names, tmp_path / "a.wav")
    (tmp_path / "all/feats.scp").write_text("".join(f"{name} /x/{name}.npy\n" for name in names))
    # As lists come: plain ids, paths, transcripts after a bar, Windows line ends.
    (tmp_path / "list").write_text("u4|some words|more\ndev/1/2/u1.wav|x\nu3\r\nu9\n\n")
    result = shell(UTILS / "subset_data.sh", "--list", "list", 0, "all", "part", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert _ids(tmp_path / "part") == ["u1", "u3", "u4"]
    assert re.fullmatch(r"warning: list .*\b4\b.* 3 .*\n", result.stderr)
    assert (tmp_path / "part/feats.scp").read_text().split()[::2] == ["u1", "u3", "u4"]
    # What another data directory holds is a list too; both parts together are the whole.
    result = shell(UTILS / "subset_data.sh", "--except", "part/utt2spk", 0, "all", "rest", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert _ids(tmp_path / "rest") == ["u0", "u2", "u5"]
    result = shell(UTILS / "subset_data.sh", "--except", "part/utt2spk", 2, "all", "rest", cwd=tmp_path)
    assert len(_ids(tmp_path / "rest")) == 2
    for options in (["--list", "none"], ["--list", "list", "--except", "list"], ["--except", "all/utt2spk"]):
        refused = shell(UTILS / "subset_data.sh", *options, 0, "all", "bad", cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: ")
        assert not list(tmp_path.glob("bad*"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_subset_by_the_list_of_an_editor(encoding, end, tmp_path, shell):
    _write_data(tmp_path / "all", [f"u{i}" for i in range(4)], tmp_path / "a.wav")
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "list").write_bytes((mark + end.join(["u2|café", "x/u1.wav|naïve", ""])).encode(encoding))
    result = shell(UTILS / "subset_data.sh", "--list", "list", 0, "all", "part", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert _ids(tmp_path / "part") == ["u1", "u2"]


@pytest.mark.parametrize("by_list", [False, True])
def test_ljspeech_is_downloaded_and_split(by_list, tmp_path, copy_recipe, shell, write_tone):
    corpus = tmp_path / "made/LJSpeech-1.1"
    names = [f"LJ001-{number:04d}" for number in range(1, 9)]
    for number, name in enumerate(names):
        write_tone(corpus / f"wavs/{name}.wav", 150 + 10 * number, 22050, 0.3)
    (corpus / "metadata.csv").write_text("".join(f"{name}|Text|text\n" for name in names))
    with tarfile.open(tmp_path / "LJSpeech-1.1.tar.bz2", "w:bz2") as archive:
        archive.add(corpus, "LJSpeech-1.1")
    folder = copy_recipe("ljspeech/periodwave")
    (folder / "test.txt").write_text(f"{names[2]}|some text\n{names[5]}|some text\n")
    options = ["--test_list", "test.txt"] if by_list else ["--num_test", "2"]
    command = ["./run.sh", "--stage", "-1", "--stop_stage", "0", "--nj", "1", "--num_dev", "1", *options]
    url = (tmp_path / "LJSpeech-1.1.tar.bz2").as_uri()
    result = shell(*command, "--url", url, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (folder / "downloads").iterdir()] == ["LJSpeech-1.1"]
    parts = {name: _ids(folder / "data" / name) for name in ("train", "dev", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 5, "dev": 1, "test": 2}
    assert sorted(sum(parts.values(), [])) == names
    if by_list:
        assert parts["test"] == [names[2], names[5]]


def test_libritts_sets_by_list(tmp_path, copy_recipe, shell, write_tone):
    names = [f"1_2_{number}_0" for number in range(4)]
    for subset in ("train-clean-100", "dev-clean", "test-clean"):
        for name in names:
            write_tone(tmp_path / f"corpus/{subset}/1/2/{name}.wav", 150, seconds=0.2)
    folder = copy_recipe("libritts/periodwave")
    (tmp_path / "dev.txt").write_text(f"dev-clean/1/2/{names[3]}|text\n")
    sets = ["--train_set", "train-clean-100", "--dev_set", "dev-clean", "--test_set", "test-clean", "--num_test", "2"]
    options = ["--stage", "0", "--stop_stage", "0", "--nj", "1", "--corpus_dir", "corpus", "--dev_list", "dev.txt"]
    # Relative paths count from where the user stands.
    result = shell(folder / "run.sh", *options, *sets, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert _ids(folder / "data/dev") == [names[3]]
    assert (len(_ids(folder / "data/train")), len(_ids(folder / "data/test"))) == (4, 2)


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
    result = shell("./run.sh", "--stage", "-1", "--url", "file:///nowhere", "--n_gpus", "0", cwd=folder)
    assert result.returncode == 2
    assert "pass --corpus_dir" in result.stderr.splitlines()[-1]
    assert not list((folder / "downloads").glob("*.tar.gz"))
