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
        return float(_scores(pair.generated)[f"{self.score}_mos"])


def _scores(signal: Signal) -> dict[str, float]:
    """Return all four scores of a signal; both networks run together."""

    def compute() -> dict[str, float]:
        # Resampling may overshoot full scale, which speechmos refuses.
        samples = np.clip(signal.resampled(_RATE), -1.0, 1.0)
        return _networks()(samples, _RATE, False)

    return signal.remember("dnsmos", compute)


@lru_cache(maxsize=1)
def _networks() -> Any:
    """Load both networks once per process, on one thread each: processors work on different files."""
    import onnxruntime
    from speechmos import dnsmos

    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    networks = dnsmos.DNSMOS(str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for attribute, file in (("onnx_sess", "sig_bak_ovr.onnx"), ("p808_onnx_sess", "model_v8.onnx")):
        session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
        setattr(networks, attribute, session)
    return networks
