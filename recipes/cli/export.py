"""`ondes export`: a model for other programs, verified before it is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from recipes.cli.export_capture import NOTHING_TOLD, CaptureFileOptions, export_capture
from recipes.cli.option_group import with_option_groups
from recipes.cli.printing import say

__all__ = ["register"]

_Format = Literal["onnx", "cpp", "rtneural", "nam", "aidax", "proteus"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("export")(with_option_groups(_export))


def _export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Vocoder, generator or effect: shipped name, folder, hub id or capture.",
            show_default=False,
        ),
    ],
    format: Annotated[
        _Format,
        typer.Option(
            "--format",
            help="onnx: graphs; cpp: a gray box as plain C++; rtneural: layers of an effect at fixed knobs; "
            "nam, aidax, proteus: a capture's file.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE", help="Folder to write; of captures the file.", show_default=False
        ),
    ],
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            "-k",
            metavar="NAME=VALUE",
            help="Value of a knob at the start, or fixed: threshold=-24dB.",
            show_default=False,
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="Option of synthesis that the graph contains: steps=2.",
            show_default=False,
        ),
    ] = None,
    freeze: Annotated[
        bool,
        typer.Option("--freeze", help="Effects: fold knobs into the weights; formats rtneural and nam always do."),
    ] = False,
    max_block: Annotated[
        int | None,
        typer.Option("--max-block", min=1, help="Effects as onnx: largest block in samples; default: 4096."),
    ] = None,
    capture: CaptureFileOptions = NOTHING_TOLD,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing export.")] = False,
) -> None:
    """Export a model to ONNX, or an effect to C++, RTNeural or a capture's file.

    The folder contains the graphs, metadata.json (inputs and their units,
    sample rate, front end or knobs, states), test_vector.npz (inputs and
    output) and an example: of vocoders and generators example.py, which
    needs NumPy and ONNX Runtime alone; of effects example.cpp, with a class
    Effect for a plug-in. It is written only after the export has run and
    reproduced the model's output: effects within 1e-6 of the peak, others
    within 1e-4.

    Formats nam, aidax and proteus write one file, amp.nam or amp.json, that
    plug-ins for captures play; it is read back and must agree within 1e-5.

    Example: ondes export wavehax-24k --format onnx -o wavehax-onnx/
    """
    from effects.captures.names import is_capture
    from effects.registry import FAMILIES
    from vocoders.core.errors import ConfigError
    from vocoders.core.model_source import read_model_config, resolve_model
    from vocoders.registry import is_baseline

    output = output.expanduser()
    if format in ("nam", "aidax", "proteus"):
        if options or max_block is not None:
            raise ConfigError(f"{'--option' if options else '--max-block'} belongs to --format onnx")
        say(f"{output}: {export_capture(model, format, output, knobs or [], freeze, capture, force)}")
        return
    capture.check_unused()
    _check_replaceable(output, force)
    is_effect = is_capture(model) or (
        not is_baseline(model) and read_model_config(resolve_model(model)).family in FAMILIES
    )
    if is_effect and options:
        raise ConfigError(f"--option {options[0]}: an effect has knobs; pass --knob")
    if is_effect:
        if format in ("cpp", "rtneural") and (freeze or max_block is not None):
            raise ConfigError(f"{'--freeze' if freeze else '--max-block'} belongs to --format onnx")
        what = _export_effect(model, format, output, knobs or [], freeze, max_block, force)
    else:
        given = {"--knob": bool(knobs), "--freeze": freeze, "--max-block": max_block is not None}
        if unused := [flag for flag, is_given in given.items() if is_given]:
            raise ConfigError(f"{unused[0]} is for effects, and '{model}' is none; leave it out")
        if format != "onnx":
            raise ConfigError(f"--format {format} is for effects, and '{model}' is none; pass --format onnx")
        what = _export_system(model, output, options or [], force)
    say(f"{output}: {what}")


def _export_system(name: str, output: Path, options: Sequence[str], force: bool) -> str:
    from vocoders.exports import export_onnx
    from vocoders.registry import load

    system = load(name)
    metadata = export_onnx(system, output, _parse_options(system, options), overwrite=force)
    graphs = ", ".join(graph["file"] for graph in metadata["graphs"])
    return f"{metadata['family']} as onnx ({graphs}); {_difference(metadata)}"


def _parse_options(system: Any, given: Sequence[str]) -> dict[str, Any]:
    from vocoders.core.errors import ConfigError

    declared, changes = {option.name: option for option in system.options_class.declared()}, {}
    for text in given:
        name, separator, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not separator or name not in declared:
            known = ", ".join(declared) or "none"
            raise ConfigError(f"--option {text}: expected NAME=VALUE with one of {known}")
        changes[name] = declared[name].parse(value)
    return changes


def _export_effect(
    name: str,
    format: str,
    output: Path,
    knobs: Sequence[str],
    freeze: bool,
    max_block: int | None,
    force: bool,
) -> str:
    from effects.registry import load
    from effects.runtimes.cpp.graybox import export_cpp
    from effects.runtimes.onnx.export import DEFAULT_MAX_BLOCK, export_onnx
    from effects.runtimes.rtneural import export_rtneural

    effect = load(name)
    settings = effect.knobs.parse(list(knobs))
    if format in ("cpp", "rtneural"):
        export = export_cpp if format == "cpp" else export_rtneural
        metadata = export(effect, output, settings, overwrite=force)
        return f"{effect.family} as {format}; {_difference(metadata)}"
    metadata = export_onnx(effect, output, settings, freeze, max_block or DEFAULT_MAX_BLOCK, overwrite=force)
    return f"{effect.family} as onnx, {len(metadata['states'])} states; {_difference(metadata)}"


def _difference(metadata: dict[str, Any]) -> str:
    return f"differs from the model by {metadata['verification']['max_relative_error']:.1e} of the peak"


def _check_replaceable(folder: Path, force: bool) -> None:
    from effects.runtimes.onnx.export import GRAPH_FILE
    from effects.runtimes.rtneural import MODEL_FILE
    from vocoders.core.graphs.agreement import check_replaceable

    check_replaceable(folder, force, (GRAPH_FILE, MODEL_FILE))
