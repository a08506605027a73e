"""Settings of accelerate's launcher: taken where the recipe says nothing, refused where they change a training."""

import pytest

from recipes.accelerate_settings import with_accelerate_settings
from recipes.sections import TrainerConfig
from vocoders.core.errors import ConfigError

# What `accelerate launch` always sets.
PLAIN = {
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_DYNAMO_BACKEND": "NO",
    "ACCELERATE_USE_CPU": "False",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "1",
}


def test_nothing_changes_without_a_wish():
    options = TrainerConfig(precision="bf16")
    assert with_accelerate_settings(options, {}) is options
    assert with_accelerate_settings(options, PLAIN) is options


def test_precision_and_compiler_count_where_the_recipe_says_nothing(caplog):
    wishes = PLAIN | {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}
    found = with_accelerate_settings(TrainerConfig(), wishes)
    assert (found.precision, found.compile) == ("bf16", True)
    assert with_accelerate_settings(TrainerConfig(precision="fp16"), wishes).precision == "fp16"
    assert "trainer.precision fp16 counts" in caplog.text


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("ACCELERATE_USE_FSDP", "true", "FSDP"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "DeepSpeed"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", r"trainer\.accumulate"),
    ],
)
def test_what_would_change_the_training_is_refused(variable, value, word):
    with pytest.raises(ConfigError, match=word):
        with_accelerate_settings(TrainerConfig(), PLAIN | {variable: value})
