"""`ondes config explain` knows every key, with meaning, values and default, from the classes that check it."""

import json

import pytest

from recipes.config import TrainConfig
from recipes.config_comments import with_comments
from recipes.config_help import _keys, explain
from vocoders.core.config import parse_yaml
from vocoders.core.errors import ConfigError

KEYS = list(_keys(None, None))


def test_every_key_has_a_meaning_and_plain_values() -> None:
    assert len({key.path for key in KEYS}) > 200
    for key in KEYS:
        assert key.meaning, key
        assert not any(mark in key.meaning + key.values for mark in ("``", ":class:", "typing.", "<class")), key


def test_defaults_are_those_of_the_configuration() -> None:
    for key in KEYS:
        section, _, name = key.path.partition(".")
        if section in ("data", "optimizer", "scheduler", "trainer") and name and "." not in name:
            expected = getattr(getattr(TrainConfig(family="wavehax"), section), name)
            assert key.default is not None
            read = key.default if isinstance(expected, str) else parse_yaml(key.default)
            assert read == pytest.approx(list(expected) if isinstance(expected, tuple) else expected), key


def test_a_key_a_section_and_a_last_part() -> None:
    assert [key.values for key in explain("optimizer.learning_rate")] == ["number, above 0"]
    assert {key.path for key in explain("scheduler")} >= {"scheduler", "scheduler.name", "scheduler.warmup_steps"}
    assert {key.where for key in explain("model.synthesis_f0", family="wavehax")} == {"family wavehax"}
    assert {key.path for key in explain("adversarial_start", objective="gan")} == {"objective.adversarial_start"}
    assert "model.mel.n_mels" in {key.path for key in explain("n_mels")}
    with pytest.raises(ConfigError, match="did you mean 'learning_rate'"):
        explain("lerning_rate")


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("lr", "optimizer.learning_rate"),
        ("epochs", "trainer.max_steps"),
        ("trainer.epochs", "trainer.max_steps"),
        ("batch", "data.batch_size"),
        ("grad_clip", "trainer.max_gradient_norm"),
        ("lr_scheduler", "scheduler.name"),
        ("hop_size", "model.mel.hop_length"),
    ],
)
def test_words_of_other_programs_lead_to_our_keys(word: str, path: str) -> None:
    assert path in {key.path for key in explain(word)}


def test_words_of_other_programs_are_no_keys_of_the_same_section() -> None:
    sections = {key.path.rpartition(".")[0] for key in KEYS}
    for section in sections:
        keys = [key for key in KEYS if key.path.rpartition(".")[0] == section]
        words = {word for key in keys for word in key.other_names}
        assert not words & {key.path.rpartition(".")[2] for key in keys}, section


@pytest.mark.parametrize(
    ("run", "hint"),
    [
        ({"lr": 1e-4}, "'optimizer.learning_rate'"),
        ({"optimizer": {"lr": 1e-4}}, "'learning_rate'"),
        ({"trainer": {"epochs": 3}}, "'max_steps'"),
        ({"max_steps": 3}, "'trainer.max_steps'"),
        ({"seed": 3}, "'data.seed' or 'trainer.seed'"),
        ({"model": {"hop_size": 3}}, "'model.mel.hop_length'"),
    ],
)
def test_a_run_with_such_a_word_names_our_key(run: dict, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {hint}"):
        _ = TrainConfig.from_dict({"family": "wavehax", **run}).generator


def test_the_command(ondes) -> None:
    assert "optimizer.betas" in ondes("config", "explain", "optimizer").out
    found = json.loads(ondes("config", "explain", "trainer.max_steps", "--json").out)
    assert found[0]["default"] == "1000000"
    assert ondes("config", "explain", "nonsense.key").code == 2
    assert {line for line in ondes("config", "explain").out.splitlines() if line[:1] != " "} >= {"data", "trainer"}


@pytest.mark.parametrize("name", ["mini/wavehax", "mini/effects", "mini/sashimi_piano", "template/vocoder"])
def test_configurations_of_recipes_are_annotated_where_they_are_edited(name, repository) -> None:
    for path in sorted((repository / "egs").glob(f"{name}/conf/*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert with_comments(path) == text
        bare = [line for line in text.splitlines() if ":" in line and line.startswith("  ") and "#" not in line]
        assert len(bare) < len(text.splitlines()) / 4


def test_comments_change_no_value_and_none_that_is_there(ondes, tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "family: wavehax\nmodel:\n  channels: 16 # mine\ntrainer: {max_steps: 3}\noptimizer:\n  eps: 1.0e-8\n"
    )
    run = ondes("config", "annotate", path)
    assert run.code == 0
    assert "channels: 16 # mine\n" in run.out
    assert "eps: 1.0e-8 # added to the denominator\n" in run.out
    assert parse_yaml(run.out) == parse_yaml(path.read_text())
    path.write_text("family: wavehax\nmodle: {}\n")
    assert ondes("config", "annotate", path).code == 2
