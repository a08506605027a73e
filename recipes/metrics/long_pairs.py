"""Pairs of long files, measured part by part in bounded memory."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recipes.metrics.outcome import Outcome, Problem
from recipes.metrics.pairing import Clip, Pair
from vocoders.core.audio import audio_info
from vocoders.core.errors import DataError

__all__ = ["clip_seconds", "divide", "join"]


def clip_seconds(clip: Clip) -> float:
    """Return the length of a clip in seconds, from its header.

    Raises:
        DataError: if it cannot be read.
    """
    return clip.duration if clip.duration is not None else audio_info(clip.path).duration - clip.start


def divide(pairs: Sequence[Pair], part_seconds: float, fail_seconds: float) -> list[list[Pair]]:
    """Divide the pairs of one reference into parts of equal length, if it is longer than one part.

    Args:
        pairs: pairs of one reference.
        part_seconds: greatest length of a part.
        fail_seconds: with a difference of lengths above this a pair fails as a whole, and is not divided.

    Returns:
        The pairs of each part in time; ``pairs`` alone, if they are short or cannot be read.
    """
    try:
        longest = clip_seconds(pairs[0].reference)
        if longest <= part_seconds:
            return [list(pairs)]
        lengths = [clip_seconds(pair.generated) for pair in pairs]
    except DataError:
        return [list(pairs)]
    if max(abs(longest - length) for length in lengths) > fail_seconds:
        return [list(pairs)]
    # What only some of them have is cut off, as in short files.
    common = min(longest, *lengths)
    count = -int(-common // part_seconds)
    duration = common / count
    starts = [number * duration for number in range(count)]
    return [[_part(pair, start, duration) for pair in pairs] for start in starts]


def join(parts: Sequence[Outcome]) -> Outcome:
    """Join the outcomes of the parts of one pair: means of values by duration, and each problem once."""
    scores = [score for score, _ in parts if score is not None]
    problems = list(dict.fromkeys(problem for _, found in parts for problem in found))
    if not scores:
        return None, problems
    values = {}
    for name in dict.fromkeys(name for score in scores for name in score.values):
        have = [score for score in scores if name in score.values]
        values[name] = float(np.average([s.values[name] for s in have], weights=[s.duration for s in have]))
    seconds = {name: sum(score.seconds.get(name, 0.0) for score in scores) for name in scores[0].seconds}
    total, first = sum(score.duration for score in scores), scores[0]
    told = f"measured in {len(parts)} parts of {total / len(scores):.0f} s; values are their means"
    divided = Problem(first.system, first.utt_id, "", "divided", told)
    whole = replace(first, duration=total, values=values, seconds=seconds, cropped=max(s.cropped for s in scores))
    return whole, [divided, *problems]


def _part(pair: Pair, start: float, duration: float) -> Pair:
    clips = (pair.reference, pair.generated, pair.dry)
    reference, generated, dry = (clip and Clip(clip.path, clip.start + start, duration) for clip in clips)
    return replace(pair, reference=reference, generated=generated, dry=dry)
