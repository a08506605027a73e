"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Keep every test on one thread, so that equalities do not depend on the machine."""
    torch.set_num_threads(1)
    # Wall time per example depends on what else the machine does; pytest-timeout catches what hangs.
    settings.register_profile("ondes", deadline=None)
    # The same examples in every run of continuous integration; new ones at every run on a developer's machine.
    settings.register_profile("ci", deadline=None, derandomize=True, database=None)
    settings.load_profile("ci" if os.environ.get("CI") else "ondes")


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
