"""Bits per sample of a trained model, beside simple models of the same codes, as rows of an evaluation."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from recipes.build import TrainedGenerator
    from recipes.data.waveforms import PieceDataset
    from recipes.metrics.evaluation import EvaluationResult

__all__ = ["evaluate_model"]


def evaluate_model(
    exp: Path, data: Path, train: Path | None, checkpoint: str, device: str, seed: int
) -> "EvaluationResult":
    """Measure a training run on a data directory; each utterance is a file of the result.

    Args:
        exp: folder of a training run.
        data: what to measure.
        train: where the simple models count codes; ``None``: the training data of the run.
        checkpoint: of the run: ``best``, ``last``, the number of a step, or a file.
        device: where the model runs.
        seed: of the confidence intervals.

    Raises:
        CheckpointError, DataError: for what cannot be read.
        ConfigError: if the model gives no probabilities, or no training data is known.
    """
    from recipes.build import restore_generator
    from recipes.data.loader import build_piece_dataset
    from recipes.metrics.bits import BitsPerSample
    from recipes.metrics.evaluation import EvaluationResult, Score
    from recipes.progress import track
    from vocoders.core.device import resolve_device
    from vocoders.core.errors import ConfigError

    trained = restore_generator(exp, checkpoint)
    if not hasattr(trained.model, "quantiser"):
        raise ConfigError(f"{exp}: a {trained.config.family} model gives no probabilities; expected one of codes")
    config = trained.config
    counted = train or config.data.train
    if counted is None:
        raise ConfigError(f"{exp}: the run names no training data; pass --train, a data directory")
    seen, unseen = (build_piece_dataset(config.data, config.front_end, path) for path in (counted, data))
    systems = {trained.config.family: _model_bits(trained, resolve_device(device)), **_simple_bits(trained, seen)}
    name = BitsPerSample.name
    scores: dict[str, list[Score]] = {system: [] for system in systems}
    started = time.perf_counter()
    for item in track((unseen[number] for number in range(len(unseen))), "evaluate", len(unseen)):
        length = item["audio"].shape[-1]
        for system, bits in systems.items():
            begun = time.perf_counter()
            value = bits(item) / length
            took = {name: time.perf_counter() - begun}
            duration = length / trained.model.sample_rate
            scores[system].append(Score(system, item["utt_id"], duration, 0.0, {name: value}, took))
    return EvaluationResult(
        metrics=(BitsPerSample(),),
        systems=tuple(systems),
        scores=tuple(score for found in scores.values() for score in found),
        seed=seed,
        wall_seconds=time.perf_counter() - started,
    )


def _model_bits(trained: "TrainedGenerator", device: Any) -> "Callable[[dict[str, Any]], float]":
    import math

    import torch

    from recipes.data.waveforms import collate_padded
    from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions

    objective = LikelihoodObjective(LikelihoodOptions(), trained.model)
    model = trained.model.to(device).eval()

    @torch.inference_mode()
    def bits(item: dict[str, Any]) -> float:
        batch = collate_padded([item])
        batch = {key: value.to(device) if hasattr(value, "to") else value for key, value in batch.items()}
        return objective.validation_loss(model, batch)[0] / math.log(2)

    return bits


def _simple_bits(trained: "TrainedGenerator", seen: "PieceDataset") -> "dict[str, Callable[[dict[str, Any]], float]]":
    from recipes.metrics.bits import HistogramModel, MarkovModel

    quantiser = trained.model.quantiser

    def codes(item: dict[str, Any]) -> Any:
        return quantiser.encode(item["audio"][0].to(trained.model.head.weight.device)).cpu().int().numpy()

    counted = [codes(seen[number]) for number in range(len(seen))]
    chain = MarkovModel(counted, quantiser.num_codes, first=quantiser.zero_code)
    histogram = HistogramModel(counted, quantiser.num_codes)
    return {
        "Markov chain of order 1": lambda item: chain.bits(codes(item)),
        "histogram (order 0)": lambda item: histogram.bits(codes(item)),
        "uniform": lambda item: float(trained.model.config.quantiser.bits * item["audio"].shape[-1]),
    }
