"""Declared options: what is declared is what can be typed, and nothing else."""

from typing import Literal

import pytest

from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions, option


class Options(SynthesisOptions):
    speed: float = option(1.0, dial=(0.5, 2.0), gt=0)
    """Factor on the speed."""
    steps: int | tuple[int, ...] | None = option(None, dial=(1, 8))
    """Number of steps."""
    kind: Literal["slow", "fast"] = option("slow")
    """Way of doing it."""
    factors: tuple[float, float] | None = option(None)
    """Two factors."""
    is_loud: bool = option(False)
    """Whether it is loud."""

    spellings = {"tempo": "speed"}


def test_every_field_is_an_option_with_its_docstring_as_help():
    declared = {found.name: found for found in Options.declared()}
    assert [found.kind for found in declared.values()] == ["number", "integer", "choice", "numbers", "switch"]
    assert declared["speed"].help == "Factor on the speed."
    assert declared["speed"].dial == (0.5, 2.0)
    assert declared["speed"].spellings == ("tempo",)
    assert declared["kind"].choices == ("slow", "fast")
    assert [found.is_optional for found in declared.values()] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("speed", "1.5", 1.5),
        ("speed", "2", 2.0),
        ("steps", "4", 4),
        ("steps", "4,2,1", (4, 2, 1)),
        ("steps", "none", None),
        ("kind", "fast", "fast"),
        ("factors", "1.1, 0.9", (1.1, 0.9)),
        ("factors", "(1.1,0.9)", (1.1, 0.9)),
        ("is_loud", "true", True),
    ],
)
def test_texts_become_values(name, text, value):
    declared = {found.name: found for found in Options.declared()}
    assert getattr(Options().changed(**{name: declared[name].parse(text)}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("speed", "fast"), ("speed", ""), ("speed", "0"), ("speed", "1,2"), ("kind", "quick"), ("factors", "1"),
     ("factors", "a,b"), ("steps", "1,,2"), ("steps", "true"), ("is_loud", "3")],
)  # fmt: skip
def test_texts_that_mean_nothing_are_one_line(name, text):
    declared = {found.name: found for found in Options.declared()}
    with pytest.raises(ConfigError) as caught:
        Options().changed(**{name: declared[name].parse(text)})
    assert "\n" not in str(caught.value)


def test_names_are_checked_and_other_spellings_known():
    assert Options().changed(tempo=2.0).speed == 2
    assert Options(kind="fast").changed(speed=0.5) == Options(kind="fast", speed=0.5)
    with pytest.raises(ConfigError, match="'speeds'.* 'speed'"):
        Options().changed(speeds=1)
    with pytest.raises(ConfigError, match="has no options"):
        SynthesisOptions().changed(speed=1)
