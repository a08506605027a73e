"""`ondes doctor`: what this installation can do, and what to do about the rest."""

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say, say_json

if TYPE_CHECKING:
    from recipes.doctor import Section

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("doctor")(_doctor)


def _doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for reports of faults.")] = False,
) -> None:
    """Show versions, devices, extras, formats and caches, and what to do.

    The exit code is 1 if something that is installed does not work.

    Example: ondes doctor --json > report.json
    """
    from recipes.doctor import examine

    sections = examine()
    if as_json:
        report = {section.title: dict(section.facts) for section in sections}
        report["advice"] = {section.title: section.advice for section in sections if section.advice}
        report["faults"] = {section.title: section.faults for section in sections if section.faults}
        say_json(report, indent=2)
    else:
        for section in sections:
            _show(section)
        _show_remedies(sections)
    if any(section.faults for section in sections):
        raise typer.Exit(1)


def _show(section: "Section") -> None:
    say(section.title)
    width = max((len(name) for name in section.facts), default=0)
    for name, value in section.facts.items():
        told = " ".join(value) if isinstance(value, list) else "none" if value is None else str(value)
        indent = " " * (width + 4)
        lines = textwrap.wrap(told, 110 - len(indent), break_long_words=False, break_on_hyphens=False) or [""]
        say(f"  {name:{width}}  {lines[0]}", *(f"{indent}{line}" for line in lines[1:]))


def _show_remedies(sections: "list[Section]") -> None:
    faults = [fault for section in sections for fault in section.faults]
    advice = [line for section in sections for line in section.advice]
    for title, lines in (("does not work", faults), ("what you can do", advice)):
        if lines:
            say(title, *(f"  - {line}" for line in lines))
    if not faults and not advice:
        say("everything works")
