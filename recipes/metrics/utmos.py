"""UTMOS: predicted opinion score without a reference (Saeki et al. 2022), with weights that are downloaded once."""

import contextlib
import io
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

from recipes.metrics.domain import GENERATED_IS_HEARD
from recipes.metrics.metric import Direction, Metric, SignalPair, UnavailableMetricError

__all__ = ["Utmos"]

_REPOSITORY, _ENTRY = "tarepan/SpeechMOS:v1.2.0", "utmos22_strong"
_SECONDS_TO_WAIT = 20.0
_RATE = 16000


class Utmos(Metric):
    """Predicted mean opinion score, 1 ... 5, of the generated signal alone, by the UTMOS22 strong learner.

    It runs the tagged code and weights of the repository that vocoder papers use, by ``torch.hub``: 0.4 GB, fetched at
    first use and then kept by torch.

    Raises:
        UnavailableMetricError: if they are missing and cannot be downloaded.
    """

    name = "utmos"
    title = "UTMOS"
    direction = Direction.HIGHER
    sample_rate = _RATE
    needs_reference = False
    identity = None
    shortest = 0.1
    domain = (GENERATED_IS_HEARD,)
    definition = f"UTMOS22 strong learner at 16 kHz ({_ENTRY} of {_REPOSITORY} by torch.hub)"

    def __init__(self) -> None:
        _predictor()

    def measure(self, pair: SignalPair) -> float:
        """Return the predicted score."""
        samples = torch.from_numpy(pair.generated.resampled(_RATE))[None]
        with torch.inference_mode():
            return _predictor()(samples, _RATE).item()


@lru_cache(maxsize=1)
def _predictor() -> Any:
    """Load the predictor once per process."""
    try:
        # torch.hub reports downloads on standard error, in the middle of a progress bar.
        with _patience(_SECONDS_TO_WAIT), contextlib.redirect_stderr(io.StringIO()):
            predictor: Any = torch.hub.load(
                _REPOSITORY,
                _ENTRY,
                trust_repo=True,  # pyright: ignore[reportArgumentType] torch takes truth values; its annotation: str
                verbose=False,
            )
            return predictor.eval()
    except Exception as error:  # a network, a proxy, a disk or foreign code: in any case the metric cannot run
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnavailableMetricError(
            f"UTMOS: its weights ({_REPOSITORY}) are not on this machine and cannot be fetched ({cause}); "
            "run it once where GitHub can be reached, or copy that machine's torch.hub folder here"
        ) from None


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Give up on a server that does not answer; urllib itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
