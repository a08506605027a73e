"""`ondes mel detect`: the convention of mel features that somebody else has made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say

if TYPE_CHECKING:
    from numpy import ndarray

    from vocoders.frontends.mel_detection import Detection

__all__ = ["register"]

# A preset that differs by more is near, not equal.
_EXACT_DB = 0.5
_DIFFERENCES = 3


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("detect")(_detect)


def _detect(
    features: Annotated[
        Path, typer.Argument(metavar="FEATS", help="File with the mel of one utterance.", show_default=False)
    ],
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="CLIP", help="The same utterance as audio.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="YAML", help="Convention to write, for --mel.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing file.")] = False,
) -> None:
    """Find the convention of mel features.

    With the audio they were made of, it is found by comparing analyses, also
    after a normalisation by unknown statistics. Without it, list the presets
    that values and shape allow.

    Example: ondes mel detect first.npy --audio first.wav -o mine.yaml
    """
    from vocoders.core.errors import ConfigError, OndesError
    from vocoders.core.feature_files import read_feature_file

    if output is not None and audio is None:
        raise ConfigError("values and shape alone give candidates, no convention to write; add --audio CLIP")
    if output is not None and output.exists() and not force:
        raise ConfigError(f"{output} exists already; pass --force to replace it")
    values = read_feature_file(features).features
    try:
        found = None if audio is None else _search(values, audio)
        if found is None:
            _list_candidates(values)
    except OndesError as error:
        say(f"{features}: {error}", err=True)
        raise typer.Exit(1) from None
    if found is not None:
        _print(found)
    if found is not None and output is not None:
        _write(found, output)


def _search(values: "ndarray", audio: Path) -> "Detection":
    from vocoders.core.audio import read_audio
    from vocoders.frontends.mel_detection import detect_convention

    samples, rate = read_audio(audio, mono=True)
    return detect_convention(values, samples, rate)


def _print(found: "Detection") -> None:
    named = ", ".join(found.presets) if found.presets else "no preset"
    say(f"{named}: {found.convention.fingerprint}")
    say(f"residual {found.residual_db:.3f} dB, best of {found.candidates} analyses")
    if found.runner_up is not None:
        ours, theirs = (each.mel.fingerprint.split() for each in (found.convention, found.runner_up))
        other = [part for part in theirs if part not in ours and not part.startswith(("floor=", "eps=", "pad=", "ln"))]
        if found.runner_up.preemphasis != found.convention.preemphasis:
            other.append(f"pre-emphasis {found.runner_up.preemphasis:g}")
        if found.runner_up.mel.padding != found.convention.mel.padding:
            other.append(f"pad={found.runner_up.mel.padding}")
        say(f"runner-up {found.runner_up_db:.3f} dB: {' '.join(other)}")
    if found.residual_db > _EXACT_DB:
        say("near, not equal: the audio may be another copy, or the analysis one that ondes does not know", err=True)


def _write(found: "Detection", output: Path) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(output.expanduser()) as path:
        Path(path).write_text(found.convention.to_yaml(), encoding="utf-8")
    say(f"{output} written; use it as --mel {output}")


def _list_candidates(values: "ndarray") -> None:
    import torch

    from vocoders.frontends.convention_presets import CONVENTION_USERS
    from vocoders.frontends.mel_detection import checked_features
    from vocoders.frontends.plausibility import describe_values, fitting_conventions

    tensor = torch.from_numpy(checked_features(values)).float()
    say(f"{tuple(tensor.shape)}, values from {tensor.min():.4g} to {tensor.max():.4g}: {describe_values(tensor)}")
    names = fitting_conventions(tensor)
    for name in names:
        say(f"{name}: {CONVENTION_USERS[name]}")
    if not names:
        say("no preset has such a shape and such values")
    say("add --audio CLIP, the audio of these features, to know")
