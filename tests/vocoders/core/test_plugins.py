"""Open registries: installed packages add to them, and can break nothing."""

from importlib.metadata import EntryPoint

import pytest

from vocoders.core import plugins
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import Registry


@pytest.fixture
def registry(monkeypatch):
    """A registry of strings beside four packages: a good one, and three that are not."""
    points = {
        name: EntryPoint(name, value, "ondes.words")
        for name, value in [
            ("digits", "string:digits"),
            ("own", "string:octdigits"),
            ("gone", "no_such_module_of_ours:word"),
            ("wrong", "string:capwords"),
        ]
    }
    monkeypatch.setattr(plugins, "_points", lambda group: points if group == "ondes.words" else {})
    plugins._warn_taken.cache_clear()
    return Registry("word", "ondes.words", {"own": "ours"}, str)


def test_own_names_come_first_and_cannot_be_taken(registry, caplog):
    assert list(registry) == ["own", "digits", "gone", "wrong"]
    assert len(registry) == 4
    assert registry["own"] == "ours"
    assert "'own'" in caplog.text


def test_what_a_package_brings_is_imported_when_it_is_asked_for(registry):
    assert registry["digits"] == "0123456789"
    assert registry.find("digits") is registry["digits"]
    assert "digits" in registry


@pytest.mark.parametrize("name", ["gone", "wrong"])
def test_a_broken_package_is_named_and_breaks_nothing_else(registry, name, caplog):
    with pytest.raises(ConfigError, match=f"word '{name}'"):
        registry.find(name)
    assert registry.usable() == {"own": "ours", "digits": "0123456789"}
    assert caplog.text.count("left out") >= 2


def test_unknown_names_show_the_nearest(registry):
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        registry.find("digit")
    with pytest.raises(KeyError):
        registry["digit"]


def test_a_process_can_add_and_take_away(registry):
    registry["mine"] = "here"
    assert registry.find("mine") == "here"
    del registry["mine"]
    assert "mine" not in registry
