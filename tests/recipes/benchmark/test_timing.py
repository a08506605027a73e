"""Clocks on systems whose time is known."""

import time

import pytest
import torch

from recipes.benchmark.contender import Contender
from recipes.benchmark.timing import FIRST_CHUNK_SECONDS, first_chunk, measure_speed


class Sleeper(Contender):
    """Takes ``rtf`` times the duration, and much longer the first time."""

    kind, sample_rate = "vocoder", 1000

    def __init__(self, name, rtf, diary, calls=None):
        self.name, self.rtf, self.diary, self.calls = name, rtf, diary, calls
        self.is_cold = True

    def inputs(self, seconds):
        return seconds

    def run(self, inputs):
        self.diary.append(self.name)
        time.sleep(self.rtf * inputs + 0.2 * self.is_cold)
        self.is_cold = False
        return torch.zeros(1, 1, round(1000 * inputs))


def test_systems_take_turns_and_the_first_turn_does_not_count():
    diary = []
    systems = [Sleeper("slow", 0.4, diary, calls=8), Sleeper("quick", 0.1, diary)]
    turns = []
    slow, quick = measure_speed(systems, 0.1, 3, runs=3, advance=lambda: turns.append(1))
    assert diary == ["slow", "quick"] * 4
    assert len(turns) == 8
    assert len(slow["runs"]) == 3
    # A busy machine sleeps longer; with the first turn in it, the mean would be above 0.9.
    assert 0.4 <= slow["rtf"] < 0.8
    assert 0.1 <= quick["rtf"] < slow["rtf"]
    assert slow["samples_per_second"] == pytest.approx(1000 / slow["rtf"])
    assert slow["calls_per_second"] == pytest.approx(8 / (slow["rtf"] * 0.1))
    assert (quick["calls_per_second"], quick["snr"], quick["threads"]) == (None, None, 3)


def test_the_duration_is_that_of_the_audio_that_came_out():
    class Rounded(Sleeper):
        def run(self, inputs):
            super().run(inputs)
            return torch.zeros(1, 1, 2 * round(1000 * inputs))

    (row,) = measure_speed([Rounded("x", 0.4, [])], 0.1, 1, runs=1)
    assert (row["seconds_asked"], row["seconds"]) == (0.1, 0.2)
    assert 0.2 <= row["rtf"] < 0.4


def test_the_first_chunk_includes_what_has_to_be_prepared():
    class Prepared(Sleeper):
        def first_run(self, inputs):
            time.sleep(0.1)
            return self.run(inputs)

    plain, prepared = first_chunk([Sleeper("x", 0.2, []), Prepared("y", 0.2, [])], runs=2)
    assert 0.2 * FIRST_CHUNK_SECONDS <= plain < 0.2 * FIRST_CHUNK_SECONDS + 0.1
    assert 0.05 < prepared - plain < 0.2
