"""Metrics of a copy against its clip."""

import importlib.util
import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from demo.measures import mel_distance_db, pitch_errors
from demo.work.vocode import Contour, Copy
from vocoders.frontends.f0 import F0Config, extract_f0

__all__ = ["Comparison", "compare"]

_CONTOUR_SECONDS = 0.005
# A tracker that is fast enough for thirty seconds; both signals of a pair use the same one.
_TRACKER = F0Config(method="dio", refine=True, f0_min=60.0, f0_max=900.0)


@dataclass(frozen=True)
class Comparison:
    """Metrics of a copy.

    Attributes:
        rows: metrics by name, as texts: the value, or the reason for a missing one.
        clip: F0 measured in the clip.
        result: F0 measured in the copy, by the same tracker.
    """

    rows: dict[str, str]
    clip: Contour
    result: Contour


def compare(copy: Copy) -> Comparison:
    """Measure a copy."""
    rows = {"Mel distance": f"{mel_distance_db(copy.result, copy.reference, copy.sample_rate):.2f} dB"}
    hop = round(_CONTOUR_SECONDS * copy.sample_rate)
    measured = [
        extract_f0(x.astype(np.float32), copy.sample_rate, hop, _TRACKER) for x in (copy.reference, copy.result)
    ]
    contours = [Contour(hop / copy.sample_rate, f0) for f0 in measured]
    target, is_other = _target(copy, contours[0])
    cents, voicing = pitch_errors(measured[1], target)
    rows["F0 error"] = "no voiced frames" if math.isnan(cents) else f"{cents:.0f} cents RMS"
    rows["Voicing errors"] = f"{100 * voicing:.1f} % of frames"
    if is_other:
        # Metrics of similarity would count the chosen pitch as an error.
        return Comparison(rows | {"M-STFT": "only at the clip's F0", "PESQ-wb": "only at the clip's F0"}, *contours)
    return Comparison(rows | {"M-STFT": _mstft(copy), "PESQ-wb": _pesq(copy)}, *contours)


def _target(copy: Copy, clip: Contour) -> tuple[np.ndarray, bool]:
    """Return the F0 that the copy should have, at the steps of ``clip``, and whether it is not the clip's."""
    if copy.given is None or copy.wanted is None or np.array_equal(copy.given.f0, copy.wanted.f0):
        return clip.f0, False
    if np.allclose(copy.wanted.f0, copy.given.f0 * copy.f0_scale):
        return clip.f0 * copy.f0_scale, True
    frames = np.round(np.arange(len(clip.f0)) * clip.hop / copy.wanted.hop).astype(int)
    return copy.wanted.f0[np.minimum(frames, len(copy.wanted.f0) - 1)], True


def _mstft(copy: Copy) -> str:
    if importlib.util.find_spec("auraloss") is None:
        return "needs the package auraloss"
    from auraloss.freq import MultiResolutionSTFTLoss

    pair = [torch.from_numpy(x.astype(np.float32))[None, None] for x in (copy.result, copy.reference)]
    with torch.inference_mode():
        return f"{MultiResolutionSTFTLoss()(*pair).item():.2f}"


def _pesq(copy: Copy) -> str:
    if importlib.util.find_spec("pesq") is None:
        return "needs the package pesq"
    from pesq import NoUtterancesError, PesqError, pesq

    from vocoders.core.audio import resample

    pair = [
        resample(torch.from_numpy(x.astype(np.float32)), copy.sample_rate, 16000) for x in (copy.reference, copy.result)
    ]
    reference, result = (np.clip(x.numpy() * 32768, -32768, 32767).astype(np.int16) for x in pair)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return f"{pesq(16000, reference, result, 'wb'):.2f}"
    except NoUtterancesError:
        return "no speech found"
    except (PesqError, ValueError):
        return "not defined for this clip"
