"""DNSMOS: predicted opinion scores without a reference (Microsoft's P.808 and P.835 networks, offline)."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recipes.metrics.domain import GENERATED_IS_HEARD
from recipes.metrics.metric import Direction, Metric, Signal, SignalPair, optional_module

__all__ = ["Dnsmos"]

_RATE = 16000
_TITLES = {
    "p808": ("DNSMOS P.808", "overall quality, P.808 network"),
    "sig": ("DNSMOS SIG", "speech quality, P.835 network"),
    "bak": ("DNSMOS BAK", "background quality, P.835 network"),
    "ovrl": ("DNSMOS OVRL", "overall quality, P.835 network"),
}


class Dnsmos(Metric):
    """Predicted mean opinion score, 1 ... 5, of the generated signal without its reference.

    Args:
        score: ``p808`` (overall, P.808 network), or ``sig``, ``bak``, ``ovrl`` (P.835 network).
    """

    direction = Direction.HIGHER
    sample_rate = _RATE
    needs_reference = False
    identity = None
    shortest = 0.1
    domain = (GENERATED_IS_HEARD,)

    def __init__(self, score: str = "p808") -> None:
        self.score = score
        self.name = f"dnsmos_{score}"
        self.title, what = _TITLES[score]
        self.definition = f"{what}, package speechmos, 16 kHz, windows of 9.01 s every second, short files are repeated"
        optional_module("speechmos.dnsmos", "speechmos", f"metric '{self.name}'")

    def measure(self, pair: SignalPair) -> float:
        """Return the predicted score."""
        return float(_scores(pair.generated, self.score == "p808")[f"{self.score}_mos"])


def _scores(signal: Signal, is_p808: bool) -> dict[str, float]:
    """Return the scores of a signal: that of the P.808 network, or the three of the P.835 network."""

    def compute() -> dict[str, float]:
        # Resampling may overshoot full scale, which speechmos refuses.
        samples = np.clip(signal.resampled(_RATE), -1.0, 1.0)
        return _networks(is_p808)(samples, _RATE, False)

    return signal.remember(("dnsmos", is_p808), compute)


class _NotRun:
    """Stands in for a network whose scores are not wanted: that of P.835 takes twenty times as long as the other."""

    def __init__(self, *shape: int) -> None:
        self._scores = [np.zeros(shape, np.float32)]

    def run(self, *arguments: Any) -> list[np.ndarray]:
        """Return zeros."""
        return self._scores


@lru_cache(maxsize=2)
def _networks(is_p808: bool) -> Any:
    """Load one of the networks, once per process, on one thread: processors work on different files."""
    import onnxruntime
    from speechmos import dnsmos

    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    # Its constructor would load both networks, on all threads.
    networks: Any = object.__new__(dnsmos.DNSMOS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    file = folder / ("model_v8.onnx" if is_p808 else "sig_bak_ovr.onnx")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    networks.onnx_sess = _NotRun(1, 3) if is_p808 else session
    networks.p808_onnx_sess = session if is_p808 else _NotRun(1, 1)
    return networks
