"""Every metric by name."""

from collections.abc import Callable, Iterable
from functools import partial

from recipes.metrics.alignment import Lag, Polarity
from recipes.metrics.dnsmos import Dnsmos
from recipes.metrics.f0 import LogF0Rmse, VoicingError
from recipes.metrics.gain_trace import GainConcordance, GainTraceError
from recipes.metrics.level import ClippedShare, DcOffset, HighFrequencyDifference, LevelDifference
from recipes.metrics.mcd import MelCepstralDistortion
from recipes.metrics.mel import LogSpectralDistance, MelL1
from recipes.metrics.metric import Metric, UnavailableMetricError
from recipes.metrics.mstft import MultiResolutionStft, SingleResolutionStft
from recipes.metrics.periodicity import PeriodicityRmse, PitchRmse, VoicingF1
from recipes.metrics.pesq import Pesq
from recipes.metrics.spectrum import HighBandDifference, LongTermSpectrumDifference, NarrowLine
from recipes.metrics.stoi import Stoi
from recipes.metrics.utmos import Utmos
from recipes.metrics.waveform import ErrorToSignalRatio, LoudnessDifference, MeanAbsoluteError, ScaleInvariantSdr
from vocoders.core.errors import ConfigError, MissingExtraError
from vocoders.core.plugins import Registry, unknown_name

__all__ = ["DEFAULT_METRICS", "METRICS", "create_metrics", "expand_names", "find_metrics"]

#: Classes or functions that make metrics without arguments; those that take a tracker are called with its name.
METRICS: Registry[Callable[..., Metric]] = Registry(
    "metric",
    "ondes.metrics",
    {
        "pesq": Pesq,
        "mstft": MultiResolutionStft,
        "stft": SingleResolutionStft,
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
        "utmos": Utmos,
        "level_difference": LevelDifference,
        "high_frequency_difference": HighFrequencyDifference,
        "ltas": LongTermSpectrumDifference,
        "ltas_high": HighBandDifference,
        "line_6k": NarrowLine,
        "si_sdr": ScaleInvariantSdr,
        "esr": ErrorToSignalRatio,
        "esr_emphasis": partial(ErrorToSignalRatio, 0.85),
        "mae": MeanAbsoluteError,
        "dlufs": LoudnessDifference,
        "gain_trace": GainTraceError,
        "gain_trace_p95": partial(GainTraceError, 95.0),
        "gain_ccc": GainConcordance,
        "lag": Lag,
        "polarity": Polarity,
        "dc_offset": DcOffset,
        "clipped_share": ClippedShare,
    },
    reserved=lambda: ("all",),
)

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
        UnavailableMetricError: if a metric's weights cannot be fetched.
    """
    return [_create(name) for name in expand_names(names)]


def find_metrics(names: Iterable[str], has_dry: bool = False) -> tuple[list[Metric], dict[str, str]]:
    """Create those metrics that can run here.

    What ``all`` brings in is left out where its package is missing, or where it needs the input of an effect; weights
    that cannot be fetched are nobody's fault, so that such a metric is left out even if it was asked for by name.

    Args:
        names: as in :func:`create_metrics`.
        has_dry: whether the inputs of an effect are known.

    Returns:
        The metrics, and for each name that was left out the reason in one line.

    Raises:
        ConfigError: for an unknown name, one that needs the input of an effect while there is none, or if no metric is
            left.
        MissingExtraError: if the package of a metric that was named is not installed.
    """
    names = list(names)
    metrics, left_out = [], {}
    for name in expand_names(names):
        try:
            metric = _create(name)
            if metric.needs_dry and not has_dry:
                raise ConfigError(
                    f"metric '{name}' needs the input of the effect; pass --dry, the folder of the inputs; "
                    "without an effect, leave it out"
                )
        except UnavailableMetricError as error:
            left_out[name] = str(error)
        except (ConfigError, MissingExtraError) as error:
            if name in names:
                raise
            left_out[name] = str(error)
        else:
            metrics.append(metric)
    if not metrics:
        raise ConfigError(f"no metric is left to run: {'; '.join(left_out.values())}")
    return metrics, left_out


def expand_names(names: Iterable[str]) -> list[str]:
    """Check names of metrics and put every metric in place of ``all``.

    Raises:
        ConfigError: for an unknown name, or no name at all.
    """
    wanted: dict[str, None] = {}
    for name in names:
        wanted.update(dict.fromkeys(METRICS.usable() if name == "all" else [name]))
    if not wanted:
        raise ConfigError(f"no metric chosen; known metrics: {', '.join(METRICS)}")
    for name, _, tracker in (item.partition(":") for item in wanted):
        if tracker and name in METRICS and name not in _TRACKED:
            raise ConfigError(f"metric '{name}' takes no tracker, found '{tracker}'; {', '.join(_TRACKED)} do")
        if name not in METRICS:
            raise ConfigError(unknown_name("metric", name, METRICS))
    return list(wanted)


def _create(item: str) -> Metric:
    name, *tracker = item.split(":", 1)
    metric = METRICS[name](*tracker)
    if not isinstance(metric, Metric):
        raise ConfigError(f"metric '{name}' of an installed package makes {metric!r:.40}; expected a Metric")
    return metric
