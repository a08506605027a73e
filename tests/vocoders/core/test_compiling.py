"""The cache of compiled code: shared by processes, and never the reason that something fails."""

import errno
import importlib.util
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vocoders.core import compiling

SOURCE = """
from vocoders.core.compiling import compiled

@compiled()
def total(values):
    found = values[0] * 0
    for value in values:
        found += value * {factor}
    return found
"""
_number = count()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling, "_told", set())
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)


def write(folder: Path, factor: int = 2) -> Path:
    path = folder / "summing.py"
    path.write_text(SOURCE.format(factor=factor))
    return path


def opened(path: Path) -> ModuleType:
    """Import the file as another process would do."""
    spec = importlib.util.spec_from_file_location("summing", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hits(module: ModuleType) -> int:
    return sum(module.total.stats.cache_hits.values())


def test_another_process_takes_the_compiled_code(tmp_path: Path) -> None:
    path, values = write(tmp_path), np.arange(5.0)
    assert opened(path).total(values) == 20
    again = opened(path)
    assert again.total(values) == 20
    assert hits(again) == 1


@pytest.mark.parametrize(
    ("suffix", "content"), [("nbi", b""), ("nbi", b"no pickle"), ("nbc", b"\x80\x05X\xff\xff\xff\xff")]
)
def test_damaged_files_are_replaced_and_told_once(
    suffix: str, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, values = write(tmp_path), np.arange(5.0)
    opened(path).total(values)
    for file in tmp_path.rglob(f"*.{suffix}"):
        file.write_bytes(content)
    module = opened(path)
    assert module.total(values) == 20
    assert sum("damaged" in record.message for record in caplog.records) == 1
    again = opened(path)
    assert again.total(values) == 20
    assert hits(again) == 1


def test_a_changed_source_is_compiled_again(tmp_path: Path) -> None:
    values = np.arange(5.0)
    opened(write(tmp_path)).total(values)
    assert opened(write(tmp_path, factor=31)).total(values) == 310


def test_a_full_disk_costs_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    module = opened(write(tmp_path))
    monkeypatch.setattr(module.total._cache._cache_file, "_save_data", full)
    assert module.total(np.arange(5.0)) == 20
    assert module.total(np.arange(5)) == 20
    assert sum("No space" in record.message for record in caplog.records) == 1


def test_without_any_folder_code_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def refused(function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiling, "_SharedCache", refused)
    for _ in range(2):
        assert opened(write(tmp_path)).total(np.arange(5.0)) == 20
    assert sum("NUMBA_CACHE_DIR" in record.message for record in caplog.records) == 1


@pytest.mark.slow
def test_processes_of_different_types_share_one_first_use(tmp_path: Path, repository: Path) -> None:
    """Each takes the code of its own type, whoever was first; four tries with eight processes."""
    types = ("f4", "f8", "i4", "i8")
    for attempt in range(2):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        write(folder)
        line = (
            "import sys, numpy, summing; t = sys.argv[1]; v = summing.total(numpy.arange(5, dtype=t)); "
            "assert v == 20 and summing.total(numpy.arange(3, dtype=t)) == 6, v"
        )
        for _ in range(2):
            running = [
                subprocess.Popen(
                    [sys.executable, "-c", line, types[number % 4]],
                    env={"PYTHONPATH": f"{folder}:{repository}", "PATH": "/usr/bin:/bin"},
                )
                for number in range(8)
            ]
            assert [process.wait(120) for process in running] == [0] * 8
