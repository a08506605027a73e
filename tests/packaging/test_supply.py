"""Bounds, exact releases, licences, workflows and citation: what goes out with ondes, and who may send it."""

import json
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from vocoders.version import __version__

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LICENCES = runpy.run_path(str(REPOSITORY / ".ci" / "licences.py"))
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def _lines(name: str) -> list[str]:
    return (REPOSITORY / name).read_text(encoding="utf-8").splitlines()


def _requirements() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def test_every_requirement_has_a_lower_bound_and_none_is_exact() -> None:
    for requirement in _requirements():
        operators = {part.operator for part in requirement.specifier}
        assert requirement.name == "ondes" or ">=" in operators, requirement
        assert not operators & {"==", "===", "~="}, requirement
    torch = Requirement(PROJECT["dependencies"][0])
    assert all(release in torch.specifier for release in ("2.6.0", "2.11.0", "2.15.0"))
    assert "3.0.0" not in torch.specifier


def test_the_exact_releases_are_allowed_and_complete() -> None:
    lines = [line.split("==") for line in _lines(".ci/constraints.txt") if line[0] != "#"]
    exact = {name.lower().replace("_", "-"): release for name, release in lines}
    (own,) = (line for line in map(Requirement, PROJECT["optional-dependencies"]["dev"]) if line.name == "ondes")
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in ("dev", *own.extras))]
    for requirement in (Requirement(line) for group in groups for line in group):
        name = requirement.name.lower().replace("_", "-")
        if name != "ondes":
            assert name in exact, f"{name} has no release in .ci/constraints.txt"
            assert exact[name] in requirement.specifier, requirement


def test_the_core_is_small_and_has_no_compiler() -> None:
    core = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert not core & {"torchaudio", "pyworld", "onnx", "onnxruntime", "matplotlib", "gradio", "pesq"}
    assert len(core) <= 16


def test_notice_names_every_dependency_with_its_licence() -> None:
    told = {line.split(": ")[0]: line.split(": ")[1] for line in _lines("NOTICE") if re.match(r"[a-z0-9-]+: ", line)}
    for name, package in LICENCES["closure"]().items():
        assert name in told, f"{name} is missing in NOTICE; run make notice"
        assert not LICENCES["is_refused"](LICENCES["licence_of"](package)), name
    assert LICENCES["RESTRICTED"].keys() <= told.keys()


def test_licences_that_not_everyone_can_use_are_recognised() -> None:
    refused, is_refused = (
        ("GPL-3.0-only", "AGPL-3.0", "CC BY-NC 4.0 NonCommercial", "not declared"),
        LICENCES["is_refused"],
    )
    assert all(map(is_refused, refused))
    assert not any(map(is_refused, ("MIT", "LGPL-2.1-or-later", "GPL-2.0 OR MIT", "Apache-2.0")))


def test_nothing_else_depends_on_restricted_extras() -> None:
    restricted = LICENCES["RESTRICTED"].keys()
    for extra, lines in PROJECT["optional-dependencies"].items():
        nested = {inner for line in lines for inner in Requirement(line).extras}
        assert extra == "dev" or not nested & restricted, extra


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_bounded_and_call_what_exists(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", True, "permissions", "jobs"} <= workflow.keys()  # YAML reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    names = set(workflow["jobs"])
    for name, job in workflow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 90, name
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= names
        assert "secrets." not in str(job)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[\w./-]+", step.get("uses", "a/b@v1"))
            for script in re.findall(r"\.ci/\w+", step.get("run", "")):
                assert (REPOSITORY / script).exists()


def test_a_release_is_published_without_a_secret_after_it_was_tried() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/publish.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "try"
    assert jobs["try"]["needs"] == "build"
    tried = set(jobs["try"]["strategy"]["matrix"]["python"])
    classified = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert tried == classified


def test_forms_and_hooks_are_well_formed() -> None:
    for path in (REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= form.keys()
        assert len({part["id"] for part in form["body"]}) == len(form["body"])
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    programs = {hook["entry"].split()[0] for repository in hooks["repos"] for hook in repository["hooks"]}
    assert all(shutil.which(program) for program in programs - {"lint-imports", "ruff"})


def test_versions_agree() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert f"## {__version__}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


def test_scripts_are_sound() -> None:
    for script in (REPOSITORY / ".ci").iterdir():
        if script.read_bytes().startswith(b"#!"):
            subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_image_copies_what_exists_and_installs_what_is_declared() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert {name for name, _ in steps} <= {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "CMD"}
    copied = [word for name, rest in steps if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]]
    assert all((REPOSITORY / place).exists() for place in copied)
    assert set(PROJECT["license-files"]) | {PROJECT["readme"], "pyproject.toml"} <= set(copied)
    # It is built away from what a checkout has besides.
    assert {"vocoders", "effects", "recipes", "demo", "egs", ".ci"} <= set(copied)
    text = "\n".join(lines)
    extras = re.search(r"'\.\[([\w,]+)\]'", text)
    assert extras
    assert set(extras[1].split(",")) <= PROJECT["optional-dependencies"].keys()
    torch = re.search(r"torch==([\d.]+)", text)
    assert torch
    assert f"torch=={torch[1]}" in _lines(".ci/constraints.txt")
    # The program does not run as root.
    assert [name for name, _ in steps].index("USER") < [name for name, _ in steps].index("CMD")


def test_the_development_container_is_well_formed() -> None:
    container = json.loads((REPOSITORY / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert "make install" in container["postCreateCommand"]
