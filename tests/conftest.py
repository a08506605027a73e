"""Fixtures that every test may use."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from vocoders.core import plugins

REPOSITORY = Path(__file__).resolve().parent.parent
_SERVER = REPOSITORY / "tests/samples/command_server.py"


def pytest_configure() -> None:
    """Keep every test on one thread, so that equalities do not depend on the machine."""
    torch.set_num_threads(1)
    # Wall time per example depends on what else the machine does; pytest-timeout catches what hangs.
    settings.register_profile("ondes", deadline=None)
    # The same examples in every run of continuous integration; new ones at every run on a developer's machine.
    settings.register_profile("ci", deadline=None, derandomize=True, database=None)
    settings.load_profile("ci" if os.environ.get("CI") else "ondes")


@pytest.fixture(autouse=True)
def _log_lines_of_each_test() -> Iterator[None]:
    """Undo what the command line does to our loggers, so that a later test in this process still captures log lines."""
    loggers = [logging.getLogger(package) for package in ("vocoders", "effects", "recipes", "demo")]
    states = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, states, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the small corpora, from ``ONDES_DATA`` or beside the repository."""
    folder = Path(os.environ.get("ONDES_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no corpora: {folder} is absent; set ONDES_DATA")
    return folder


@pytest.fixture(scope="session")
def mini_libritts(data_folder: Path) -> Path:
    """Small speech corpus in LibriTTS layout."""
    folder = data_folder / "mini_libritts"
    if not folder.is_dir():
        pytest.skip(f"no speech corpus: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the commands `ondes` and `python` of this tree."""
    # The name of a socket must be short.
    place = Path(tempfile.mkdtemp())
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen([sys.executable, _SERVER, place / "socket"], env=environment)
    folder = tmp_path_factory.mktemp("bin")
    _write_program(folder / "ondes", f'"{sys.executable}" -SE "{_SERVER}" "{place}/socket" "$@"')
    _write_program(folder / "python", f'env PYTHONPATH="{REPOSITORY}" "{sys.executable}" "$@"')
    try:
        deadline = time.monotonic() + 120
        while not (place / "socket").exists():
            assert server.poll() is None, "the server of commands ended"
            assert time.monotonic() < deadline, "the server of commands does not start"
            time.sleep(0.05)
        yield folder
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(place)


@pytest.fixture(scope="session")
def program_path(programs: Path) -> str:
    """A ``PATH`` with these commands first, then those of this environment."""
    return os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])


def _write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {line}\n")
    path.chmod(0o755)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a package as pip leaves it, without a network; gives the folder that is on ``sys.path``.

    Called with the name of the distribution, its entry points by group and name, and its code: a folder, or the text of
    modules by name.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(name: str, points: Mapping[str, Mapping[str, str]], code: Path | Mapping[str, str]) -> Path:
        metadata = site / f"{name.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"[{group}]\n" + "".join(f"{a} = {b}\n" for a, b in items.items()) for group, items in points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        if isinstance(code, Path):
            shutil.copytree(code, site / code.name)
        else:
            for module, text in code.items():
                (site / f"{module}.py").write_text(text)
        plugins.refresh()
        return site

    yield install
    for module in [name for name, item in sys.modules.items() if str(site) in str(getattr(item, "__file__", ""))]:
        del sys.modules[module]
    plugins.refresh()
