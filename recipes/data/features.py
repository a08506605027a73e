"""The feature stage: F0 into the cache, mel statistics into ``statistics.json``.

Mels themselves are never stored: the data set computes them on the fly. Both results are resumable: existing
correct results are not computed again.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.mels import mel_parts
from recipes.data.parallel import map_files
from recipes.data.samples import UtteranceSamples
from recipes.data.statistics import FeatureStatistics, RunningStatistics
from recipes.progress import duration_words
from vocoders.core.errors import DataError
from vocoders.frontends.energy import mel_energy
from vocoders.frontends.f0 import F0Config, extract_f0_in_parts
from vocoders.frontends.f0_config import TRACKER_SECONDS, F0Method
from vocoders.frontends.mel import MelConfig

__all__ = ["STATISTICS_FILE", "extract_features"]

logger = logging.getLogger(__name__)

STATISTICS_FILE = "statistics.json"
_LONG_SECONDS = 600.0


@dataclass(frozen=True)
class _Job:
    """The work on each utterance in a worker."""

    mel: MelConfig
    f0: F0Config | None
    cache: F0Cache | None
    statistics: bool
    resample: bool
    peak: float | None


@dataclass(frozen=True)
class _Outcome:
    computed_f0: bool
    running: RunningStatistics


def extract_features(
    data_dir: str | Path | KaldiDirectory,
    feature_dir: str | Path,
    mel_config: MelConfig,
    f0_config: F0Config | None = None,
    nj: int = 1,
    *,
    statistics: bool = True,
    resample: bool = False,
    peak: float | None = None,
    force: bool = False,
) -> FeatureStatistics | None:
    """Fill the F0 cache and compute the feature statistics of a data directory.

    Args:
        data_dir: Kaldi data directory.
        feature_dir: folder for ``f0/`` and ``statistics.json``; several data directories may share it.
        mel_config: front end of the statistics, and the frame grid of F0.
        f0_config: pitch tracker; ``None`` extracts no F0.
        nj: number of processes.
        statistics: compute statistics; False for development and test sets.
        resample: convert other sample rates and average channels.
        peak: scale each utterance to this peak before the statistics, like the training data.
        force: replace results of another front end or of another data set instead of refusing.

    Returns:
        The statistics, or ``None`` without ``statistics``.

    Raises:
        DataError: for results of another front end in ``feature_dir`` (both lines are printed).
        FilesFailedError: at the end, for files that cannot be read; there are no statistics then, and the F0 of the
            others is kept.
    """
    directory = data_dir if isinstance(data_dir, KaldiDirectory) else KaldiDirectory.read(data_dir)
    path = Path(feature_dir) / STATISTICS_FILE
    source = _digest(directory.utterances)
    known = _known_statistics(path, mel_config.fingerprint, peak, source, force) if statistics else None
    if known is not None and _newest(directory.utterances) > path.stat().st_mtime:
        known = None
    cache = None
    if f0_config is not None:
        fingerprint = f0_fingerprint(f0_config, mel_config.sample_rate, mel_config.hop_length)
        cache = F0Cache(feature_dir, fingerprint, create=True, replace=force)
    count = statistics and known is None
    todo = directory.utterances if count else [u for u in directory if cache is not None and not _cached(u, cache)]
    job = _Job(mel_config, f0_config, cache, count, resample, peak)
    total, computed = RunningStatistics(), 0
    if f0_config is not None:
        _announce(f0_config.method, [u for u in todo if cache is not None and not _cached(u, cache)], nj)
    if todo:
        folders = [] if cache is None else [cache.folder]
        work = partial(_process, job)
        for outcome in map_files(work, todo, nj, "extracting features", attrgetter("path"), folders):
            total = total.merge(outcome.running)
            computed += outcome.computed_f0
    if cache is not None:
        logger.info("%s: F0 of %d utterances computed, %d kept", cache.folder, computed, len(directory) - computed)
    if not count:
        return known
    if total.count == 0:
        raise DataError(f"{directory.path}: every utterance is shorter than one hop of {mel_config.hop_length} samples")
    result = FeatureStatistics.from_running(total, mel_config.fingerprint, peak, source)
    result.save(path)
    logger.info("%s: mean and deviation of %d frames", path, total.count)
    return result


def _announce(method: F0Method, utterances: Sequence[Utterance], nj: int) -> None:
    """Tell what F0 will cost, if it is much, and which tracker costs less."""
    audio = sum(utterance.duration for utterance in utterances)
    seconds = audio * TRACKER_SECONDS[method]
    if seconds < _LONG_SECONDS:
        return
    faster = [f"{name} 1/{round(TRACKER_SECONDS[method] / cost)}" for name, cost in TRACKER_SECONDS.items()
              if cost < 0.5 * TRACKER_SECONDS[method]]  # fmt: skip
    hint = f"; faster by model.f0.method: {', '.join(faster)} of that time" if faster else ""
    text = "F0 by %s of %.1f h of audio takes about %s of one core, %s with --nj %d%s"
    logger.info(text, method, audio / 3600, duration_words(seconds), duration_words(seconds / nj), nj, hint)


def _process(job: _Job, utterance: Utterance) -> _Outcome:
    """Process one utterance, in a worker process."""
    hop_length, sample_rate = job.mel.hop_length, job.mel.sample_rate
    samples = UtteranceSamples(utterance, sample_rate, job.resample)
    num_frames = samples.length // hop_length
    if num_frames == 0:
        logger.warning("%s: %d samples are less than one hop; left out", utterance.path, samples.length)
        return _Outcome(False, RunningStatistics())
    computes_f0 = False
    if job.f0 is not None and job.cache is not None and not _cached(utterance, job.cache, num_frames):
        computes_f0 = True
        found = extract_f0_in_parts(samples, sample_rate, hop_length, job.f0, num_frames)
        job.cache.put(utterance.utt_id, found)
    running = RunningStatistics()
    if job.statistics:
        for features in mel_parts(samples, job.mel, samples.gain(job.peak)):
            energy = mel_energy(features, job.mel.log)[0]
            running = running.merge(RunningStatistics.of(features.numpy(), energy.numpy()))
    return _Outcome(computes_f0, running)


def _cached(utterance: Utterance, cache: F0Cache, num_frames: int | None = None) -> bool:
    """Return whether the cache has a complete contour that is not older than the audio."""
    path = cache.path(utterance.utt_id)
    try:
        if path.stat().st_mtime < utterance.path.stat().st_mtime:
            return False
        found = len(cache.get(utterance.utt_id, mmap=True))
    except (OSError, DataError):
        return False
    return num_frames is None or found == num_frames


def _newest(utterances: Sequence[Utterance]) -> float:
    """Return the time of the last change of the audio."""
    return max((path.stat().st_mtime for path in {u.path for u in utterances} if path.exists()), default=0.0)


def _known_statistics(
    path: Path, fingerprint: str, peak: float | None, source: str, force: bool
) -> FeatureStatistics | None:
    """Return the existing statistics in ``path``, ``None`` if they must be computed."""
    if not path.exists():
        return None
    try:
        found = FeatureStatistics.load(path, fingerprint)
        if found.peak != peak:
            raise DataError(
                f"{path} was made with peak [{found.peak}]; expected [{peak}]; run 'ondes features --force'"
            )
        if found.source != source:
            raise DataError(
                f"{path} belongs to other utterances; use --no-statistics for development sets, --force to replace it"
            )
    except DataError:
        if force:
            return None
        raise
    return found


def _digest(utterances: Sequence[Utterance]) -> str:
    lines = "".join(f"{u.utt_id} {u.start:.6f} {u.duration:.6f}\n" for u in utterances)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
