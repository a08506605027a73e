"""Turns what the docstrings write for Sphinx into Markdown, and shows what options of synthesis declare."""

import re
import textwrap
from pkgutil import resolve_name
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_LITERAL = re.compile(r"::\n\n((?: {4}.*\n|\n)+)")


class OndesDocstrings(griffe.Extension):
    """Works on a whole package once all of it is known."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Rewrite every docstring of the package."""
        _rewrite(pkg)


def _rewrite(found: griffe.Object) -> None:
    if found.docstring is not None:
        found.docstring.value = _markdown(found.docstring.value, found)
    for member in found.members.values():
        if not member.is_alias:
            _rewrite(member)


def _markdown(text: str, place: griffe.Object) -> str:
    text = _LITERAL.sub(lambda match: f":\n\n```python\n{textwrap.dedent(match[1]).strip()}\n```\n", text + "\n")
    return _ROLE.sub(lambda match: _reference(match, place), text).rstrip()


def _reference(match: re.Match[str], place: griffe.Object) -> str:
    return f"`{match[2]}`"
