"""The blind A/B/X test: which of A and B is X? Pure functions; the page keeps the score."""

import math
import random
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["Choice", "Score", "Trial", "answer", "chance", "new_trial"]

Choice = Literal["A", "B"]


@dataclass(frozen=True)
class Trial:
    """The hidden order of a trial.

    Attributes:
        a_is_reference: whether A is the reference and B the result; else A is the result.
        x_is: whether X is A or B.
    """

    a_is_reference: bool
    x_is: Choice


@dataclass(frozen=True)
class Score:
    """Answers so far."""

    correct: int = 0
    total: int = 0


def new_trial(
    reference: np.ndarray, result: np.ndarray, random_source: random.Random | None = None
) -> tuple[Trial, dict[str, np.ndarray]]:
    """Draw a trial.

    Args:
        reference: (T,), with the same loudness as ``result``.
        result: (T,).
        random_source: default: the system's.

    Returns:
        The hidden order, and the audio of "A", "B" and "X". A few leading zeros make all three files different, so that
        only the sound tells which ones are equal.
    """
    source = random_source or random.SystemRandom()
    trial = Trial(source.random() < 0.5, source.choice(["A", "B"]))
    length = min(len(reference), len(result))
    pair = (reference[:length], result[:length])
    sounds = {"A": pair[0 if trial.a_is_reference else 1], "B": pair[1 if trial.a_is_reference else 0]}
    sounds["X"] = sounds[trial.x_is]
    fronts = source.sample(range(240), 3)
    padded = {
        name: np.concatenate([np.zeros(front, sound.dtype), sound, np.zeros(240 - front, sound.dtype)])
        for front, (name, sound) in zip(fronts, sounds.items(), strict=True)
    }
    return trial, padded


def answer(score: Score, trial: Trial, choice: Choice) -> Score:
    """Count an answer."""
    return replace(score, correct=score.correct + (choice == trial.x_is), total=score.total + 1)


def chance(score: Score) -> float:
    """Return the probability of at least as many correct answers by guessing."""
    return sum(math.comb(score.total, k) for k in range(score.correct, score.total + 1)) / 2**score.total
