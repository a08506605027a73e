"""Measure systems: read and align pairs of files, compute metrics in parallel, and keep all values and failures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from recipes.data.parallel import DIED, map_parallel
from recipes.metrics.kept_values import KeptValues
from recipes.metrics.long_pairs import divide, join
from recipes.metrics.metric import Metric, Signal, SignalPair, UndefinedMetricError
from recipes.metrics.outcome import EvaluationResult, Outcome, Problem, Score, Summary
from recipes.metrics.pairing import Clip, Pair, find_pairs
from recipes.metrics.registry import DEFAULT_METRICS, create_metrics
from vocoders.core.audio import audio_info, read_audio, resample
from vocoders.core.checks import check_audio
from vocoders.core.config import Config
from vocoders.core.errors import ConfigError, DataError

__all__ = [
    "NATURAL",
    "Alignment",
    "EvaluationResult",
    "Problem",
    "Score",
    "Summary",
    "evaluate_pairs",
    "evaluate_systems",
    "measure",
    "measure_pair",
    "read_clip",
]

NATURAL = "natural"


class Alignment(Config):
    """Alignment of two signals with different length or sample rate.

    Attributes:
        report_seconds: both are cut to the shorter one; a difference longer than this is reported.
        fail_seconds: with a difference longer than this the pair fails.
        resample: resample generated audio to the rate of its reference; otherwise a different rate fails.
        part_seconds: longer files are measured in parts of at most this length, in bounded memory.
    """

    report_seconds: float = 0.1
    fail_seconds: float = 1.0
    resample: bool = False
    part_seconds: float = Field(default=120.0, gt=0)


def evaluate_pairs(
    pairs: Sequence[Pair],
    metrics: Sequence[Metric | str] = DEFAULT_METRICS,
    nj: int = 1,
    alignment: Alignment | None = None,
    seed: int = 0,
    keep: str | Path | None = None,
    share: tuple[int, int] = (0, 1),
) -> EvaluationResult:
    """Measure every pair with every metric.

    A pair that cannot be read and a metric that fails do not stop the run: they are listed in
    :attr:`EvaluationResult.problems`. Analyses of a reference are shared by the systems that are compared with it.

    Args:
        pairs: pairs to compare, of one or several systems.
        metrics: names or metrics.
        nj: number of processes; 1 runs in this one.
        alignment: treatment of different lengths and sample rates.
        seed: seed of the bootstrap.
        keep: folder for the values of each pair. Those in it are not measured again.
        share: number, from 0, and count: of the references every count-th alone, from this one on.

    Raises:
        ConfigError: for an unknown metric or a bad ``nj``.
        DataError: if ``pairs`` is empty, or ``keep`` cannot be written.
        MissingExtraError: if the package of a metric is not installed.
    """
    if not pairs:
        raise DataError("no pair of files to compare; give folders with equal file names")
    chosen = tuple(m for metric in metrics for m in (create_metrics([metric]) if isinstance(metric, str) else [metric]))
    groups: dict[Clip, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.reference, []).append(pair)
    started = time.perf_counter()
    alignment = alignment or Alignment()
    kept = None if keep is None else KeptValues(keep, chosen, alignment.model_dump())
    work = partial(_measure_group, metrics=chosen, alignment=alignment, kept=kept)
    own = list(groups.values())[share[0] :: share[1]]
    outcomes: dict[Pair, Outcome] = {}
    folders = [] if keep is None else [Path(keep)]
    measured_groups = map_parallel(work, own, nj, "evaluate", lost=_lost, folders=folders)
    for group, found in zip(own, measured_groups, strict=True):
        outcomes.update(zip(group, found, strict=True))
    measured = tuple(pair for pair in pairs if pair in outcomes)
    return EvaluationResult(
        metrics=chosen,
        systems=tuple(dict.fromkeys(pair.system for pair in pairs)),
        scores=tuple(score for pair in measured if (score := outcomes[pair][0]) is not None),
        problems=tuple(problem for pair in measured for problem in outcomes[pair][1]),
        seed=seed,
        pairs=measured,
        wall_seconds=time.perf_counter() - started,
    )


def evaluate_systems(
    reference: str | Path,
    systems: Mapping[str, str | Path],
    metrics: Sequence[Metric | str] = DEFAULT_METRICS,
    nj: int = 1,
    alignment: Alignment | None = None,
    seed: int = 0,
    natural: bool = False,
    dry: str | Path | None = None,
    keep: str | Path | None = None,
    share: tuple[int, int] = (0, 1),
) -> EvaluationResult:
    """Measure folders of generated audio against a folder of references.

    Args:
        reference: folder, Kaldi data directory or wav.scp.
        systems: the same for each system, by name.
        metrics: names or metrics.
        nj: number of processes.
        alignment: treatment of different lengths and sample rates.
        seed: seed of the bootstrap.
        natural: add a first row :data:`NATURAL`, the references against themselves: the value that metrics without a
            reference give to the recordings.
        dry: folder, data directory or wav.scp with the inputs of the effect, for metrics that need them.
        keep: folder for the values of each pair, as in :func:`evaluate_pairs`.
        share: part of the references, as there.

    Raises:
        ConfigError: if a system has the name of the natural row; and as :func:`evaluate_pairs`.
        DataError: if a folder contains no audio, or no file has a partner.
    """
    if natural and NATURAL in systems:
        raise ConfigError(f"the name '{NATURAL}' is reserved for the references; rename that system")
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for system, folder in systems.items():
        pairing = find_pairs(reference, folder, system, dry)
        pairs += pairing.pairs
        problems += [Problem(system, utt_id, "", "missing", "no generated file") for utt_id in pairing.missing]
        problems += [Problem(system, utt_id, "", "missing", "no reference of this name") for utt_id in pairing.surplus]
    if natural:
        references = {pair.utt_id: pair for pair in pairs}
        pairs = [
            replace(pair, system=NATURAL, generated=pair.reference) for _, pair in sorted(references.items())
        ] + pairs
    result = evaluate_pairs(pairs, metrics, nj, alignment, seed, keep, share)
    return replace(result, problems=(*result.problems, *problems))


def measure(
    reference: torch.Tensor,
    generated: torch.Tensor,
    sample_rate: int,
    metrics: Sequence[Metric],
    dry: torch.Tensor | None = None,
) -> tuple[dict[str, float], dict[str, Exception]]:
    """Measure audio in memory.

    Args:
        reference: (C, T) or (T,), in [-1, 1], a tensor or an array.
        generated: the same shape.
        sample_rate: of both, in Hz.
        metrics: names of metrics; the result is the mean over channels, which are measured separately.
        dry: the input of the effect, of the same shape, for metrics that need it.

    Returns:
        The values by name, and the error of each metric without a value.

    Raises:
        DataError: if the shapes differ, or samples are NaN or infinite.
        ShapeError: for anything but audio, see :mod:`vocoders.core.checks`.
    """
    reference = check_audio(reference, "CT", "T", what="reference")
    generated = check_audio(generated, "CT", "T", what="generated audio")
    dry = None if dry is None else check_audio(dry, "CT", "T", what="dry audio")
    if dry is not None and dry.shape != reference.shape:
        raise DataError(f"dry audio of shape {tuple(dry.shape)}; expected {tuple(reference.shape)} as the reference")
    if reference.shape != generated.shape:
        raise DataError(
            f"generated audio of shape {tuple(generated.shape)} for a reference of {tuple(reference.shape)}; "
            "expected the same (C, T)"
        )
    references, candidates = (_channels(audio, sample_rate) for audio in (reference, generated))
    inputs = [None] * len(references) if dry is None else _channels(dry, sample_rate)
    pairs = [SignalPair(*three) for three in zip(references, candidates, inputs, strict=True)]
    return _measure_channels(pairs, metrics)[:2]


def measure_pair(system: str, utt_id: str, pair: SignalPair, metrics: Sequence[Metric]) -> tuple[Score, list[Problem]]:
    """Measure signals in memory; return their score, and the reasons for missing values."""
    return _score(system, utt_id, [pair], metrics, 0.0)


def _channels(audio: torch.Tensor, sample_rate: int) -> list[Signal]:
    rows = audio.detach().to("cpu", torch.float32).reshape(-1, audio.shape[-1])
    return [Signal(row.contiguous().numpy(), sample_rate) for row in rows]


def _measure_channels(
    channels: Sequence[SignalPair], metrics: Sequence[Metric]
) -> tuple[dict[str, float], dict[str, Exception], dict[str, float]]:
    """Return means over channels, reasons for missing values, and the time of each metric in seconds."""
    values: dict[str, float] = {}
    errors: dict[str, Exception] = {}
    seconds: dict[str, float] = {}
    for metric in metrics:
        started = time.perf_counter()
        try:
            values[metric.name] = float(np.mean([metric(pair) for pair in channels]))
        # A metric of another package may fail in any way; one bad file must not end the run.
        except Exception as error:
            errors[metric.name] = error
        seconds[metric.name] = time.perf_counter() - started
    return values, errors, seconds


def _measure_group(
    pairs: Sequence[Pair], metrics: Sequence[Metric], alignment: Alignment, kept: KeptValues | None
) -> list[Outcome]:
    """Measure all pairs of one reference, long ones part by part."""
    parts = divide(pairs, alignment.part_seconds, alignment.fail_seconds)
    measure = partial(_measure_part, metrics=metrics, alignment=alignment)
    outcomes = [measure(part) if kept is None else kept.complete(part, measure) for part in parts]
    return outcomes[0] if len(outcomes) == 1 else [join(found) for found in zip(*outcomes, strict=True)]


def _lost(pairs: Sequence[Pair]) -> list[Outcome]:
    return [(None, [Problem(pair.system, pair.utt_id, "", "failed", DIED)]) for pair in pairs]


def _measure_part(pairs: Sequence[Pair], metrics: Sequence[Metric], alignment: Alignment) -> list[Outcome]:
    """Measure all pairs of one reference, which is read and analysed once."""
    try:
        references: list[Signal] = _channels(*read_clip(pairs[0].reference))
    except DataError as error:
        return [(None, [Problem(p.system, p.utt_id, "", "failed", f"reference: {error}")]) for p in pairs]
    try:
        dry = None if pairs[0].dry is None else _read_dry(pairs[0].dry, references)
    except DataError as error:
        return [(None, [Problem(p.system, p.utt_id, "", "failed", f"dry input: {error}")]) for p in pairs]
    return [_measure_pair(pair, references, dry, metrics, alignment) for pair in pairs]


def _measure_pair(
    pair: Pair,
    references: list[Signal],
    dry: list[Signal] | None,
    metrics: Sequence[Metric],
    alignment: Alignment,
) -> Outcome:
    def problem(kind: str, message: str) -> Problem:
        return Problem(pair.system, pair.utt_id, "", kind, message)

    try:
        references, candidates, difference = _align(references, *read_clip(pair.generated), alignment)
    except DataError as error:
        return None, [problem("failed", str(error))]
    problems = []
    if difference > alignment.report_seconds:
        problems.append(problem("cropped", f"lengths differ by {difference:.3f} s; both were cut to the shorter one"))
    length = len(references[0].samples)
    inputs = [None] * len(references) if dry is None else [signal.cropped(length) for signal in dry]
    channels = [SignalPair(*three) for three in zip(references, candidates, inputs, strict=True)]
    score, missing = _score(pair.system, pair.utt_id, channels, metrics, difference)
    return score, problems + missing


def _score(
    system: str, utt_id: str, channels: Sequence[SignalPair], metrics: Sequence[Metric], cropped: float
) -> tuple[Score, list[Problem]]:
    values, errors, seconds = _measure_channels(channels, metrics)
    problems = []
    for name, error in errors.items():
        kind = "undefined" if isinstance(error, UndefinedMetricError) else "failed"
        text = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        problems.append(Problem(system, utt_id, name, kind, text))
    return Score(system, utt_id, channels[0].reference.duration, cropped, values, seconds), problems


def read_clip(clip: Clip) -> tuple[torch.Tensor, int]:
    """Return the audio of a clip, (C, T) in [-1, 1], and its rate in Hz.

    Raises:
        DataError: if it cannot be read.
    """
    if clip.start == 0 and clip.duration is None:
        return read_audio(clip.path)
    rate = audio_info(clip.path).sample_rate
    frames = -1 if clip.duration is None else round(clip.duration * rate)
    return read_audio(clip.path, start=round(clip.start * rate), frames=frames)


def _read_dry(clip: Clip, references: list[Signal]) -> list[Signal]:
    """Read the input of an effect, with the sample rate, channels and at least the length of its reference."""
    signals = _channels(*read_clip(clip))
    found, expected = ((group[0].sample_rate, len(group), len(group[0].samples)) for group in (signals, references))
    if found[:2] != expected[:2] or found[2] < expected[2]:
        raise DataError(
            f"{found[0]} Hz, {found[1]} channels, {found[2]} samples, but its reference has {expected[0]} Hz, "
            f"{expected[1]} channels, {expected[2]} samples; give the recording that the effect was applied to"
        )
    return signals


def _align(
    references: list[Signal], generated: torch.Tensor, sample_rate: int, alignment: Alignment
) -> tuple[list[Signal], list[Signal], float]:
    """Return both signals with equal rate, channels and length, and the difference of lengths in seconds."""
    rate = references[0].sample_rate
    if sample_rate != rate:
        if not alignment.resample:
            raise DataError(f"{sample_rate} Hz, but its reference has {rate} Hz; pass --resample")
        generated = resample(generated, sample_rate, rate)
    if len(generated) != len(references):
        raise DataError(f"{len(generated)} channels, but its reference has {len(references)}; make them equal")
    lengths = len(references[0].samples), generated.shape[-1]
    difference = abs(lengths[0] - lengths[1]) / rate
    if difference > alignment.fail_seconds:
        raise DataError(
            f"{lengths[1] / rate:.3f} s, but its reference has {lengths[0] / rate:.3f} s; a difference of at most "
            f"{alignment.fail_seconds:g} s is expected"
        )
    shorter = min(lengths)
    references = [signal.cropped(shorter) for signal in references]
    return references, _channels(generated[:, :shorter], rate), difference
