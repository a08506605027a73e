"""The toy package, installed; recordings; and the command line as a function."""

import tomllib
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

TOY = Path(__file__).parents[1] / "toy_package"


@pytest.fixture
def toy(install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the toy package and work in an empty folder beside its recipes and some recordings."""
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    install(project["name"], project["entry-points"], TOY / "ondes_toy")
    work = tmp_path / "work"
    (work / "recordings").mkdir(parents=True)
    (work / "conf").symlink_to(TOY / "conf")
    rows = ["file,speaker,text"]
    for number in range(6):
        time = np.arange(16000) / 16000
        noise = np.random.default_rng(number).standard_normal(len(time))
        audio = 0.1 * np.sin(2 * np.pi * (110 + 20 * number) * time) + 0.01 * noise
        soundfile.write(work / f"recordings/clip{number}.wav", audio, 16000)
        rows.append(f"clip{number}.wav,speaker{number % 2},clip {number}")
    (work / "recordings/list.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def ondes(capfd: pytest.CaptureFixture[str]) -> Callable[..., types.SimpleNamespace]:
    """Run the command line; gives its exit code, standard output and standard error."""
    from recipes.cli.main import main

    def run(line: str, code: int = 0) -> types.SimpleNamespace:
        capfd.readouterr()
        found = main(line.split())
        out, err = capfd.readouterr()
        assert found == code, f"ondes {line}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return types.SimpleNamespace(out=out, err=err)

    return run
