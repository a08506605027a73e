"""`ondes export`: an effect for other programs, verified before it is written."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from effects.models import EffectModel

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("export")(_export)


def _export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Effect: shipped name, folder or hub id.", show_default=False)
    ],
    format: Annotated[
        Literal["onnx", "rtneural"],
        typer.Option(
            "--format", help="onnx: step graph with states; rtneural: layers at fixed knobs.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.", show_default=False)],
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob", "-k", metavar="NAME=VALUE", help="Value of a fixed knob: threshold=-24dB.", show_default=False
        ),
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="onnx: fold knobs into the weights; rtneural always does.")
    ] = False,
    max_block: Annotated[
        int | None, typer.Option("--max-block", min=1, help="onnx: largest block in samples; default: 4096.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing export.")] = False,
) -> None:
    """Export an effect to ONNX or RTNeural.

    The folder contains the model, metadata.json (knobs and their
    normalisation, latency, sample rate, states) and test_vector.npz (input,
    knobs, output). It is written only after the export has run and
    reproduced the model's output within 1e-6.
    """
    from effects.registry import load
    from vocoders.core.errors import ConfigError

    if format == "rtneural" and (freeze or max_block is not None):
        raise ConfigError(f"{'--freeze' if freeze else '--max-block'} belongs to --format onnx")
    output = output.expanduser()
    _check_replaceable(output, force)
    effect = load(model)
    settings = effect.knobs.parse(knobs or [])
    metadata = _write(effect, format, output, settings, freeze, max_block, force)
    states = f", {len(metadata['states'])} states" if format == "onnx" else ""
    error = metadata["verification"]["max_relative_error"]
    typer.echo(f"{output}: {effect.family} as {format}{states}; differs from the model by {error:.1e} of the peak")


def _write(
    effect: "EffectModel",
    format: str,
    output: Path,
    settings: dict[str, float],
    freeze: bool,
    max_block: int | None,
    force: bool,
) -> dict[str, Any]:
    from effects.runtimes.onnx.export import DEFAULT_MAX_BLOCK, export_onnx
    from effects.runtimes.rtneural import export_rtneural

    if format == "rtneural":
        return export_rtneural(effect, output, settings, overwrite=force)
    return export_onnx(effect, output, settings, freeze, max_block or DEFAULT_MAX_BLOCK, overwrite=force)


def _check_replaceable(folder: Path, force: bool) -> None:
    """Refuse to replace a folder without ``--force``, or one with more than an export in it."""
    from effects.runtimes.bundle import METADATA_FILE, TEST_VECTOR_FILE
    from effects.runtimes.onnx.export import GRAPH_FILE
    from effects.runtimes.rtneural import MODEL_FILE
    from vocoders.core.errors import ConfigError

    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    if names and not force:
        raise ConfigError(f"{folder} exists already; pass --force to replace it, or choose another output")
    foreign = [name for name in names if name not in (METADATA_FILE, TEST_VECTOR_FILE, GRAPH_FILE, MODEL_FILE)]
    if foreign:
        raise ConfigError(f"{folder} holds more than an export ({', '.join(foreign[:5])}) and is not replaced")
