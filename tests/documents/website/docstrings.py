"""Turns what docstrings write for Sphinx into Markdown, and adds what a class declares or inherits."""

import re
import textwrap
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

import griffe

_logger = griffe.get_logger("ondes")

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_LITERAL = re.compile(r"::\n\n((?: {4}.*\n|\n)+)")
_OPTIONS = "vocoders.core.options.SynthesisOptions"


class OndesDocstrings(griffe.Extension):
    """Works on a whole package once all of it is known; packages come in the order in which they import each other."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Complete every docstring of a package."""
        packages = loader.modules_collection.members
        for found in _below(pkg):
            if found.docstring is None:
                continue
            text = _LITERAL.sub(_fenced, found.docstring.value + "\n").rstrip()
            if found.is_class:
                text += _declared(found) + _inherited(found)
            found.docstring.value = _ROLE.sub(lambda match, found=found: _reference(match, found, packages), text)


def _below(found: griffe.Object) -> Iterator[griffe.Object]:
    yield found
    for member in found.members.values():
        if not member.is_alias:
            yield from _below(member)


def _fenced(match: re.Match[str]) -> str:
    return f":\n\n```text\n{textwrap.dedent(match[1]).strip()}\n```\n"


def _reference(match: re.Match[str], place: griffe.Object, packages: dict[str, griffe.Module]) -> str:
    """Return a role as a link, where what it names is on a page, else as code."""
    tilde, name = match.groups()
    shown = name.rpartition(".")[2] if tilde else name
    try:
        target = _find(name, place, packages)
    except griffe.AliasResolutionError:
        # Of another project.
        return f"`{shown}`"
    except KeyError:
        _logger.warning("%s: nothing is called %s", place.path, name)
        return f"`{shown}`"
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'


def _find(name: str, place: griffe.Object, packages: dict[str, griffe.Module]) -> str:
    """Return the full name of what ``name`` means in a docstring: as Python finds it there, or wherever it is public.

    Raises:
        KeyError: if there is no such thing.
        griffe.AliasResolutionError: if it comes from a package that is not read here.
    """
    first, *rest = name.split(".")
    scopes = [packages, *(scope.all_members for scope in (place, *_parents(place)))]
    modules = (module for package in packages.values() for module in _below(package) if module.is_module)
    scopes += ({first: module.members[first]} for module in modules if first in _exports(module))
    found = next((scope[first] for scope in scopes if first in scope), None)
    if found is None:
        raise KeyError(name)
    for part in rest:
        found = found.all_members[part]
    return found.canonical_path


def _exports(module: griffe.Module) -> set[str]:
    return module.members.keys() & set(map(str, module.exports or []))


def _parents(found: griffe.Object) -> Iterator[griffe.Object]:
    while found.parent is not None:
        found = found.parent
        yield found


def _declared(found: griffe.Class) -> str:
    """Return the options that a class declares, its parents' too, as a table."""
    if _OPTIONS not in (base.path for base in found.mro()):
        return ""
    options = resolve_name(f"{found.module.path}:{found.name}").declared()
    lines = ["\n\n| Option | Values | Default | Meaning |", "|---|---|---|---|"]
    for option in options:
        values = ", ".join(f"`{choice}`" for choice in option.choices) or option.kind
        if option.dial is not None:
            values += " {:g} to {:g}".format(*option.dial)
        values += " or `none`" if option.is_optional else ""
        default = "none" if option.default is None else option.default
        lines.append(f"| `{option.name}` | {values} | `{default}` | {option.help} |")
        if option.name in found.members:
            # The table says it.
            found.members[option.name].docstring = None
    return "\n".join(lines)


def _inherited(found: griffe.Class) -> str:
    """Return which public names a class has from each of its parents."""
    lines, seen = [], set(found.members)
    for base in found.mro():
        names = [name for name, member in base.members.items() if _is_shown(member) and name not in seen]
        seen.update(base.members)
        if names:
            links = ", ".join(f":attr:`~{base.path}.{name}`" for name in names)
            lines.append(f"\n\nInherited from :class:`~{base.path}`: {links}.")
    return "".join(lines)


def _is_shown(member: griffe.Object) -> bool:
    return not member.is_alias and not member.name.startswith("_") and member.docstring is not None
