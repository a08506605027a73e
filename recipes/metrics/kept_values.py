"""Values of pairs in a folder: an evaluation goes on where another stopped, and several can share the work.

Each pair, or part of a long one, has a small JSON file. Its name follows from all that the values depend on: the files
with their sizes and times, metrics, alignment, versions of packages. What has changed is therefore measured again.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.metrics.metric import Metric
from recipes.metrics.outcome import Outcome, Problem, Score
from recipes.metrics.pairing import Clip, Pair
from recipes.metrics.versions import package_versions
from vocoders.core.atomic import atomic_file
from vocoders.core.json_files import read_json

__all__ = ["KeptValues"]

_FORMAT = 1


class KeptValues:
    """Values that were measured before, by the same metrics.

    Args:
        folder: folder of the values; it is made with the first of them.
        metrics: the metrics.
        settings: whatever else the values depend on.
    """

    def __init__(self, folder: str | Path, metrics: Sequence[Metric], settings: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        definitions = sorted((metric.name, metric.definition) for metric in metrics)
        self._conditions = [_FORMAT, definitions, dict(settings), package_versions()]

    def complete(self, pairs: Sequence[Pair], measure: Callable[[Sequence[Pair]], Sequence[Outcome]]) -> list[Outcome]:
        """Return the outcome of each pair; measure and keep those that are not there.

        Outcomes with a failure are not kept, so that the next evaluation tries them again.

        Raises:
            DataError: if the folder cannot be written.
        """
        places = {pair: self._place(pair) for pair in pairs}
        found = {pair: outcome for pair, place in places.items() if place and (outcome := _read(place, pair))}
        missing = [pair for pair in pairs if pair not in found]
        for pair, outcome in zip(missing, measure(missing) if missing else (), strict=True):
            found[pair] = outcome
            place = places[pair]
            if place and all(problem.kind != "failed" for problem in outcome[1]):
                _write(place, outcome)
        return [found[pair] for pair in pairs]

    def _place(self, pair: Pair) -> Path | None:
        """Return the file of a pair; ``None`` if one of its own files is missing."""
        try:
            clips = [_facts(clip) for clip in (pair.reference, pair.generated, pair.dry) if clip is not None]
        except OSError:
            return None
        key = json.dumps([self._conditions, clips], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _facts(clip: Clip) -> list[str | int | float | None]:
    path = os.path.abspath(clip.path)
    status = os.stat(path)
    return [ascii(path), status.st_size, status.st_mtime_ns, clip.start, clip.duration]


def _read(place: Path, pair: Pair) -> Outcome | None:
    """Return a kept outcome; ``None`` if there is none, or it is damaged."""
    try:
        content = read_json(place)
        values, seconds = ({str(k): float(v) for k, v in content[key].items()} for key in ("values", "seconds"))
        duration, cropped = float(content["duration"]), float(content["cropped"])
        problems = [
            Problem(pair.system, pair.utt_id, str(metric), str(kind), str(text))
            for metric, kind, text in content["problems"]
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if not all(map(math.isfinite, (duration, cropped, *values.values(), *seconds.values()))):
        return None
    return Score(pair.system, pair.utt_id, duration, cropped, values, seconds), problems


def _write(place: Path, outcome: Outcome) -> None:
    score, problems = outcome
    if score is None:
        return
    content = {
        "duration": score.duration,
        "cropped": score.cropped,
        "values": score.values,
        "seconds": score.seconds,
        "problems": [[problem.metric, problem.kind, problem.message] for problem in problems],
    }
    with atomic_file(place) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
