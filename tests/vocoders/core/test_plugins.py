"""Open registries: installed packages add to them, and can break nothing."""

import sys

import pytest

from vocoders.core import plugins
from vocoders.core.errors import ConfigError, MissingExtraError
from vocoders.core.plugins import Plugin, Registry, check_name, import_place

GROUP = "ondes.words"
MODULES = {
    "good_words": '''
"""Words."""
DIGITS = "0123456789"

def spell(text):
    """Spell a text.

    Letter by letter.
    """
''',
    "sad_words": "raise RuntimeError('no words\\nat all')",
    "rude_words": "import sys\nsys.exit('enough')",
}


@pytest.fixture
def messages(monkeypatch):
    """What is told, whatever the command line has done to the loggers."""
    found = []
    monkeypatch.setattr(plugins._logger, "warning", lambda text, *values: found.append(text % values))
    return found


@pytest.fixture
def registry(install):
    """A registry of strings beside a good package, and one with everything that can be wrong."""
    install("good-words", {GROUP: {"digits": "good_words:DIGITS", "other": "good_words:DIGITS"}}, MODULES)
    bad = {
        "own": "good_words:DIGITS",
        "digits": "string:octdigits",
        "kept": "good_words:DIGITS",
        "sibling": "good_words:DIGITS",
        "gone": "no_such_module_of_ours:word",
        "lost": "good_words:NO_SUCH_WORD",
        "sad": "sad_words:WORD",
        "rude": "rude_words:WORD",
        "wrong": "good_words:spell",
        "refused": "string:hexdigits",
    }
    install("poor-words", {GROUP: bad}, {})

    def check(name: str, item: str) -> None:
        if name == "refused":
            raise ConfigError("a poor word")

    Registry("word", "ondes.siblings", {"sibling": "theirs"}, str)
    return Registry("word", GROUP, {"own": "ours"}, str, reserved=lambda: ["kept"], check=check)


BROKEN = ["gone", "lost", "sad", "rude", "wrong", "refused"]
TAKEN = {"own": "ondes", "kept": "ondes", "sibling": "ondes", "digits": "the package 'good-words'"}


def test_names_are_listed_without_an_import_and_taken_ones_stay_where_they_are(registry, messages):
    assert list(registry) == ["own", "digits", "other", *sorted(BROKEN)]
    assert len(registry) == 9
    assert registry.added() == list(registry)[1:]
    assert registry["own"] == "ours"
    assert "kept" not in registry
    assert not {"good_words", "sad_words"} & set(sys.modules)
    assert len(messages) == len(TAKEN)
    for name, owner in TAKEN.items():
        assert sum(f"'{name}' of the package 'poor-words'" in text and owner in text for text in messages) == 1


def test_what_a_package_brings_is_imported_when_it_is_asked_for(registry):
    assert registry["digits"] == "0123456789"
    assert registry.find("digits") is registry["digits"]
    assert "digits" in registry


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_named_in_one_line(registry, name):
    for _ in range(2):
        with pytest.raises(ConfigError, match=f"'{name}'.* 'poor-words'") as caught:
            registry.find(name)
        assert "\n" not in str(caught.value)


def test_what_is_broken_is_left_out_and_told_once(registry, messages):
    whole = {"own": "ours", "digits": "0123456789", "other": "0123456789"}
    assert registry.usable() == whole
    assert dict(registry.items()) == whole
    assert list(registry.values()) == list(whole.values())
    assert sum("left out" in text for text in messages) == len(BROKEN) + len(TAKEN)


def test_everything_that_packages_bring_is_listed_with_what_is_wrong(registry):
    found = registry.plugins()
    assert {plugin.name for plugin in found if plugin.package == "good-words 1.0"} == {"digits", "other"}
    problems = {plugin.name: plugin.problem for plugin in found if plugin.package == "poor-words 1.0"}
    assert all(problems[name] for name in [*BROKEN, *TAKEN])
    assert Plugin(GROUP, "digits", "good-words 1.0", "good_words:DIGITS") in found


def test_summaries_are_read_and_not_imported(install):
    code = {"spelling": MODULES["good_words"] + "\nraise RuntimeError"}
    install("spelling", {GROUP: {"spell": "spelling:spell", "digits": "spelling:DIGITS", "gone": "nothing:at"}}, code)
    registry = Registry("word", GROUP, {"own": check_name})
    assert registry.summary("spell") == "Spell a text."
    assert registry.summary("digits") == registry.summary("gone") == ""
    assert registry.summary("own").startswith("Raise a")
    assert "spelling" not in sys.modules


def test_classes_and_instances_are_told_apart(install):
    install("words", {GROUP: {"kind": "collections:OrderedDict", "thing": "os:environ"}}, {})
    classes = Registry("word", GROUP, {}, dict, is_class=True)
    assert list(classes.usable()) == ["kind"]
    with pytest.raises(ConfigError, match="the class OrderedDict"):
        Registry("word", GROUP, {}, dict).find("kind")
    assert set(Registry("word", GROUP, {}).usable()) == {"kind"}  # os.environ cannot be called


def test_errors_of_ours_pass_as_they_are(install):
    install("extra", {}, {"needy": "from vocoders.core.errors import MissingExtraError as E\nraise E('a', 'b', 'c')"})
    with pytest.raises(MissingExtraError):
        import_place("needy:thing", "a thing")


def test_unknown_names_show_the_nearest(registry):
    with pytest.raises(ConfigError, match="'digits'"):
        registry.find("digit")
    with pytest.raises(KeyError):
        registry["digit"]


def test_a_process_can_add_and_take_away(registry):
    registry["mine"] = "here"
    assert registry.find("mine") == "here"
    del registry["mine"]
    assert "mine" not in registry
