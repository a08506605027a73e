"""The command as a whole: help, version, exit codes, start-up time."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from vocoders.version import __version__

COMMANDS = ["synth", "models", "info", "convert", "prepare", "features", "train", "decode", "evaluate", "pack"]


def test_no_arguments_show_help_with_every_command(ondes) -> None:
    for arguments in [(), ("--help",), ("-h",)]:
        run = ondes(*arguments)
        assert run.code == 0
        listed = [line.split()[1] for line in run.out.splitlines() if line.startswith("│ ") and line[2] != " "]
        assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(ondes, command: str) -> None:
    run = ondes(command, "--help")
    assert run.code == 0
    assert f"ondes {command}" in run.out


def test_version(ondes) -> None:
    assert ondes("--version").out == f"ondes {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["synht"], "Did you mean 'synth'"),
        (["synth", "--modle", "x"], "ondes synth --help"),
        (["synth", "x.wav"], "--output"),
        (["synth", "-o", "x.wav"], "INPUTS"),
        (["synth", "x.wav", "-o", "y", "--seed", "one"], "--seed"),
        (["convert", "x", "-o", "y"], "--family"),
    ],
)
def test_misuse_is_one_line_and_exit_2(ondes, arguments: list[str], part: str) -> None:
    run = ondes(*arguments)
    assert run.code == 2
    assert run.out == ""
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert part in run.err


def _environment(repository: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), os.environ.get("PYTHONPATH", "")])}


def test_a_working_folder_that_was_removed_is_the_cause_that_is_told(ondes, monkeypatch, tmp_path) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    run = ondes("prepare", "folder", "a", "b")
    assert run.code == 2
    assert "working folder" in run.err


def test_start_is_quick_because_nothing_heavy_is_imported(repository: Path) -> None:
    heavy = "torch, numpy, scipy, librosa, soundfile, accelerate, matplotlib, huggingface_hub, safetensors"
    code = (
        "import sys; from recipes.cli.main import main; code = main(['synth', '--help'])\n"
        f"loaded = [name for name in '{heavy}'.split(', ') if name in sys.modules]\n"
        "sys.exit(f'imported {loaded}' if loaded else code)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment(repository))
    assert run.returncode == 0, run.stderr
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "recipes.cli.main", "--help"]
    subprocess.run(command, check=True, capture_output=True, env=_environment(repository))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # 0.3 s; processor time and not the clock, so that a busy machine does not matter.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_closed_pipe_is_no_traceback(repository: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "recipes.cli.main", "--help"]
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=_environment(repository))
    os.close(writer)
    assert run.returncode == 1
    assert run.stderr == ""


def test_a_package_of_an_extra_that_is_missing_is_one_line() -> None:
    code = (
        "import sys; sys.modules['auraloss'] = None\n"
        "from recipes.cli.main import main; sys.exit(main(['config', 'explain', 'trainer']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert "auraloss" in run.stderr
    assert "ondes[" in run.stderr
    assert run.stderr.count("\n") == 1


def test_try_works_without_the_packages_of_metrics(ondes, monkeypatch, tmp_path):
    for name in ("pesq", "matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    run = ondes("try", "-o", tmp_path)
    assert run.code == 0
    assert "not drawn" in run.out
    assert "pesq" in run.out
    assert (tmp_path / "speech.wav").stat().st_size > 1000
