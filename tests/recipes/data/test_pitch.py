"""Segments for F0 from a mel: functions of their key, with F0 at the frames of what is heard; and what is learned."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from recipes.data.dataset import collate
from recipes.data.pitch import PitchSegments
from recipes.data.tones import draw_tone
from recipes.objectives import PitchObjective, PitchOptions
from recipes.tasks.pitch import PitchValidator
from vocoders.core.measures import compare_f0
from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_pitch import MelPitch, MelPitchConfig, shipped_mel_pitch

RATE, HOP = 24000, 240
MEL = MelConfig(fmax=12000.0)


class Tones:
    """A reader of tones that rise by an octave in two seconds, and their F0."""

    sample_rate = RATE
    utterances: Sequence[Any] = [SimpleNamespace(utt_id=str(low), speaker="x") for low in (100, 150, 220)]

    def num_samples(self, index: int) -> int:
        return 2 * RATE

    def read_whole_part(self, index: int, start: int, length: int) -> np.ndarray:
        cycles = float(self.utterances[index].utt_id) * 2 / math.log(2) * 2 ** (np.arange(2 * RATE) / (2 * RATE))
        audio = sum(0.1 / k * np.sin(2 * np.pi * k * cycles) for k in range(1, 15))
        return np.asarray(audio, dtype=np.float32)[start : start + length]

    def get(self, utt_id: str, mmap: bool = False) -> np.ndarray:
        return (float(utt_id) * 2 ** ((np.arange(200) + 0.5) / 200)).astype(np.float32)


@pytest.fixture(scope="module")
def segments() -> PitchSegments:
    """Return segments of 0.6 s."""
    reader: Any = Tones()
    return PitchSegments(reader, MEL, 60 * HOP, f0=Tones())


def test_an_item_is_a_function_of_its_key(segments):
    first, again, other = segments[(1, 5)], segments[(1, 5)], segments[(1, 6)]
    assert first["features"].shape == (100, 60)
    assert first["f0"].shape == (1, 60)
    assert all(torch.equal(first[name], again[name]) for name in ("features", "f0"))
    assert not torch.equal(first["features"], other["features"])
    assert all(bool(torch.isfinite(segments[(0, draw)]["features"]).all()) for draw in range(20))


def test_f0_is_that_of_the_changed_audio(segments):
    # The shipped estimator reads the mels; it knows nothing of the labels.
    items = [segments[(index, draw)] for index in range(3) for draw in range(12)]
    found = [shipped_mel_pitch().estimate(item["features"]).flatten().numpy() for item in items]
    agreement = compare_f0(np.concatenate(found), np.concatenate([item["f0"][0].numpy() for item in items]))
    assert agreement.voicing_f1 > 0.8
    assert agreement.gross_error < 0.15
    assert agreement.median_cents < 40


def test_a_tone_has_the_f0_that_it_claims():
    tracker = F0Config(f0_min=50.0, f0_max=900.0, alignment="frame_center")
    pairs = [draw_tone(np.random.default_rng(seed), RATE, RATE, HOP) for seed in range(6)]
    found = [extract_f0(audio, RATE, HOP, tracker) for audio, _ in pairs]
    agreement = compare_f0(np.concatenate(found), np.concatenate([f0 for _, f0 in pairs]))
    assert agreement.gross_error < 0.1
    assert agreement.median_cents < 10


def test_the_estimator_learns(segments):
    torch.manual_seed(0)
    model = MelPitch(MelPitchConfig(channels=32, num_blocks=1))
    objective = PitchObjective(PitchOptions(), model)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    batch = collate([segments[(index, draw)] for index in range(3) for draw in range(3)])

    def update(part: str, loss: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return 0.0

    logs = [objective.training_step({"generator": model}, batch, step, update) for step in range(60)]
    assert logs[-1]["loss/voicing"] < 0.5 * logs[0]["loss/voicing"]
    # A target over several bins leaves an entropy of 1.6 nats.
    assert logs[-1]["loss/bins"] - 1.6 < 0.5 * (logs[0]["loss/bins"] - 1.6)
    loss, frames = objective.validation_loss(model, batch)
    assert frames == 9 * 60
    assert loss / frames < logs[0]["loss/bins"] + 2 * logs[0]["loss/voicing"]


def test_a_validation_compares_with_the_teacher():
    model = shipped_mel_pitch()
    objective = PitchObjective(PitchOptions(), model)
    features = torch.full((100, 50), -11.5)
    dataset: Any = [{"features": features, "f0": torch.zeros(1, 50)}, {"features": features, "f0": torch.ones(1, 50)}]
    values = PitchValidator(dataset, objective).run(model, 1)
    assert values["valid/voicing_f1"] == 0
    assert "valid/cents" not in values
    assert values["valid/loss"] > 1
