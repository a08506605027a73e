"""`ondes mel compare`: predicted mels against true ones."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say, say_json

if TYPE_CHECKING:
    from recipes.metrics.predicted_mels import MelComparison
    from vocoders.core.feature_files import FeaturePlace
    from vocoders.frontends.mel_convention import MelConvention

__all__ = ["register"]

_DECIBELS = {"ln": 8.685889638, "log10": 20.0, "log2": 6.020599913}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("compare")(_compare)


def _compare(
    predicted: Annotated[
        str,
        typer.Argument(
            metavar="PREDICTED", help="Features of an acoustic model: a folder or file.", show_default=False
        ),
    ],
    true: Annotated[
        str,
        typer.Argument(metavar="TRUE", help="Features of the recordings, by the same names.", show_default=False),
    ],
    mel: Annotated[str, typer.Option("--mel", metavar="PRESET|YAML", help="Convention of both.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per utterance, then the means.")
    ] = False,
) -> None:
    """Compare level and variance of predicted mels with those of true ones.

    Predicted mels are usually too smooth: their ratios of deviations are
    below 1. Tune a vocoder on them, or train it with data.degrade.

    Example: ondes mel compare predicted/ true/ --mel hifigan_22k
    """
    from vocoders.core.errors import DataError
    from vocoders.frontends.convention_presets import find_convention

    convention = find_convention(mel)
    ours, theirs = _places(predicted), _places(true)
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        raise DataError(f"{predicted} and {true} share no names; expected the same utterances")
    rows = []
    for name in shared:
        found = _measure(ours[name], theirs[name], convention)
        rows.append(found)
        _print(name, found, as_json)
    _print(f"mean of {len(rows)}", _mean(rows), as_json)
    if left := len(set(ours) ^ set(theirs)):
        say(f"{left} utterances are in one of the two alone", err=True)


def _places(argument: str) -> "dict[str, FeaturePlace]":
    from recipes.cli.inputs import find_inputs

    items = find_inputs([argument])
    if len(items) == 1 and Path(argument).is_file():
        return {"": items[0].place}
    return {str(item.name): item.place for item in items if item.is_features}


def _measure(predicted: "FeaturePlace", true: "FeaturePlace", convention: "MelConvention") -> "MelComparison":
    from recipes.metrics.predicted_mels import compare_mels
    from vocoders.core.errors import OndesError
    from vocoders.core.feature_files import read_feature_file

    decibels = _DECIBELS[convention.mel.log] / convention.mel.power
    try:
        ours, theirs = (convention.to_log_mel(read_feature_file(place).features)[0] for place in (predicted, true))
        return compare_mels(ours.numpy(), theirs.numpy(), decibels)
    except OndesError as error:
        raise type(error)(f"{predicted} and {true}: {error}") from None


def _mean(rows: "list[MelComparison]") -> "MelComparison":
    from statistics import fmean

    from recipes.metrics.predicted_mels import MelComparison

    columns = [asdict(row) for row in rows]
    means = {key: fmean(column[key] for column in columns) for key in columns[0] if key != "frames"}
    return MelComparison(frames=sum(row.frames for row in rows), **means)


def _print(name: str, found: "MelComparison", as_json: bool) -> None:
    if as_json:
        say_json({"name": name} | {key: round(value, 4) for key, value in asdict(found).items()})
        return
    say(
        f"{name or 'both'}: {found.frames} frames, level {found.level_db:+.2f} dB, error {found.error_db:.2f} dB, "
        f"deviation over time x{found.deviation_ratio:.2f}, detail over bands x{found.detail_ratio:.2f}"
    )
