"""The option for the number of threads."""

from typing import Annotated

import typer

from vocoders.core.threads import set_threads

__all__ = ["ThreadsOption"]


def _set(threads: int | None) -> int | None:
    set_threads(threads)
    return threads


#: For use with the default ``None``. The number is set when the option is parsed, before torch is imported.
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        callback=_set,
        expose_value=False,
        help="Threads of the process.",
        show_default="the cores that may be used, at most 8",
    ),
]
