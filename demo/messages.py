"""Errors for users: one message each, while the server continues."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.widgets import alarm
from vocoders.core.errors import DiskError, OndesError

__all__ = ["guarded", "sentence"]

_logger = logging.getLogger(__name__)


def guarded(told: int | None = None, outputs: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn the errors of a handler (plain or a generator) into messages on the page.

    Args:
        told: index of the status line among the handler's outputs; generators write the message there, too.
        outputs: number of outputs.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
                try:
                    with _translated(function.__name__):
                        yield from function(*args, **kwargs)
                except gr.Error as error:
                    if told is not None:
                        yield tuple(alarm(str(error.message)) if i == told else gr.skip() for i in range(outputs))
                    raise

            return generator

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with _translated(function.__name__):
                return function(*args, **kwargs)

        return plain

    return decorate


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except DiskError as error:
        _logger.error("%s: no place for files: %s", name, error)
        text = "The server cannot store files at the moment; try again later."
        raise gr.Error(text, title="This cannot be done", print_exception=False) from None
    except OndesError as error:
        _logger.info("%s: %s", name, error)
        raise gr.Error(sentence(str(error)), title="This cannot be done", print_exception=False) from None
    except gr.Error:
        raise
    except MemoryError:
        _logger.exception("%s: out of memory", name)
        text = "The machine is out of memory; try a shorter clip or a smaller model."
        raise gr.Error(text, print_exception=False) from None
    except Exception as error:
        _logger.exception("%s failed", name)
        text = f"The demo made a mistake ({type(error).__name__}); its log says more. The server goes on."
        raise gr.Error(text, title="Internal error", print_exception=False) from None


def sentence(text: str) -> str:
    """Return an error's text as a sentence."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
