"""All metrics by name, in groups; the code of a metric is imported when it is created."""

from collections.abc import Callable, Iterable
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from vocoders.core.errors import ConfigError, MissingExtraError
from vocoders.core.plugins import Registry, unknown_name

if TYPE_CHECKING:
    from recipes.metrics.metric import Metric

__all__ = [
    "DEFAULT_METRICS",
    "EFFECT_METRICS",
    "METRICS",
    "TRACKED_METRICS",
    "create_metrics",
    "expand_names",
    "find_metrics",
    "metric_groups",
]

_Maker = Callable[..., "Metric"]


def _at(place: str, *arguments: Any, **options: Any) -> _Maker:
    """Return a function that creates the metric at ``module:name`` in this package."""
    return partial(_make, f"recipes.metrics.{place}", *arguments, **options)


def _make(place: str, *arguments: Any, **options: Any) -> "Metric":
    return resolve_name(place)(*arguments, **options)


_GROUPS: dict[str, dict[str, _Maker]] = {
    "quality and intelligibility": {
        "pesq": _at("pesq:Pesq"),
        "visqol": _at("visqol:Visqol", "speech"),
        "visqol_audio": _at("visqol:Visqol", "audio"),
        "stoi": _at("stoi:Stoi"),
        "estoi": _at("stoi:Stoi", extended=True),
        "dnsmos_p808": _at("dnsmos:Dnsmos", "p808"),
        "dnsmos_sig": _at("dnsmos:Dnsmos", "sig"),
        "dnsmos_bak": _at("dnsmos:Dnsmos", "bak"),
        "dnsmos_ovrl": _at("dnsmos:Dnsmos", "ovrl"),
        "utmos": _at("utmos:Utmos"),
    },
    "spectrum": {
        "mstft": _at("mstft:MultiResolutionStft"),
        "stft": _at("mstft:SingleResolutionStft"),
        "mel_l1": _at("mel:MelL1"),
        "log_spectral_distance": _at("mel:LogSpectralDistance"),
        "mcd": _at("mcd:MelCepstralDistortion"),
        "mcd_c0": _at("mcd:MelCepstralDistortion", energy=True),
        "mcd_dtw": _at("mcd:MelCepstralDistortion", warping=True),
        "mcd_c0_dtw": _at("mcd:MelCepstralDistortion", energy=True, warping=True),
        "high_frequency_difference": _at("level:HighFrequencyDifference"),
        "ltas": _at("spectrum:LongTermSpectrumDifference"),
        "ltas_high": _at("spectrum:HighBandDifference"),
        "modulation_depth": _at("modulation:ModulationDepth"),
        "line_6k": _at("spectrum:NarrowLine"),
    },
    "pitch and voicing": {
        "log_f0_rmse": _at("f0:LogF0Rmse"),
        "vuv_error": _at("f0:VoicingError"),
        "periodicity": _at("periodicity:PeriodicityRmse"),
        "vuv_f1": _at("periodicity:VoicingF1"),
        "pitch_cents": _at("periodicity:PitchRmse"),
    },
    "waveform": {
        "si_sdr": _at("waveform:ScaleInvariantSdr"),
        "esr": _at("waveform:ErrorToSignalRatio"),
        "esr_emphasis": _at("waveform:ErrorToSignalRatio", 0.85),
        "mae": _at("waveform:MeanAbsoluteError"),
        "lag": _at("alignment:Lag"),
        "polarity": _at("alignment:Polarity"),
    },
    "level": {
        "level_difference": _at("level:LevelDifference"),
        "dlufs": _at("waveform:LoudnessDifference"),
        "dc_offset": _at("level:DcOffset"),
        "clipped_share": _at("level:ClippedShare"),
    },
    "gain of an effect": {
        "gain_trace": _at("gain_trace:GainTraceError"),
        "gain_trace_p95": _at("gain_trace:GainTraceError", 95.0),
        "gain_ccc": _at("gain_trace:GainConcordance"),
    },
}

#: Functions that create the metrics; those with a tracker take its name.
METRICS: Registry[_Maker] = Registry(
    "metric",
    "ondes.metrics",
    {name: maker for group in _GROUPS.values() for name, maker in group.items()},
    reserved=lambda: ("all",),
)

#: These take the name of a tracker after a colon, such as periodicity:swift.
TRACKED_METRICS = ("periodicity", "vuv_f1", "pitch_cents")

#: Default metrics of audio.
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


#: Default metrics of effects.
EFFECT_METRICS = ("esr", "mae", "mstft", "dlufs", "gain_trace", "gain_trace_p95", "lag", "polarity")


def metric_groups() -> dict[str, list[str]]:
    """Return the names of all metrics by topic; those of an installed package form a separate group.

    Nothing is imported.
    """
    groups = {title: list(group) for title, group in _GROUPS.items()}
    own = {name for group in groups.values() for name in group}
    for name in METRICS:
        if name not in own:
            groups.setdefault(f"of the package {METRICS.origin(name)}", []).append(name)
    return groups


def create_metrics(names: Iterable[str] = DEFAULT_METRICS) -> "list[Metric]":
    """Create metrics by name, in the given order; ``all`` means all of them.

    Metrics of voicing take a tracker after a colon: ``periodicity:swift``.

    Raises:
        ConfigError: for a name that is not in :data:`METRICS`, or no name at all.
        MissingExtraError: if a metric's package is not installed.
        UnavailableMetricError: if a metric's weights cannot be downloaded.
    """
    return [_create(name) for name in expand_names(names)]


def find_metrics(names: Iterable[str], has_dry: bool = False) -> "tuple[list[Metric], dict[str, str]]":
    """Create those metrics that can run here.

    From ``all``, metrics without their package or without the input of an effect are left out. A metric whose weights
    cannot be downloaded is left out even if it was requested by name.

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
    from recipes.metrics.metric import UnavailableMetricError

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
    chosen: dict[str, None] = {}
    for name in names:
        chosen.update(dict.fromkeys(METRICS.usable() if name == "all" else [name]))
    if not chosen:
        raise ConfigError(f"no metric chosen; known metrics: {', '.join(METRICS)}")
    for name, _, tracker in (item.partition(":") for item in chosen):
        if tracker and name in METRICS and name not in TRACKED_METRICS:
            raise ConfigError(f"metric '{name}' takes no tracker, found '{tracker}'; {', '.join(TRACKED_METRICS)} do")
        if name not in METRICS:
            raise ConfigError(unknown_name("metric", name, METRICS))
    return list(chosen)


def _create(item: str) -> "Metric":
    from recipes.metrics.metric import Metric

    name, *tracker = item.split(":", 1)
    with METRICS.running(name):
        metric = METRICS[name](*tracker)
    if not isinstance(metric, Metric):
        raise ConfigError(f"metric '{name}' of an installed package makes {metric!r:.40}; expected a Metric")
    return metric
