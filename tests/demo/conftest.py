"""Fixtures of the demo's tests: one server for all of them, on tiny models of every family."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed (extra 'demo')")
sys.path.insert(0, str(Path(__file__).parent))

import demo_server


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """Folder with a random model of every family."""
    return demo_server.write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def server(tmp_path_factory, model_folder):
    """The demo, running and warm."""
    with demo_server.serve(tmp_path_factory.mktemp("server"), "--models", str(model_folder)) as running:
        demo_server.wait_until_warm(running)
        yield running
