"""Copy-synthesis of a clip by any vocoder, and its metrics."""

import importlib.util
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from demo.library import Library
from demo.limits import read_clip
from demo.measures import mel_distance_db, pitch_errors
from demo.sound import equal_loudness
from demo.work.deadline import with_deadline
from demo.work.options import chosen_options
from vocoders.core.errors import ConfigError
from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.interface import Vocoder

__all__ = ["Copy", "Settings", "measure", "vocode"]

_CONTOUR_SECONDS = 0.005
# A tracker that is fast enough for thirty seconds; both signals of a pair use the same one.
_TRACKER = F0Config(method="dio", refine=True, f0_min=60.0, f0_max=900.0)


@dataclass(frozen=True)
class Settings:
    """The choices of a user.

    Attributes:
        model: a name in the library.
        options: changes of the vocoder's default options, for :func:`~demo.work.options.chosen_options`.
        seed: seed of all noise.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Copy:
    """A clip and its copy by a vocoder.

    Attributes:
        reference: (T,) the clip at the vocoder's sample rate, with the same loudness as ``result``.
        result: (T,).
        sample_rate: in Hz.
        compute_seconds: time of analysis and synthesis.
        contours: F0 in Hz by name, at equal steps over the clip, 0 for unvoiced. Empty for vocoders without F0.
        f0_scale: factor on F0 in ``result``.
        remarks: changes of the clip, for the user.
    """

    reference: np.ndarray
    result: np.ndarray
    sample_rate: int
    compute_seconds: float
    contours: dict[str, np.ndarray]
    f0_scale: float
    remarks: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.result) / self.sample_rate


def vocode(library: Library, settings: Settings, path: str | None, progress: Callable[[float], None]) -> Copy:
    """Analyse the clip at ``path`` and synthesise it.

    Raises:
        OndesError: for unusable clips, models or settings.
    """
    vocoder: Vocoder = library.load(settings.model, "vocoder")
    options = chosen_options(vocoder, settings.options)
    clip = read_clip(path, vocoder.sample_rate)
    started = time.perf_counter()
    length = clip.audio.shape[-1]
    audio = pad(clip.audio, (0, -length % vocoder.hop_length))
    # The plot also needs F0; its analysis is slow, so compute it once.
    inputs = vocoder.analyze(audio) if vocoder.uses_f0 else {"audio": audio}
    how = {"options": options, "seed": settings.seed, "progress": with_deadline(progress)}
    result = vocoder.synthesize(**inputs, **how).reshape(-1)[:length].float().cpu().numpy()
    seconds = time.perf_counter() - started
    if not np.isfinite(result).all():
        raise ConfigError(f"'{settings.model}' computes NaN with these settings; choose others")
    # Every vocoder with adjustable pitch declares an option of this name.
    f0_scale = options.to_dict().get("f0_scale", 1.0)
    (reference, result), gains = equal_loudness([clip.audio[0].numpy(), result], vocoder.sample_rate)
    remarks = clip.remarks
    if abs(gains[1] - gains[0]) > 1:
        remarks += (f"the result was {gains[0] - gains[1]:+.1f} dB louder before both were set to equal loudness",)
    contours = _contours(inputs["f0"], f0_scale) if vocoder.uses_f0 else {}
    return Copy(reference, result, vocoder.sample_rate, seconds, contours, f0_scale, remarks)


def measure(copy: Copy) -> dict[str, str]:
    """Return metrics of a copy by name, as texts: the value, or the reason for a missing one."""
    rows = {"Mel distance": f"{mel_distance_db(copy.result, copy.reference, copy.sample_rate):.2f} dB"}
    hop = round(_CONTOUR_SECONDS * copy.sample_rate)
    reference, result = (
        extract_f0(x.astype(np.float32), copy.sample_rate, hop, _TRACKER) for x in (copy.reference, copy.result)
    )
    cents, voicing = pitch_errors(result, reference * copy.f0_scale)
    rows["F0 error"] = "no voiced frames" if math.isnan(cents) else f"{cents:.0f} cents RMS"
    rows["Voicing errors"] = f"{100 * voicing:.1f} % of frames"
    if copy.f0_scale != 1:
        # Metrics of similarity would count the chosen pitch as an error.
        return rows | {"M-STFT": "only at F0 scale 1", "PESQ-wb": "only at F0 scale 1"}
    return rows | {"M-STFT": _mstft(copy), "PESQ-wb": _pesq(copy)}


def _contours(f0: Tensor, scale: float) -> dict[str, np.ndarray]:
    contour = f0.reshape(-1).cpu().numpy()
    return {"F0 of the clip": contour} | ({} if scale == 1 else {f"F0 × {scale:.2f}": contour * scale})


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
