"""The server under valid and hostile requests at the same time."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

for package in ("fastapi", "uvicorn", "websockets", "httpx"):
    pytest.importorskip(package)

from serving_load import run_load  # noqa: E402
from serving_model import serving, tiny_model  # noqa: E402

from recipes.serving.limits import Limits  # noqa: E402


@pytest.mark.slow
def test_eight_clients_good_and_bad_get_what_is_theirs(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests have temporary files too
    limits = Limits(clients=6, seconds=2.0, message_bytes=200_000, idle_seconds=20.0)
    with serving(tiny_model(), limits) as address:
        # In a thread of its own: the browser of other tests leaves a running loop in this one.
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(asyncio.run, run_load(address, seconds=20)).result()
    assert load.faults == []
    assert load.left == 0
    assert min(load.counts[kind] for kind in ("stream", "file", "hostile")) > 0
    assert max(load.megabytes) - load.megabytes[0] < 100
