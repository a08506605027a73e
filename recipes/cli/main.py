"""The entry point of the `ondes` command: global options, logging, and the form of errors.

Exit codes: 0 done; 1 some inputs failed; 2 invalid command line, configuration, file or model; 75 a training that a
signal of the cluster stopped, to be started again; 130 interrupted.
"""

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from recipes.cli import (
    bench,
    config,
    convert,
    decode,
    demo,
    doctor,
    effect,
    effect_signal,
    evaluate,
    export,
    features,
    generate,
    info,
    mel,
    models,
    pack,
    picture,
    prepare,
    recipe,
    serve,
    synth,
    train,
    tryout,
)
from recipes.cli.interruption import prompt_interruption
from recipes.cli.logs import keep_in_log, show_logs
from recipes.cli.printing import say
from recipes.data.commands import ALLOWED
from recipes.stopping import STOPPED, TrainingStopped
from vocoders.core.errors import FilesFailedError, OndesError, WorkersDiedError
from vocoders.core.extras import extra_with
from vocoders.core.limits import set_limit
from vocoders.version import __version__

__all__ = ["app", "main"]

_logger = logging.getLogger("recipes.cli")

# They end in their own way: with a checkpoint, or after the last answer.
_OWN_ENDINGS = ("train", "serve", "demo")

app = typer.Typer(
    name="ondes",
    help="Synthesise, generate and process audio; train, inspect and evaluate models.\n\n"
    "Begin with: ondes try my_voice.wav. If something does not work: ondes doctor.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_commands = (tryout, synth, models, info, convert, prepare, features, mel, train, decode, evaluate, picture)
for _command in (*_commands, effect, effect_signal, export, generate, pack, bench, demo, serve, recipe, config, doctor):
    _command.register(app)


def _show_version(is_requested: bool) -> None:
    if is_requested:
        say(f"ondes {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _ondes(
    context: typer.Context,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Log every step with its time.")
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log only warnings and errors.")] = False,
    limits: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", metavar="NAME=VALUE", help="Raise a limit on files that you trust.", show_default=False
        ),
    ] = None,
    allow_pipes: Annotated[
        bool, typer.Option("--allow-pipes", help="Run commands in wav.scp by the shell; only for lists that you trust.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    show_logs(-1 if quiet else verbose)
    if context.invoked_subcommand not in _OWN_ENDINGS:
        context.with_resource(prompt_interruption())
    if allow_pipes:
        os.environ[ALLOWED] = "1"
    for setting in limits or ():
        set_limit(setting)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())  # noqa: TID251 (may have colours)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: arguments without the program's name; ``None``: those of the process.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may be no text; JSON takes the escapes as they are.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(arguments, prog_name="ondes", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except FilesFailedError as error:
        return _fail(
            f"{len(error.failures)} of {error.count} files failed:", 1, [f"  {item}" for item in error.failures]
        )
    except WorkersDiedError as error:
        return _fail(str(error), 1)
    except OndesError as error:
        return _fail(str(error), 2)
    except typer.TyperException as error:
        return _fail(_usage_problem(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except TrainingStopped:
        return STOPPED
    except BrokenPipeError:
        # The reader of a pipe has exited (`ondes models | head -1`); Python's flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        # A package of an extra, which a module needs as a whole.
        extra = extra_with(error.name or "")
        if extra is None:
            raise
        return _fail(f"this command needs {error.name}, which is not installed; pip install 'ondes[{extra}]'", 2)
    except RuntimeError as error:
        # What pathlib says of ~ of an unknown user, and of links in a circle.
        if not str(error).startswith(("Could not determine home", "Symlink loop")):
            raise
        return _fail(f"{error}; correct the path", 2)
    except OSError as error:
        # A full disk, a file that vanished, a missing permission.
        _logger.debug("the system refused", exc_info=True)
        if error.filename is None and isinstance(error, FileNotFoundError) and not _has_working_folder():
            return _fail("the working folder was removed; change to another one (cd)", 2)
        place = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{place}{error.strerror or error} (-v shows where)", 2)


def _has_working_folder() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def _fail(message: str, code: int, more: Sequence[str] = ()) -> int:
    lines = [f"error: {message}", *more]
    say(*lines, err=True)
    keep_in_log(*lines)
    return code


def _usage_problem(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}; see '{context.command_path} --help'" if context is not None else message


if __name__ == "__main__":
    sys.exit(main())
