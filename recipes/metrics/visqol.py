"""ViSQOL: similarity of spectrograms, mapped to opinions (Chinen et al. 2020, arXiv 2004.09584)."""

from functools import lru_cache
from typing import Any, Literal

from recipes.metrics.domain import GENERATED_MOVES, REFERENCE_IS_HEARD, REFERENCE_MOVES
from recipes.metrics.metric import Direction, Metric, SignalPair, optional_module

__all__ = ["Visqol"]

Mode = Literal["speech", "audio"]
_RATES: dict[Mode, int] = {"speech": 16000, "audio": 48000}
# What the models make of equal spectrograms; the lattice network also sees the levels of the signal.
_IDENTITIES: dict[Mode, float | None] = {"speech": None, "audio": 4.732101}
_WHAT = {
    "speech": "speech mode, 16 kHz, lattice network",
    "audio": "audio mode, 48 kHz, support vector regression",
}


class Visqol(Metric):
    """Virtual speech quality objective listener, as MOS-LQO, 1 ... 5.

    It compares gammatone spectrograms with frames of 80 ms, so it hears no phases. In speech mode a signal against
    itself gives about 4.2, and very little noise can raise the value a little.

    Args:
        mode: ``speech`` (up to 8 kHz, trained on speech) or ``audio`` (full band, trained on coded music).
    """

    direction = Direction.HIGHER
    domain = (REFERENCE_IS_HEARD, REFERENCE_MOVES, GENERATED_MOVES)
    # Some patches of the reference, each 20 (speech) or 30 (audio) frames of 20 ms.
    shortest = 1.0

    def __init__(self, mode: Mode = "speech") -> None:
        self.mode: Mode = mode
        self.name, self.title = ("visqol", "ViSQOL") if mode == "speech" else ("visqol_audio", "ViSQOL audio")
        self.sample_rate, self.identity = _RATES[mode], _IDENTITIES[mode]
        self.definition = f"MOS-LQO by package visqol-python, {_WHAT[mode]}"
        for module in ("visqol", "ai_edge_litert"):
            optional_module(module, "visqol-python[lattice]", f"metric '{self.name}'")

    def measure(self, pair: SignalPair) -> float:
        """Return the MOS-LQO."""
        rate = _RATES[self.mode]
        signals = (signal.resampled(rate).astype("float64") for signal in (pair.reference, pair.generated))
        return float(_listener(self.mode).measure_from_arrays(*signals, sample_rate=rate).moslqo)


@lru_cache(maxsize=2)
def _listener(mode: Mode) -> Any:
    from visqol import VisqolApi

    listener = VisqolApi()
    listener.create(mode=mode, use_lattice_model=True if mode == "speech" else None)
    return listener
