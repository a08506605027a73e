"""Bits per sample of a training run on codes and of simple models of the same codes, as rows of an evaluation."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.build import build_objective, restore_generator
from recipes.data.dataset import move_batch
from recipes.data.loader import build_piece_dataset
from recipes.data.waveforms import PieceDataset, collate_padded
from recipes.metrics.bits import BitsPerSample, HistogramModel, MarkovModel
from recipes.metrics.evaluation import EvaluationResult, Score
from recipes.objectives.likelihood import LikelihoodObjective
from recipes.progress import track
from vocoders.core.device import resolve_device
from vocoders.core.errors import ConfigError
from vocoders.interface import System

__all__ = ["evaluate_likelihood", "likelihood_notes"]


def evaluate_likelihood(
    exp: Path,
    data: Path,
    train: Path | None = None,
    *,
    checkpoint: str = "last",
    name: str | None = None,
    piece_length: int | None = None,
    batch_size: int = 1,
    device: str = "auto",
    seed: int = 0,
) -> EvaluationResult:
    """Measure a training run on a data directory; each utterance, or piece of one, is a file of the result.

    Args:
        exp: folder of a training run whose objective is a likelihood.
        data: data directory to measure.
        train: data directory in which the simple models count codes; ``None``: the training data of the run.
        checkpoint: checkpoint of the run: ``best``, ``last``, the number of a step, or a file.
        name: name of the model's row; ``None``: its family.
        piece_length: length in samples of the pieces of utterances; ``None``: whole utterances.
        batch_size: number of items of similar length in a batch.
        device: device of the model.
        seed: seed of the confidence intervals.

    Returns:
        Rows of the model, a Markov chain of order 1, a histogram and a uniform distribution. The facts are the means
        over all samples (``bits_per_sample`` by row), ``data``, ``train``, ``samples``, ``step`` and ``codes``.

    Raises:
        CheckpointError, DataError: for unreadable runs or data.
        ConfigError: if the run was not trained by likelihood, or no training data is known.
    """
    trained = restore_generator(exp, checkpoint)
    config = trained.config
    objective = build_objective(config, trained.model)
    if not isinstance(objective, LikelihoodObjective):
        found = config.objective["name"]
        raise ConfigError(f"{exp}: trained by '{found}', which gives no likelihood; expected a run with 'likelihood'")
    counted = train or config.data.train
    if counted is None:
        raise ConfigError(f"{exp}: the run names no training data; pass --train, a data directory")
    seen, unseen = (build_piece_dataset(config.data, config.front_end, path, piece_length) for path in (counted, data))
    model = trained.model.to(resolve_device(device)).eval()
    assert isinstance(model, System)
    started = time.perf_counter()
    simple = _simple_models(objective, seen)
    names = (name or config.family, *simple)
    ids = _ids(unseen, piece_length is not None)
    scores: dict[tuple[str, int], Score] = {}
    for number, item, bits, seconds in _measure(model, objective, unseen, batch_size):
        codes = objective.codes(item["audio"][0]).numpy()
        values = {names[0]: (bits, seconds)} | {row: _timed(model_bits, codes) for row, model_bits in simple.items()}
        for row, (total, took) in values.items():
            found = {BitsPerSample.name: total / len(codes)}
            duration = len(codes) / model.sample_rate
            scores[row, number] = Score(row, ids[number], duration, 0.0, found, {BitsPerSample.name: took})
    ordered = tuple(scores[row, number] for row in names for number in range(len(unseen)))
    return EvaluationResult(
        metrics=(BitsPerSample(),),
        systems=names,
        scores=ordered,
        seed=seed,
        wall_seconds=time.perf_counter() - started,
        facts={
            "bits_per_sample": {row: _mean_over_samples(ordered, row) for row in names},
            "data": str(data),
            "train": str(counted),
            "samples": sum(map(unseen.length, range(len(unseen)))),
            "step": trained.step,
            "codes": model.fingerprint,
        },
    )


def likelihood_notes(result: EvaluationResult) -> list[str]:
    """Return the facts of :func:`evaluate_likelihood` in words."""
    facts = result.facts
    means = ", ".join(f"{row} {bits:.4f}" for row, bits in facts["bits_per_sample"].items())
    sequences = len({score.utt_id for score in result.scores})
    return [
        f"bits per sample over all samples: {means}",
        f"{facts['samples']:,} samples of {facts['data']} ({sequences} sequences, each from silence); "
        f"step {facts['step']:,}",
        f"codes: {facts['codes']}; the simple models counted those of {facts['train']}",
    ]


def _measure(
    model: Any, objective: LikelihoodObjective, dataset: PieceDataset, batch_size: int
) -> Iterator[tuple[int, dict[str, Any], float, float]]:
    """Yield number and content of each item, its bits under the model, and the computing time in seconds."""
    numbers = sorted(range(len(dataset)), key=dataset.length) if batch_size > 1 else list(range(len(dataset)))
    batches = [numbers[first : first + batch_size] for first in range(0, len(numbers), batch_size)]
    for batch in track(iter(batches), "evaluate", len(batches)):
        items = [dataset[number] for number in batch]
        begun = time.perf_counter()
        padded = move_batch(collate_padded(items), model.device)
        with torch.inference_mode():
            nats = objective.item_losses(model, padded).tolist()
        took = (time.perf_counter() - begun) / len(batch)
        for number, item, loss in zip(batch, items, nats, strict=True):
            yield number, item, loss / math.log(2), took


def _simple_models(objective: LikelihoodObjective, seen: PieceDataset) -> dict[str, Callable[[np.ndarray], float]]:
    """Return functions from a sequence of codes to its bits, by the name of the row."""
    num_codes, first = objective.quantiser.num_codes, objective.quantiser.zero_code
    counted = [objective.codes(seen[number]["audio"][0]).numpy() for number in range(len(seen))]
    return {
        "Markov chain of order 1": MarkovModel(counted, num_codes, first).bits,
        "histogram (order 0)": HistogramModel(counted, num_codes).bits,
        "uniform": lambda codes: math.log2(num_codes) * len(codes),
    }


def _timed(measure: Callable[[np.ndarray], float], codes: np.ndarray) -> tuple[float, float]:
    begun = time.perf_counter()
    return measure(codes), time.perf_counter() - begun


def _ids(dataset: PieceDataset, are_pieces: bool) -> list[str]:
    """Return the id of each item: the utterance, with the number of the piece if utterances are cut."""
    count: Counter[str] = Counter()
    ids = []
    for number in range(len(dataset)):
        utt_id = dataset.utt_id(number)
        ids.append(f"{utt_id}-{count[utt_id]}" if are_pieces else utt_id)
        count[utt_id] += 1
    return ids


def _mean_over_samples(scores: tuple[Score, ...], row: str) -> float:
    own = [score for score in scores if score.system == row]
    total = sum(score.values[BitsPerSample.name] * score.duration for score in own)
    return total / sum(score.duration for score in own)
