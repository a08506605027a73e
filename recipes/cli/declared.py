"""Options of a command that systems declare.

The source of `ondes synth` mentions neither ``--f0-scale`` nor ``--steps``. Every family and baseline declares its
options, also in an installed package, and the command offers all of them.
"""

import logging
from functools import cache
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer.core
import typer.main

if TYPE_CHECKING:
    from typer._click import Context

    from vocoders.core.options import Option, SynthesisOptions
    from vocoders.interface import Kind, System

__all__ = ["chosen_options", "declared_command", "given_options"]

_logger = logging.getLogger(__name__)

_GIVEN = "recipes.cli.declared"


def declared_command(kind: "Kind") -> type[typer.core.TyperCommand]:
    """Return a command class with the options of every vocoder, or of every generator."""

    class _DeclaredCommand(typer.core.TyperCommand):
        def get_params(self, ctx: "Context") -> list[Any]:
            own = super().get_params(ctx)
            return [*own, *_without_clashes(own, _parameters(kind))]

        def invoke(self, ctx: "Context") -> Any:
            own = {parameter.name for parameter in super().get_params(ctx)}
            given = {name: ctx.params.pop(name) for name in list(ctx.params) if name not in own}
            ctx.meta[_GIVEN] = {name: value for name, value in given.items() if value is not None}
            return super().invoke(ctx)

    return _DeclaredCommand


def given_options(context: "Context") -> dict[str, str]:
    """Return the values of the declared options on the command line as texts, by name."""
    return context.meta[_GIVEN]


def chosen_options(system: "System", name: str, given: dict[str, str]) -> "SynthesisOptions":
    """Return the options of a system, with the values from the command line.

    Args:
        system: the system that declares the options.
        name: name of the system, as the user typed it.
        given: the result of :func:`given_options`.

    Raises:
        ConfigError: for an option that the system does not declare, or an invalid value.
    """
    from vocoders.core.errors import ConfigError

    declared = {option.name: option for option in system.options_class.declared()}
    changes = {}
    for key, text in given.items():
        if key not in declared:
            own = ", ".join(_flag(other) for other in declared) or "none"
            raise ConfigError(f"{_flag(key)} {text}: '{name}' has no such option; its options: {own}")
        changes[key] = declared[key].parse(text)
    return system.options(**changes)


def _without_clashes(own: list[Any], declared: list[Any]) -> list[Any]:
    """Leave out options whose name is taken: by the command, or by an earlier declaration."""
    taken = {flag for parameter in own for flag in parameter.opts}
    kept = []
    for parameter in declared:
        if clash := sorted(taken.intersection(parameter.opts)):
            _warn_of_clash(clash[0])
            continue
        taken.update(parameter.opts)
        kept.append(parameter)
    return kept


@cache
def _warn_of_clash(flag: str) -> None:
    _logger.warning("left out: option %s of an installed package means something else here; Python alone sets it", flag)


def _parameters(kind: "Kind") -> list[Any]:
    """Return the parameters that typer makes from a function with all declared options."""
    from vocoders.registry import declared_options

    def command(**given: str | None) -> None: ...

    fields = []
    for name, classes in declared_options(kind).items():
        declared = next(option for option in classes[0].declared() if option.name == name)
        command.__annotations__[name] = Annotated[str | None, _option(declared)]
        fields.append(Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=command.__annotations__[name]))
    command.__signature__ = Signature(fields)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return [parameter for parameter in typer.main.get_command(app).params if parameter.name != "help"]


def _option(option: "Option") -> Any:
    return typer.Option(
        *(_flag(name) for name in (option.name, *option.spellings)),
        help=option.help,
        metavar="|".join(option.choices) or {"numbers": "N,N..."}.get(option.kind, "N"),
        show_default=False,
        rich_help_panel="Options of the system, with its defaults",
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
