"""A configuration is exactly what was written: every surprise is an error that names the whole key path."""

import contextlib
import re
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from vocoders.core.config import Config, parse_yaml, read_yaml
from vocoders.core.errors import ConfigError


class Filter(Config):
    cutoff_hz: float = Field(1000.0, gt=0)
    order: int = 2


class Chain(Config):
    filter: Filter = Filter()
    optional: Filter | None = None
    bank: tuple[Filter, ...] = ()
    named: dict[str, Filter] = {}


class Recipe(Config):
    name: str
    rate: float = 1e-3
    kind: Literal["hinge", "mse"] = "hinge"
    sizes: tuple[int, ...] = (1, 2)
    chain: Chain = Chain()


filters = st.builds(Filter, cutoff_hz=st.floats(1e-3, 1e5, allow_subnormal=False), order=st.integers(-(2**53), 2**53))
recipes = st.builds(
    Recipe,
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    kind=st.sampled_from(["hinge", "mse"]),
    sizes=st.lists(st.integers(-(2**31), 2**31)).map(tuple),
    chain=st.builds(Chain, filter=filters, optional=st.none() | filters, bank=st.lists(filters, max_size=3).map(tuple)),
)


def message_of(data: object, prefix: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        Recipe.from_dict(data, source="recipe.yaml", prefix=prefix)
    message = str(caught.value)
    assert message.startswith("recipe.yaml: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("data", "path", "nearest"),
    [
        ({"nam": 1}, "nam", "name"),
        ({"chain": {"filtr": {}}}, "chain.filtr", "filter"),
        ({"chain": {"filter": {"cutof_hz": 1.0}}}, "chain.filter.cutof_hz", "cutoff_hz"),
        ({"chain": {"optional": {"ordr": 1}}}, "chain.optional.ordr", "order"),
        ({"chain": {"bank": [{}, {"ordr": 1}]}}, "chain.bank.1.ordr", "order"),
        ({"chain": {"named": {"low": {"ordr": 1}}}}, "chain.named.low.ordr", "order"),
    ],
)
def test_unknown_key_is_named_with_its_path_and_the_nearest_known_key(data: dict, path: str, nearest: str) -> None:
    message = message_of({"name": "x", **data})
    assert f"unknown key '{path}'" in message
    assert f"did you mean '{nearest}'?" in message


def test_unknown_key_without_a_near_one_lists_the_keys_of_its_own_level() -> None:
    assert "cutoff_hz, order" in message_of({"name": "x", "chain": {"filter": {"zzz": 1}}})


def test_all_problems_are_reported_at_once_under_the_prefix() -> None:
    message = message_of({"nmae": "x", "chain": {"filter": {"order": "two"}}}, prefix="generator")
    assert re.search(r"'generator\.nmae'.* 'name'", message)
    assert "'generator.name'" in message
    assert "key 'generator.chain.filter.order'" in message
    assert "'two'" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [("rate", "0.1"), ("rate", True), ("name", 3), ("sizes", [1.5]), ("sizes", ["1"]), ("kind", "hing"), ("chain", 1)],
)
def test_wrong_type_is_refused_and_never_converted(key: str, value: object) -> None:
    assert f"'{key}" in message_of({"name": "x", key: value})


def test_bad_value_is_refused_with_what_was_found() -> None:
    message = message_of({"name": "x", "chain": {"filter": {"cutoff_hz": -5.0}}})
    assert "'chain.filter.cutoff_hz'" in message
    assert "-5.0" in message


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_anything_but_a_mapping_is_refused(data: object) -> None:
    assert "expected a mapping" in message_of(data)


def test_value_that_no_configuration_can_hold_is_a_config_error() -> None:
    message_of({"name": parse_yaml("2024-01-01")})


def test_configuration_is_frozen() -> None:
    recipe = Recipe(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        recipe.rate = 1.0
    with pytest.raises(ValidationError, match="frozen"):
        recipe.chain.filter.order = 3


@pytest.mark.parametrize(
    "name", ["0E0", "1e5", "1e-4", ".5", "1.", "-.inf", "0x1F", "1:30", "1_000", "null", "yes", "~", ""]
)
def test_text_that_looks_like_another_type_stays_text(name: str) -> None:
    assert Recipe.from_dict(parse_yaml(Recipe(name=name).to_yaml())).name == name


@given(recipes)
def test_dictionary_and_yaml_round_trip(recipe: Recipe) -> None:
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(parse_yaml(recipe.to_yaml())) == recipe


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "0.0001", "1.0e-4", ".1e-3", "+1e-4"])
def test_numbers_with_an_exponent_are_floats(text: str) -> None:
    value = parse_yaml(f"a: {text}")["a"]
    assert isinstance(value, float)
    assert value == 1e-4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_as_that_float(value: float) -> None:
    read = parse_yaml(repr(value))
    assert isinstance(read, float)
    assert read == value


@given(st.integers(-(10**18), 10**18))
def test_integers_stay_integers(value: int) -> None:
    read = parse_yaml(str(value))
    assert isinstance(read, int)
    assert read == value


@pytest.mark.parametrize("text", ["version1e4", "1e", "e5", "1.2.3", "1e-4x", "'1e-4'"])
def test_what_is_no_number_stays_text(text: str) -> None:
    assert parse_yaml(text) == text.strip("'")


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "c:\n  a: 1\n  a: 2\n", "c: [{a: 1, a: 1}]"])
def test_duplicate_key_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"line \d.* key 'a' .*twice"):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text", ["a: [1", "a: b: c", "\t- x", "!!python/object/apply:os.getcwd []", "2024-13-45", "[" * 9999]
)
def test_malformed_or_unsafe_yaml_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="recipe.yaml"):
        parse_yaml(text, "recipe.yaml")


@given(st.text() | st.text("0123456789abxeo_:-+.TZ ", max_size=12))
def test_any_text_is_parsed_or_refused_with_a_config_error(text: str) -> None:
    # Any other exception fails the test.
    with contextlib.suppress(ConfigError):
        parse_yaml(text)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: base\nrate: 2e-4\nchain:\n  filter:\n    order: 4\n")
    return path


def test_overrides_replace_single_values_and_keep_their_neighbours(recipe_file: Path) -> None:
    overrides = ["rate=1e-5", "chain.filter.cutoff_hz=50.0", "chain.optional.order=7", "sizes=[3, 4]", "name=a=b"]
    recipe = Recipe.from_yaml(recipe_file, overrides)
    assert recipe.rate == 1e-5
    assert recipe.chain.filter == Filter(cutoff_hz=50.0, order=4)
    assert recipe.chain.optional == Filter(order=7)
    assert recipe.sizes == (3, 4)
    assert recipe.name == "a=b"
    assert Recipe.from_yaml(recipe_file) == Recipe(name="base", rate=2e-4, chain=Chain(filter=Filter(order=4)))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("rate", r"key\.path=value"),
        ("=1", r"key\.path=value"),
        ("rate.x=1", "'rate'"),
        ("chain.filter.ordr=1", "'chain.filter.ordr'.* 'order'"),
        ("rate=[1", "override 'rate=\\[1'"),
    ],
)
def test_bad_override_is_refused(recipe_file: Path, override: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected.replace("?", "\\?")):
        Recipe.from_yaml(recipe_file, [override])


def test_files_that_hold_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(ConfigError, match="no such"):
        read_yaml(path)
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="found list"):
        read_yaml(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="as text"):
        read_yaml(path)
    path.write_text("# only a comment\n")
    assert read_yaml(path) == {}
    with pytest.raises(ConfigError, match="as text"):
        read_yaml(tmp_path)
