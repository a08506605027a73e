"""Short-time objective intelligibility (STOI) and its extended form."""

import warnings

from recipes.metrics.domain import GENERATED_MOVES, REFERENCE_IS_HEARD, REFERENCE_MOVES
from recipes.metrics.metric import Direction, Metric, SignalPair, UndefinedMetricError, optional_module

__all__ = ["Stoi"]


class Stoi(Metric):
    """Short-time objective intelligibility, 0 ... 1 (Taal et al. 2011; extended: Jensen and Taal 2016).

    Args:
        extended: ESTOI, which correlates whole spectra over 384 ms in place of single bands.
    """

    direction = Direction.HIGHER
    identity = 1.0
    sample_rate = 10000
    # 30 frames of 12.8 ms have to remain after silent frames are removed.
    shortest = 0.4
    domain = (REFERENCE_IS_HEARD, REFERENCE_MOVES, GENERATED_MOVES)

    def __init__(self, extended: bool = False) -> None:
        self.extended = extended
        self.name = "estoi" if extended else "stoi"
        self.title = "ESTOI" if extended else "STOI"
        self.definition = (
            f"{self.title} by package pystoi (resampled to 10 kHz, frames 40 dB below the loudest are left out)"
        )
        optional_module("pystoi", "pystoi", f"metric '{self.name}'")

    def measure(self, pair: SignalPair) -> float:
        """Return the intelligibility index."""
        from pystoi import stoi

        with warnings.catch_warnings():
            # pystoi warns and returns 1e-5 where too little speech is left; that is not a score.
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return stoi(pair.reference.samples, pair.generated.samples, pair.sample_rate, extended=self.extended)
            except RuntimeWarning:
                raise UndefinedMetricError("less than 0.4 s of speech; STOI is not defined") from None
