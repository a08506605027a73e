"""Copy-synthesis of a clip by any vocoder, and what is measured of it."""

import importlib.util
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from demo.library import BASELINES, Library
from demo.limits import read_clip
from demo.measures import mel_distance_db, pitch_errors
from demo.sound import equal_loudness
from demo.work.baselines import GriffinLim, World
from demo.work.deadline import with_deadline
from vocoders.core.errors import ConfigError
from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.periodwave.config import SamplingConfig

__all__ = ["Copy", "Settings", "load_vocoder", "measure", "vocode"]

_CONTOUR_SECONDS = 0.005
# A tracker that is fast enough for thirty seconds; both signals of a pair pass the same one.
_TRACKER = F0Config(method="dio", refine=True, f0_min=60.0, f0_max=900.0)


@dataclass(frozen=True)
class Settings:
    """What a user chose.

    Attributes:
        model: a name in the library, or a baseline.
        f0_scale: factor on F0, for vocoders that take one.
        sampling: as :class:`SamplingConfig` takes it, for vocoders that integrate a flow.
        seed: of all noise.
    """

    model: str
    f0_scale: float
    sampling: dict[str, Any]
    seed: int


@dataclass(frozen=True)
class Copy:
    """A clip and what a vocoder made of it.

    Attributes:
        reference: (T,) the clip at the vocoder's rate, brought to one loudness with ``result``.
        result: (T,).
        sample_rate: in Hz.
        compute_seconds: analysis and synthesis together.
        contours: F0 in Hz by name, at equal steps over the clip; 0 is unvoiced. Empty for vocoders without F0.
        f0_scale: factor on F0 in ``result``.
        remarks: what was changed on the way.
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


def load_vocoder(library: Library, name: str) -> Any:
    """Return a vocoder of the library, or a baseline.

    Raises:
        ConfigError: for another name, or a model that is no vocoder.
    """
    if name in BASELINES:
        return _baseline(name)
    if library.entry(name).kind != "vocoder":
        raise ConfigError(f"'{name}' is no vocoder; choose one from the list")
    return library.load(name)


def vocode(library: Library, settings: Settings, path: str | None, progress: Callable[[float], None]) -> Copy:
    """Analyse the clip at ``path`` and synthesise it again.

    Raises:
        OndesError: for clips, models or settings that cannot be used.
    """
    model = load_vocoder(library, settings.model)
    clip = read_clip(path, model.sample_rate)
    started = time.perf_counter()
    f0_scale = settings.f0_scale if getattr(model, "uses_f0", False) else 1.0
    with torch.inference_mode():
        waveform, contours = _synthesize(model, clip.audio, settings, with_deadline(progress))
    seconds = time.perf_counter() - started
    result = waveform.reshape(-1).float().cpu().numpy()
    reference = clip.audio[0].numpy()[: len(result)]
    remarks = clip.remarks
    if not np.isfinite(result).all():
        raise ConfigError(f"'{settings.model}' computes NaN with these settings; choose others")
    (reference, result), gains = equal_loudness([reference, result[: len(reference)]], model.sample_rate)
    if abs(gains[1] - gains[0]) > 1:
        remarks += (f"the result was {gains[0] - gains[1]:+.1f} dB louder before both were brought to one loudness",)
    return Copy(reference, result, model.sample_rate, seconds, contours, f0_scale, remarks)


def measure(copy: Copy) -> dict[str, str]:
    """Return metrics of a copy by name, as texts; what cannot be measured says why."""
    rows = {"Mel distance": f"{mel_distance_db(copy.result, copy.reference, copy.sample_rate):.2f} dB"}
    hop = round(_CONTOUR_SECONDS * copy.sample_rate)
    reference, result = (
        extract_f0(x.astype(np.float32), copy.sample_rate, hop, _TRACKER) for x in (copy.reference, copy.result)
    )
    cents, voicing = pitch_errors(result, reference * copy.f0_scale)
    rows["F0 error"] = "nothing voiced" if math.isnan(cents) else f"{cents:.0f} cents RMS"
    rows["Voicing errors"] = f"{100 * voicing:.1f} % of frames"
    if copy.f0_scale != 1:
        # Metrics of likeness would count the wanted pitch as an error.
        return rows | {"M-STFT": "only at F0 scale 1", "PESQ-wb": "only at F0 scale 1"}
    return rows | {"M-STFT": _mstft(copy), "PESQ-wb": _pesq(copy)}


@lru_cache(maxsize=2)
def _baseline(name: str) -> Any:
    return World() if name == "world" else GriffinLim()


def _synthesize(
    model: Any, audio: Tensor, settings: Settings, progress: Callable[[float], None]
) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Return the waveform and the F0 contours of a model, by what it can be given."""
    if isinstance(model, GriffinLim):
        return model.synthesize(audio=audio, seed=settings.seed), {}
    if isinstance(model, World):
        f0 = model.analyze_f0(audio)
        waveform = model.synthesize(audio=audio, f0=f0, f0_scale=settings.f0_scale)
        return waveform, _contours(f0, settings.f0_scale)
    if getattr(model, "uses_f0", False):
        features = model.analyze(audio)
        options = {"f0_scale": settings.f0_scale, "seed": settings.seed, "progress": progress}
        return model.synthesize(**features, **options), _contours(features["f0"].reshape(-1).numpy(), settings.f0_scale)
    if getattr(model, "uses_sampling", False):
        sampling = SamplingConfig.from_dict(settings.sampling, "sampling")
        return model.synthesize(audio=audio, sampling=sampling, seed=settings.seed, progress=progress), {}
    return model.synthesize(model.log_mel(audio[None]), seed=settings.seed, progress=progress), {}


def _contours(f0: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    return {"F0 of the clip": f0} | ({} if scale == 1 else {f"F0 × {scale:.2f}": f0 * scale})


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
    integers = [np.clip(x.numpy() * 32768, -32768, 32767).astype(np.int16) for x in pair]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return f"{pesq(16000, *integers, 'wb'):.2f}"
    except NoUtterancesError:
        return "no speech found"
    except (PesqError, ValueError):
        return "not defined for this clip"
