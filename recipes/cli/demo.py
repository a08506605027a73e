"""`ondes demo`: the page in a browser, which is a program of its own (`python -m demo`)."""

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from vocoders.core.runtime_names import RuntimeName

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("demo")(_demo)


def _demo(
    host: Annotated[
        str | None,
        typer.Option(
            "--host", help="Address; 0.0.0.0 lets other machines in. Default: this machine.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=0, max=65535, help="Port. Default: the first free one from 7860.", show_default=False
        ),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option("--models", metavar="DIR", help="Model folder, or a folder of model folders.", show_default=False),
    ] = None,
    runtime: Annotated[
        RuntimeName, typer.Option("--runtime", help="Code that computes vocoders on the CPU; auto: the fastest.")
    ] = "auto",
    share: Annotated[bool, typer.Option("--share", help="Open a public link through Gradio's servers.")] = False,
) -> None:
    """Serve the page: vocoders, generators and effects to hear in a browser.

    It is offline and shows the shipped models. Ctrl-C ends it.

    Example: ondes demo --models exp/my_models
    """
    given = {"--host": host, "--port": port, "--runtime": runtime}
    words = [word for option, value in given.items() if value is not None for word in (option, str(value))]
    words += [word for folder in models or () for word in ("--models", str(folder))]
    sys.argv = ["ondes demo", *words, *(["--share"] if share else [])]
    # The page belongs to no recipe and knows none: it starts as from `python -m demo`, and ends this process.
    runpy.run_module("demo", run_name="__main__")
