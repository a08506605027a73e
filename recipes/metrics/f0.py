"""Pitch errors: log-F0 RMSE and voiced/unvoiced error, frame by frame, without time warping."""

from typing import ClassVar

import numpy as np

from recipes.metrics.domain import Condition
from recipes.metrics.metric import Metric, Signal, SignalPair
from vocoders.core.measures import log_f0_rmse, voicing_error
from vocoders.frontends.f0 import F0Config, F0Method, extract_f0
from vocoders.frontends.world import import_world

__all__ = ["LogF0Rmse", "VoicingError", "f0_track"]

_FRAME_SECONDS = 0.005
_WORLD_RANGE = (71.0, 800.0)


def f0_track(signal: Signal, tracker: F0Method = "harvest") -> np.ndarray:
    """Return F0 every 5 ms (rounded to whole samples), (F,) in Hz, 0 = unvoiced; the range is WORLD's, 71 to 800 Hz."""
    f0_min, f0_max = _WORLD_RANGE
    config = F0Config(method=tracker, f0_min=f0_min, f0_max=f0_max, alignment="frame_start")
    hop_length = round(_FRAME_SECONDS * signal.sample_rate)
    return signal.remember(
        ("f0", config.fingerprint), lambda: extract_f0(signal.samples, signal.sample_rate, hop_length, config)
    )


class _PitchMetric(Metric):
    shortest = 0.1
    # Short description of the computation.
    _what: ClassVar[str]

    def __init__(self, tracker: F0Method = "harvest") -> None:
        self.tracker: F0Method = tracker
        if tracker in ("harvest", "dio"):
            import_world(f"metric '{self.name}'")
        self.definition = f"{self._what}; tracker {tracker}, 71-800 Hz, frames of 5 ms, no time warping"

    def tracks(self, pair: SignalPair) -> tuple[np.ndarray, np.ndarray]:
        """Return the F0 of (reference, generated) over their common frames."""
        reference, generated = f0_track(pair.reference, self.tracker), f0_track(pair.generated, self.tracker)
        num_frames = min(len(reference), len(generated))
        return reference[:num_frames], generated[:num_frames]


class LogF0Rmse(_PitchMetric):
    """Root mean square difference of ln F0 over the frames that are voiced in both signals, in nat."""

    name = "log_f0_rmse"
    title = "log-F0 RMSE"
    unit = "nat"
    decimals = 4
    _what = "RMS of ln F0(reference) - ln F0(generated) over frames voiced in both"

    def __init__(self, tracker: F0Method = "harvest") -> None:
        super().__init__(tracker)
        self.domain = (Condition(self._meet, "no frame is voiced in both signals"),)

    def measure(self, pair: SignalPair) -> float:
        """Return the error in nat (0.0578 is a semitone)."""
        reference, generated = self.tracks(pair)
        return log_f0_rmse(generated, reference)

    def _meet(self, pair: SignalPair) -> bool:
        return bool(self._both(pair).any())

    def _both(self, pair: SignalPair) -> np.ndarray:
        reference, generated = self.tracks(pair)
        return (reference > 0) & (generated > 0)


class VoicingError(_PitchMetric):
    """Share of frames that are voiced in one signal and unvoiced in the other, in percent."""

    name = "vuv_error"
    title = "V/UV error"
    unit = "%"
    decimals = 2
    _what = "share of frames whose voicing differs"

    def measure(self, pair: SignalPair) -> float:
        """Return the error in percent of all frames."""
        reference, generated = self.tracks(pair)
        return 100 * voicing_error(generated, reference)
