"""Wheel and source archive, installed away from the checkout: models, examples, recipes and the demo are there."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def distributions(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source archive of this tree, and the wheel that is built from it."""
    pytest.importorskip("build", reason="the package build is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(repository)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "archive": archive}


def test_the_wheel_has_what_a_user_needs_and_nothing_else(distributions: dict[str, Path], repository: Path) -> None:
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        names = set(wheel.namelist())
    packages = {name.split("/")[0] for name in names}
    assert {name for name in packages if not name.endswith(".dist-info")} == {"vocoders", "effects", "recipes", "demo"}
    for folder in (*repository.glob("vocoders/weights/*/"), *repository.glob("effects/weights/*/")):
        assert {f"{folder.relative_to(repository)}/{file.name}" for file in folder.iterdir()} <= names
    assert {"vocoders/examples/speech.flac", "demo/assets/style.css", "recipes/egs/mini/wavehax/run.sh"} <= names
    assert "recipes/egs/utils/recipe.sh" in names
    made = ("/exp/", "/data/train", "/dump/", "__pycache__", ".nbi", ".nbc", "/tests/")
    assert not [name for name in names if any(part in name for part in made)]
    # Most of it are the weights, of which periodwave-harmonic-24k has 25 MB. PyPI takes 100 MB.
    assert distributions["wheel"].stat().st_size < 45e6


def test_the_archive_has_the_tests_and_what_builds_it(distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions["archive"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "pyproject.toml", "README.md", "NOTICE", ".ci/constraints.txt", "tests/conftest.py"} <= names
    assert "egs/mini/wavehax/run.sh" in names


@pytest.mark.parametrize("kind", ["wheel", "archive"])
def test_it_works_away_from_the_checkout(kind: str, distributions: dict[str, Path], tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    # What it depends on is that of the tests; the file's editable installations are not followed.
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [str(venv / "bin" / "pip"), "install", "--quiet", "--no-deps", str(distributions[kind])]
    subprocess.run(install, check=True, cwd=tmp_path, capture_output=True, text=True)
    left = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = left | {"PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def run(line: str) -> str:
        words = ["bash", "-c", f"set -e; {line}"]
        result = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
        return result.stdout

    place = run("python -c 'import demo.app, effects, recipes, vocoders; print(vocoders.__file__)'")
    assert place.startswith(str(venv))
    assert "wavehax-24k" in run("ondes models")
    run(f"ondes synth {site}/vocoders/examples/speech.flac -o copy.wav")
    run("ondes generate -m sashimi-digits-8k --seconds 0.2 --label seven -o seven.wav")
    run("ondes effect copy.wav -o wet.wav --model comp4c-graybox --knob threshold=-24dB")
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("copy.wav", "seven.wav", "wet.wav"))
    run("ondes recipe copy template/vocoder mine && cd mine/template/vocoder && ./run.sh --help")
