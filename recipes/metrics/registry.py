"""Every metric by name."""

import difflib
from collections.abc import Callable, Iterable
from functools import partial

from recipes.metrics.dnsmos import Dnsmos
from recipes.metrics.f0 import LogF0Rmse, VoicingError
from recipes.metrics.level import ClippedShare, DcOffset, HighFrequencyDifference, LevelDifference
from recipes.metrics.mcd import MelCepstralDistortion
from recipes.metrics.mel import LogSpectralDistance, MelL1
from recipes.metrics.metric import Metric
from recipes.metrics.mstft import MultiResolutionStft
from recipes.metrics.periodicity import PeriodicityRmse, PitchRmse, VoicingF1
from recipes.metrics.pesq import Pesq
from recipes.metrics.spectrum import HighBandDifference, LongTermSpectrumDifference, NarrowLine
from recipes.metrics.stoi import Stoi
from recipes.metrics.waveform import ErrorToSignalRatio, LoudnessDifference, MeanAbsoluteError, ScaleInvariantSdr
from vocoders.core.errors import ConfigError

__all__ = ["DEFAULT_METRICS", "METRICS", "create_metrics"]

METRICS: dict[str, Callable[[], Metric]] = {
    "pesq": Pesq,
    "mstft": MultiResolutionStft,
    "mel_l1": MelL1,
    "log_spectral_distance": LogSpectralDistance,
    "mcd": MelCepstralDistortion,
    "mcd_c0": partial(MelCepstralDistortion, energy=True),
    "mcd_dtw": partial(MelCepstralDistortion, warping=True),
    "mcd_c0_dtw": partial(MelCepstralDistortion, energy=True, warping=True),
    "log_f0_rmse": LogF0Rmse,
    "vuv_error": VoicingError,
    "periodicity": PeriodicityRmse,
    "vuv_f1": VoicingF1,
    "pitch_cents": PitchRmse,
    "stoi": Stoi,
    "estoi": partial(Stoi, extended=True),
    "dnsmos_p808": partial(Dnsmos, "p808"),
    "dnsmos_sig": partial(Dnsmos, "sig"),
    "dnsmos_bak": partial(Dnsmos, "bak"),
    "dnsmos_ovrl": partial(Dnsmos, "ovrl"),
    "level_difference": LevelDifference,
    "high_frequency_difference": HighFrequencyDifference,
    "ltas": LongTermSpectrumDifference,
    "ltas_high": HighBandDifference,
    "line_6k": NarrowLine,
    "si_sdr": ScaleInvariantSdr,
    "esr": ErrorToSignalRatio,
    "mae": MeanAbsoluteError,
    "dlufs": LoudnessDifference,
    "dc_offset": DcOffset,
    "clipped_share": ClippedShare,
}

# These take the name of a tracker after a colon, such as periodicity:swift.
_TRACKED = ("periodicity", "vuv_f1", "pitch_cents")

DEFAULT_METRICS = (
    "pesq",
    "mstft",
    "mel_l1",
    "mcd",
    "log_f0_rmse",
    "vuv_error",
    "dnsmos_p808",
    "level_difference",
    "high_frequency_difference",
)


def create_metrics(names: Iterable[str] = DEFAULT_METRICS) -> list[Metric]:
    """Create metrics by name, in the given order; ``all`` stands for every one.

    Metrics of voicing take a tracker after a colon: ``periodicity:swift``.

    Raises:
        ConfigError: for a name that is not in :data:`METRICS`, or no name at all.
        MissingExtraError: if a metric's package is not installed.
    """
    wanted: dict[str, None] = {}
    for name in names:
        wanted.update(dict.fromkeys(METRICS if name == "all" else [name]))
    if not wanted:
        raise ConfigError(f"no metric chosen; known metrics: {', '.join(METRICS)}")
    for name, _, tracker in (item.partition(":") for item in wanted):
        if tracker and name in METRICS and name not in _TRACKED:
            raise ConfigError(f"metric '{name}' takes no tracker, found '{tracker}'; {', '.join(_TRACKED)} do")
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known metrics: {', '.join(METRICS)}"
            raise ConfigError(f"unknown metric '{name}'; {hint}")
    parts = [item.split(":", 1) for item in wanted]
    return [METRICS[name](*tracker) for name, *tracker in parts]
