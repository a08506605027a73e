"""Converters of Wavehax and PeriodWave against checkpoints and configurations that lie: a model, or one line."""

import copy
import json
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_checkpoints import CONFIGS, made_state

from recipes.families import find_family
from vocoders.core.errors import OndesError
from vocoders.core.statistics_file import IDENTITY
from vocoders.periodwave.config import VARIANTS as PERIODWAVE
from vocoders.wavehax.config import VARIANTS as WAVEHAX

OWN = {
    "wavehax": WAVEHAX["v1"].to_dict() | {"channels": 4, "mult_channels": 2, "kernel_size": [3, 3], "num_blocks": 1},
    "periodwave": PERIODWAVE["base"].to_dict() | {"hidden_channels": 32, "periods": [1, 2]},
}
CHANGES = {
    "missing": lambda tensor: None,
    "text": lambda tensor: "weights",
    "numbers": lambda tensor: tensor.tolist(),
    "scalar": lambda tensor: torch.tensor(1.0),
    "empty": lambda tensor: torch.zeros(0),
    "another axis": lambda tensor: tensor[None],
    "longer": lambda tensor: torch.cat([tensor, tensor]),
    "NaN": lambda tensor: torch.full_like(tensor, float("nan")),
    "infinite": lambda tensor: torch.full_like(tensor, float("inf")),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "whole numbers": lambda tensor: tensor.to(torch.int64),
    "truths": lambda tensor: tensor > 0,
    "half": lambda tensor: tensor.half(),
    "bfloat16": lambda tensor: tensor.bfloat16(),
    "double": lambda tensor: tensor.double(),
    "sparse": lambda tensor: tensor.to_sparse(),
    "one number for all": lambda tensor: torch.zeros(1).expand(1 << 20, 1 << 16),
    "huge and empty": lambda tensor: torch.zeros(1 << 30, 0),
}
HARMLESS = {"half", "bfloat16", "double"}
VALUES = (None, True, -1, 0, 3, 1 << 16, 10**9, 10**30, 0.5, float("nan"), "x", "", [], [0], [1, 10**9], {}, {"a": 1})


def attempt(family, state, config, folder):
    """Convert; return the error of one line, or an empty text."""
    torch.save({"model": state}, folder / "x.pt")
    (folder / "x.yaml").write_text(json.dumps(config))
    stats = IDENTITY if family == "wavehax" else None
    started = time.process_time()
    try:
        find_family(family).convert(folder / "x.pt", config=folder / "x.yaml", stats=stats)
        error = ""
    except OndesError as refusal:
        error = str(refusal)
        assert len(error.splitlines()) == 1
    # The first error of a family compares the weights with all variants.
    assert time.process_time() - started < 6
    return error


@pytest.mark.parametrize("config", [CONFIGS, OWN])
@pytest.mark.parametrize("family", CONFIGS)
def test_whole_checkpoints_are_converted(family, config, tmp_path):
    assert attempt(family, made_state(family), config[family], tmp_path) == ""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("family", CONFIGS)
def test_one_tensor_that_is_not_what_it_should_be(family, change, tmp_path):
    state = dict(made_state(family))
    for key in (list(state)[0], list(state)[-1]):
        changed = CHANGES[change](state[key])
        broken = {name: value for name, value in (state | {key: changed}).items() if value is not None}
        error = attempt(family, broken, CONFIGS[family], tmp_path)
        assert bool(error) != (change in HARMLESS | {"whole numbers", "truths"}), error


@pytest.mark.parametrize("family", CONFIGS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_configurations_that_lie(family, data, tmp_path_factory):
    config = copy.deepcopy(data.draw(st.sampled_from((CONFIGS[family], OWN[family]))))
    for _ in range(data.draw(st.integers(1, 2))):
        place = config
        key = data.draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place)))
        if data.draw(st.booleans()):
            place[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        else:
            del place[key]
        if not config:
            return
    attempt(family, made_state(family), config, tmp_path_factory.mktemp("conversion"))
