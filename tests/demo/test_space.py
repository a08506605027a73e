"""A hosted space is complete, and its requirements are those of the project."""

import re
import urllib.request

import pytest
import yaml
from demo_server import serve

from demo.space import main, write_space
from vocoders.core.errors import ConfigError

tomllib = pytest.importorskip("tomllib")


def test_front_matter_says_what_a_space_needs(repository, tmp_path) -> None:
    text = (repository / "demo" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert {"title", "sdk", "sdk_version", "app_file", "license", "python_version"} <= front.keys()
    assert front["sdk"] == "gradio"
    assert len(front["short_description"]) <= 60
    assert (write_space(tmp_path / "space") / front["app_file"]).is_file()


def test_requirements_follow_the_project(repository) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (repository / "demo" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {line for line in lines if line and line[0].isalpha()}
    # The command line is not part of a space.
    wanted = {line for line in project["dependencies"] if not line.startswith(("typer", "rich"))}
    assert wanted <= required
    version = next(re.fullmatch(r"gradio>=([\d.]+),<(\d+)", line) for line in required if line.startswith("gradio"))
    front = (repository / "demo" / "README.md").read_text(encoding="utf-8")
    assert f"sdk_version: {version[1]}." in front


def test_a_space_never_overwrites_the_repository(repository, capsys) -> None:
    with pytest.raises(ConfigError, match="choose another folder"):
        write_space(repository)
    assert main([str(repository / "demo" / "x")]) == 1
    assert "choose another folder" in capsys.readouterr().err
    assert not (repository / "demo" / "x").exists()


@pytest.mark.slow
def test_a_space_runs_as_it_is(tmp_path) -> None:
    space = write_space(tmp_path / "space")
    assert {path.name for path in space.iterdir()} == {
        "README.md",
        "app.py",
        "requirements.txt",
        "vocoders",
        "effects",
        "demo",
    }
    assert not list(space.rglob("__pycache__"))
    # Its own packages have to be imported, not those of this installation.
    page = space / "demo" / "app.py"
    page.write_text(page.read_text(encoding="utf-8").replace("# ondes", "# ondes in a space"), encoding="utf-8")
    with serve(tmp_path / "run", program=("app.py",), cwd=space) as server:
        with urllib.request.urlopen(server.url, timeout=60) as answer:
            assert "ondes in a space" in answer.read().decode()
