"""Comparison of neural effects with their processor in four cells: seen or unseen audio, seen or unseen settings."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from effects.models import EffectModel
    from recipes.metrics.evaluation import EvaluationResult, Problem, Score

__all__ = ["RECORDED", "constant_output", "evaluate_effects", "evaluate_recorded"]

IDENTITY, CONSTANT_GAIN = "identity", "constant gain"
#: The cell of an evaluation on recordings.
RECORDED = "recorded pairs"

# Audio before the comparison, and length of the comparison, in seconds.
_PRE_ROLL, _SECONDS = 0.5, 3.0
# Peaks in dBFS: typical levels of recordings, loud enough for an effect to act.
_LEVEL_DB = (-12.0, 0.0)


def evaluate_effects(
    models: Mapping[str, str | Path],
    processor: str,
    seen: Path,
    unseen: Path,
    items: int,
    metrics: Sequence[str],
    seed: int,
) -> "EvaluationResult":
    """Measure models of a processor; rows are cells and systems, files are renderings.

    Every cell contains the models, the dry audio (``identity``) and the dry audio times the best gain
    (``constant gain``). Models play through the engine, as for users.

    Args:
        models: folders, shipped names or hub ids, by the name of the row.
        processor: name of the processor.
        seen: data directory of the dry audio that models were trained on.
        unseen: data directory of dry audio that they were not trained on.
        items: renderings in each cell.
        metrics: names.
        seed: of segments, settings and confidence intervals.

    Raises:
        CheckpointError, DataError: for unreadable models or data.
        ConfigError: if a model has knobs that the processor lacks.
    """
    from effects.registry import load

    loaded = {name: load(source) for name, source in models.items()}
    cells = {
        f"{audio} audio, {'unseen' if held_out else 'seen'} knobs": _dataset(
            loaded, processor, directory, held_out, seed
        )
        for audio, directory in (("seen", seen), ("unseen", unseen))
        for held_out in (False, True)
    }
    return _evaluate(loaded, cells, items, metrics, seed)


def evaluate_recorded(
    models: Mapping[str, str | Path], pairs: Path, items: int | None, metrics: Sequence[str], seed: int
) -> "EvaluationResult":
    """Measure models of a recorded device, at the settings of the recordings; otherwise like :func:`evaluate_effects`.

    Args:
        models: folders, shipped names or hub ids, by the name of the row.
        pairs: data directory of recorded pairs.
        items: number of excerpts to compare; ``None``: every recording as a whole, after its first 0.5 s.
        metrics: names.
        seed: of excerpts and confidence intervals.
    """
    from effects.registry import load

    loaded = {name: load(source) for name, source in models.items()}
    return _evaluate(loaded, {RECORDED: _dataset(loaded, None, pairs, False, seed)}, items, metrics, seed)


def _evaluate(
    models: "dict[str, EffectModel]", cells: dict[str, Any], items: int | None, metrics: Sequence[str], seed: int
) -> "EvaluationResult":
    from recipes.metrics.evaluation import EvaluationResult
    from recipes.metrics.registry import find_metrics
    from recipes.progress import track

    chosen, not_run = find_metrics(metrics, has_dry=True)
    started = time.perf_counter()
    scores, problems = [], []
    work = [(cell, number) for cell in cells for number in range(items or len(cells[cell]))]
    for cell, number in track(iter(work), "evaluate", len(work)):
        dataset = cells[cell]
        item = dataset[number % len(dataset), number] if items else dataset.whole(number)
        found = _score(models, item, cell, f"{item['utt_id']}-{number}", dataset.reader.sample_rate, chosen)
        scores += found[0]
        problems += found[1]
    systems = tuple(f"{name}: {cell}" for cell in cells for name in (IDENTITY, CONSTANT_GAIN, *models))
    took = time.perf_counter() - started
    return EvaluationResult(
        tuple(chosen), systems, tuple(scores), tuple(problems), seed=seed, not_run=not_run, wall_seconds=took
    )


def _dataset(
    models: "dict[str, EffectModel]", processor: str | None, directory: Path, held_out: bool, seed: int
) -> Any:
    from recipes.data.config import DataConfig
    from recipes.data.effects.config import EffectDataConfig
    from recipes.data.effects.loader import effect_dataset

    model = next(iter(models.values()))
    rate = model.sample_rate
    data = DataConfig(segment_length=round(_SECONDS * rate), resample=True, seed=10_000 + seed)
    levels = {"synthetic": 0.0, "ends": 0.0, "level_db": _LEVEL_DB}
    effect = EffectDataConfig(processor=processor, pre_roll=round(_PRE_ROLL * rate), **levels)
    return effect_dataset(data, effect, model.knobs, rate, str(directory), held_out)


def _score(
    models: "dict[str, EffectModel]", item: dict[str, Any], cell: str, name: str, rate: int, metrics: Sequence[Any]
) -> "tuple[list[Score], list[Problem]]":
    from recipes.metrics.domain import REFERENCE_IS_HEARD, is_heard
    from recipes.metrics.evaluation import Problem, measure_pair
    from recipes.metrics.metric import Signal, SignalPair

    start = round(_PRE_ROLL * rate)
    dry, wet = (item[key][..., start:].double() for key in ("audio", "target"))
    references = [Signal(x[0].float().numpy(), rate) for x in (wet, dry)]
    if not is_heard(references[0]):  # a pause has nothing to compare
        return [], [Problem(cell, name, "", "undefined", REFERENCE_IS_HEARD.reason)]
    outputs: dict[str, Tensor] = {IDENTITY: dry, CONSTANT_GAIN: constant_gain(dry, wet) * dry}
    for system, model in models.items():
        outputs[system] = _play(model, item)[..., start:]
    scores, problems = [], []
    for system, output in outputs.items():
        pair = SignalPair(references[0], Signal(output[0].float().contiguous().numpy(), rate), references[1])
        score, missing = measure_pair(f"{system}: {cell}", name, pair, metrics)
        scores.append(score)
        problems += missing
    return scores, problems


def constant_output(source: str | Path) -> float:
    """Return the level in dBFS of what a model gives after a second of silence; -inf for silence."""
    import math

    import torch

    from effects.engine import render
    from effects.registry import load

    model = load(source)
    last = float(render(model, torch.zeros(1, model.sample_rate), settings=None)[0, -1].abs())
    return 20 * math.log10(last) if last > 0 else -math.inf


def constant_gain(dry: "Tensor", wet: "Tensor") -> "Tensor":
    """Return the gain with which dry audio is nearest to wet audio, by least squares."""
    return (dry * wet).sum() / dry.square().sum().clamp(min=1e-12)


def _play(model: "EffectModel", item: dict[str, Any]) -> "Tensor":
    """Return a model's output for the dry audio and the setting of an item."""
    from effects.engine import render

    settings = model.knobs.settings(model.knobs.denormalize(item["knobs"].double()))
    # A long hop saves time; the audio is the same.
    hop = -(-4096 // model.block_length) * model.block_length
    return render(model, item["audio"], settings=settings, hop=hop)
