"""Many requests at the same time: none fails, and the memory settles."""

import pytest
from load import run_load

pytestmark = pytest.mark.slow
pytest.importorskip("gradio_client")


def test_fifty_mixed_requests_from_four_clients(server, tmp_path) -> None:
    run_load(server, tmp_path, requests=30, seed=1)
    settled = server.memory_bytes
    found = run_load(server, tmp_path, requests=50)
    assert not found["failures"]
    assert server.memory_bytes - settled < 200e6, found
    # Files that requests left are within Gradio's folder, which goes with the server.
    assert server.process.poll() is None
