"""Graphs in the cache folder: nothing there may stop a synthesis."""

from pathlib import Path

import pytest

from vocoders.runtimes import cache


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_told", set())
    for name in ("ONDES_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def homeless(self: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_graphs_are_made_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(Path, "expanduser", homeless)
    for _ in range(3):
        assert cache.cached_graph("x", lambda: b"graph") == b"graph"
    assert len(caplog.records) == 1
    assert cache.made_folder("openvino") is None


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path / "file"))
    for _ in range(3):
        assert cache.cached_graph("x", lambda: b"graph") == b"graph"
    assert cache.made_folder("openvino") is None
    assert len({record.message for record in caplog.records if "not kept" in record.message}) <= 2


def test_damaged_graphs_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDES_CACHE", str(tmp_path))
    made = []
    for damage in (None, None, b"", b"shorter", bytes(100)):
        if damage is not None:
            (tmp_path / "graphs" / "x.onnx").write_bytes(damage)
        assert cache.cached_graph("x", lambda: made.append(1) or b"graph") == b"graph"
    assert len(made) == 4
