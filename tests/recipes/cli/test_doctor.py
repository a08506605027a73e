"""`ondes doctor` tells what is there, what is missing and what does not work; completion and version."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recipes.doctor.places
import recipes.doctor.tools
from recipes.doctor import Section, examine
from recipes.doctor.report import _tried
from vocoders.core.audio_formats import WRITABLE_SUFFIXES
from vocoders.version import __version__

REPOSITORY = Path(__file__).parents[3]


def test_the_report_names_versions_devices_extras_formats_and_places(ondes) -> None:
    run = ondes("doctor", "--json")
    report = json.loads(run.out)
    assert run.code == (1 if report["faults"] else 0)
    assert report["versions"]["ondes"] == __version__
    assert report["devices"]["cores"] >= 1
    assert {"train", "metrics", "f0", "export", "demo"} <= report["extras"].keys()
    assert not {"dev", "all"} & report["extras"].keys()
    assert report["audio formats"]["writes"] == list(WRITABLE_SUFFIXES)
    assert report["compiled code"]["numba"] == "on"
    assert "wavehax-24k" in report["shipped models"]["names"]
    assert len(report["caches"]) == 3
    text = ondes("doctor").out
    assert all(title in text for title in report if title not in ("advice", "faults"))


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.doctor.tools, "_is_installed", lambda package: package != "h5py")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    sections = {section.title: section for section in examine()}
    assert sections["extras"].facts["formats"] == "lacks h5py"
    assert sections["extras"].facts["train"] == "installed"
    assert any("ondes[formats]" in line for line in sections["extras"].advice)
    assert sections["audio formats"].facts["ffmpeg"] is None
    assert any("ffmpeg" in line for line in sections["audio formats"].advice)
    assert sections["compiled code"].facts["C compiler"] is None


def test_a_pair_that_does_not_fit_is_a_fault(monkeypatch: pytest.MonkeyPatch, ondes) -> None:
    monkeypatch.setattr(recipes.doctor.tools, "torchaudio_advice", lambda: "torchaudio 1 does not fit torch 2: pip ...")
    run = ondes("doctor")
    assert run.code == 1
    assert "does not work\n  - torchaudio 1 does not fit" in run.out


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDES_CACHE", "/proc/1/none")
    section = recipes.doctor.places.folders()
    assert "cannot be written" in str(section.facts["graph cache"])
    assert any("ONDES_CACHE" in line for line in section.advice)
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path / "not" / "yet"))
    assert str(recipes.doctor.places.folders().facts["graph cache"]).endswith("can be written")


def test_a_machine_without_a_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.gettempdir", fail)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    section = recipes.doctor.places.folders()
    assert any("TMPDIR" in line for line in section.advice)
    assert "current folder" in section.facts


def test_a_part_that_fails_is_a_fault_of_its_own() -> None:
    def broken_part() -> Section:
        raise OSError("libcudart.so.12: cannot open\nsecond line")

    assert _tried(broken_part) == Section("broken part", {}, faults=["OSError: libcudart.so.12: cannot open"])


def test_version_and_completion(tmp_path: Path, ondes) -> None:
    assert ondes("--version").out == f"ondes {__version__}\n"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "SHELL": "/bin/bash"}
    command = [sys.executable, "-m", "recipes.cli.main"]
    asked = environment | {"_ONDES_COMPLETE": "complete_bash", "COMP_WORDS": "ondes doc", "COMP_CWORD": "1"}
    found = subprocess.run(command, env=asked, capture_output=True, text=True, timeout=120)
    assert found.stdout.split() == ["doctor"]
    asked = environment | {"_ONDES_COMPLETE": "source_bash"}
    shown = subprocess.run(command, env=asked, capture_output=True, text=True, timeout=120)
    assert "_ONDES_COMPLETE" in shown.stdout, shown.stderr
