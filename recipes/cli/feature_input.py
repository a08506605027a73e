"""Features for `ondes synth`: read, checked, and named as the arguments of a vocoder."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np

    from vocoders.core.feature_files import FeatureFile, FeaturePlace
    from vocoders.core.runtime_names import RuntimeName
    from vocoders.frontends.f0_units import F0Unit
    from vocoders.frontends.mel_convention import MelConvention
    from vocoders.interface import Vocoder

__all__ = ["FeatureOptions", "load_vocoder_for", "native_inputs", "read_inputs"]

_logger = logging.getLogger(__name__)

_PANEL = "Features"
# An octave is a usual change of pitch, and high voices may be read an octave or more too low.
_DOUBTFUL_OCTAVES, _WRONG_OCTAVES = 1.2, 1.8


@dataclass(frozen=True, kw_only=True)
class FeatureOptions:
    """What the features of a command mean."""

    mel: Annotated[
        str | None,
        typer.Option(
            "--mel",
            metavar="PRESET|YAML",
            help="Convention of the features, such as hifigan_22k (ondes mel list), or a file of ondes mel detect.",
            rich_help_panel=_PANEL,
            show_default="that of the model",
        ),
    ] = None
    mel_statistics: Annotated[
        Path | None,
        typer.Option(
            "--mel-statistics",
            metavar="FILE",
            help="Mean and deviation by which the features are normalised: stats.h5, feats_stats.npz, cmvn.ark ...",
            rich_help_panel=_PANEL,
        ),
    ] = None
    beyond: Annotated[
        str,
        typer.Option(
            "--beyond",
            metavar="speech|silence",
            help="What is above the bands of --mel: the most probable envelope of speech, or silence.",
            rich_help_panel=_PANEL,
        ),
    ] = "speech"
    f0_unit: Annotated[
        str | None,
        typer.Option(
            "--f0-unit",
            metavar="UNIT",
            help="Unit of F0 in feature files: hz, khz, ln, log2, log10, semitones, cents, espnet, kaldi.",
            rich_help_panel=_PANEL,
            show_default="hz",
        ),
    ] = None
    force_features: Annotated[
        bool,
        typer.Option("--force-features", help="Take features whose values cannot be a mel.", rich_help_panel=_PANEL),
    ] = False

    def __post_init__(self) -> None:
        from typing import get_args

        from vocoders.core.errors import ConfigError
        from vocoders.core.plugins import unknown_name
        from vocoders.frontends.f0_units import F0_UNITS
        from vocoders.frontends.speech_envelope import Beyond

        for flag, value, known in (
            ("--beyond", self.beyond, get_args(Beyond)),
            ("--f0-unit", self.f0_unit, (None, *F0_UNITS)),
        ):
            if value not in known:
                raise ConfigError(f"{flag}: {unknown_name('value', str(value), [k for k in known if k is not None])}")
        if self.mel_statistics is not None and self.mel is None:
            raise ConfigError("--mel-statistics normalise a convention; give its name with --mel")

    def convention(self) -> "MelConvention | None":
        """Return the convention of the features; ``None``: that of the model.

        Raises:
            ConfigError: for an unknown convention, or statistics of another number of bands.
            CheckpointError: for statistics that cannot be read.
        """
        from vocoders.frontends.convention_presets import find_convention, with_statistics

        if self.mel is None:
            return None
        found = find_convention(self.mel)
        return found if self.mel_statistics is None else with_statistics(found, self.mel_statistics)


def load_vocoder_for(
    name: str, convention: "MelConvention | None", device: Any, runtime: "RuntimeName" = "auto"
) -> "Vocoder":
    """Load a vocoder; a baseline without details is made for the convention, at its own rate."""
    from vocoders.baselines.baseline import MelBaseline
    from vocoders.registry import BASELINES, is_baseline, load_vocoder

    if convention is not None and is_baseline(name) and ":" not in name:
        system = BASELINES[name].system_class
        if issubclass(system, MelBaseline):
            with BASELINES.running(name):
                return system(convention.mel)
    return load_vocoder(name, device, runtime=runtime)


def read_inputs(
    place: "FeaturePlace",
    vocoder: "Vocoder",
    convention: "MelConvention | None",
    options: FeatureOptions,
    f0_source: str | None,
) -> dict[str, Any]:
    """Return the arguments ``features``, ``f0``, ``mel_f0``, ``mel`` and ``beyond`` of :meth:`Vocoder.synthesize`.

    Args:
        place: of the features.
        vocoder: it decides whether F0 is needed.
        convention: of the features; ``None``: that of the vocoder.
        options: how to read them.
        f0_source: ``None``: the F0 of the file, else from the mel; ``mel``: from the mel.

    Raises:
        ConfigError: for a tracker of audio.
        DataError: if the file cannot be read, or its content cannot be what it should be.
    """
    from vocoders.core.errors import ConfigError, DataError
    from vocoders.core.feature_files import read_feature_file
    from vocoders.frontends.mel_convention import MelConvention

    if f0_source not in (None, "mel"):
        raise ConfigError(f"{place}: --f0 {f0_source} tracks audio, and this file has features; pass auto or mel")
    found = read_feature_file(place)
    if convention is None and vocoder.mel is not None and place.is_kaldi:
        rows = MelConvention(mel=vocoder.mel, layout="frames_first")
        found = replace(found, features=rows.bands_first(found.features).numpy())
    _check_features(found, vocoder, convention, options, str(place))
    arguments: dict[str, Any] = {"features": _tensor(found.features)[None]}
    if convention is not None:
        arguments |= {"mel": convention, "beyond": options.beyond}
    if vocoder.uses_f0 and found.f0 is not None and f0_source is None:
        arguments["f0"] = _tensor(_read_f0(found, vocoder, convention, options, str(place)))[None, None]
        if found.mel_f0 is not None and convention is None:
            if found.mel_f0.size != arguments["f0"].shape[-1]:
                frames = arguments["f0"].shape[-1]
                raise DataError(f"{place}: mel_f0 of {found.mel_f0.size} frames; expected {frames}, one per frame")
            arguments["mel_f0"] = _tensor(found.mel_f0).reshape(1, 1, -1)
    elif vocoder.uses_f0 and vocoder.mel is None:
        raise DataError(f"{place} has no F0, which this model needs; give an .npz with 'features' and 'f0'")
    elif vocoder.uses_f0:
        if convention is None:
            arguments["f0"] = vocoder.estimate_f0(arguments["features"])
        _logger.info("%s: F0 is estimated from the mel", place)
    return arguments


def native_inputs(inputs: dict[str, Any], vocoder: "Vocoder") -> dict[str, Any]:
    """Return features and F0 in the mel of the vocoder, for streams, from the result of :func:`read_inputs`."""
    from vocoders.mel_input import MelInput

    if "mel" not in inputs:
        return inputs
    _logger.info("a stream keeps to the vocoder's own mel; without --stream, the output is refined under --mel")
    own = MelInput(inputs["mel"], inputs["beyond"]).native(vocoder, inputs["features"], inputs.get("f0"))
    return own if "f0" in own or not vocoder.uses_f0 else own | {"f0": vocoder.estimate_f0(own["features"])}


def _tensor(array: "np.ndarray") -> Any:
    import torch

    return torch.from_numpy(array.astype("float32"))


def _check_features(
    found: "FeatureFile",
    vocoder: "Vocoder",
    convention: "MelConvention | None",
    options: FeatureOptions,
    source: str,
) -> None:
    """Raise an error if features come from another front end, or cannot be of the convention."""
    from vocoders.core.errors import DataError
    from vocoders.frontends.mel_convention import MelConvention
    from vocoders.frontends.plausibility import check_plausible

    if convention is None and found.fingerprint is not None and found.fingerprint != vocoder.fingerprint:
        raise DataError(
            f"{source} comes from another front end:\n  file:  {found.fingerprint}\n  model: {vocoder.fingerprint}"
            f"{_hint(found.fingerprint)}"
        )
    if vocoder.mel is not None and not options.force_features:
        expected = convention or MelConvention(mel=vocoder.mel)
        with _forcible():
            check_plausible(found.features, expected, source, either_axis=convention is not None)


@contextmanager
def _forcible() -> Iterator[None]:
    """Add the remedy of last resort to an error about implausible values."""
    from vocoders.core.errors import DataError

    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; --force-features goes on") from None


def _hint(fingerprint: str) -> str:
    """Return which preset has the fingerprint of a file."""
    from vocoders.frontends.convention_presets import MEL_CONVENTIONS

    own = fingerprint.split(" | ")[0]
    name = next((name for name, preset in MEL_CONVENTIONS.items() if preset.fingerprint == own), None)
    return f"\n  pass --mel {name}" if name is not None else ""


def _read_f0(
    found: "FeatureFile",
    vocoder: "Vocoder",
    convention: "MelConvention | None",
    options: FeatureOptions,
    source: str,
) -> "np.ndarray":
    """Return the F0 of a file in Hz, (F,); where it is continuous, unvoiced frames are those of the mel.

    Trackers of other programs often give one frame more or less: the last value is left out, or repeated.
    """
    import numpy as np

    from vocoders.core.errors import DataError
    from vocoders.frontends.f0_units import CONTINUOUS, check_plausible_f0, to_hertz
    from vocoders.frontends.mel_convention import MelConvention
    from vocoders.frontends.mel_f0 import estimate_f0

    assert found.f0 is not None
    unit: F0Unit | None = options.f0_unit  # type: ignore[assignment]
    native = vocoder.mel is None and convention is None
    own = convention or (None if vocoder.mel is None else MelConvention(mel=vocoder.mel))
    frames = found.features.shape[1] if native or own is None else own.bands_first(found.features).shape[-1]
    if not options.force_features:
        with _forcible():
            check_plausible_f0(found.f0, unit, source)
    try:
        f0 = to_hertz(found.f0, unit or "hz", found.voiced)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    if abs(f0.size - frames) > 1:
        shape = "" if found.f0.ndim == 1 else f" {found.f0.shape}"
        raise DataError(f"{source}: F0{shape} of {f0.size} frames for features of {frames}; expected one per frame")
    f0 = np.pad(f0, (0, max(0, frames - f0.size)), mode="edge")[:frames]
    if own is None:
        return f0
    log_mel = own.to_log_mel(found.features)
    if unit in CONTINUOUS and found.voiced is None:
        f0 = np.where(estimate_f0(log_mel, own.mel)[0, 0].numpy() > 0, f0, 0.0)
    if not options.force_features and found.mel_f0 is None:
        with _forcible():
            _compare_with_mel(f0, log_mel, own, source)
    return f0


def _compare_with_mel(f0: "np.ndarray", log_mel: Any, convention: "MelConvention", source: str) -> None:
    """Raise an error, or warn, if F0 is far from what the mel says."""
    from vocoders.core.errors import DataError
    from vocoders.frontends.mel_f0 import octaves_from_mel

    octaves = octaves_from_mel(_tensor(f0)[None, None], log_mel, convention.mel)
    found = f"{source}: F0 is {2**octaves:.2g} times that of the mel: in another unit, or of another recording"
    if abs(octaves) > _WRONG_OCTAVES:
        raise DataError(found)
    if abs(octaves) > _DOUBTFUL_OCTAVES:
        _logger.warning("%s", found)
