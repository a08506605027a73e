"""Options that several commands share, declared once as the fields of a dataclass."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

__all__ = ["with_option_groups"]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` with each dataclass parameter replaced by options for its fields.

    The fields are ``Annotated`` with ``typer.Option``, like parameters of commands, and have defaults. The command is
    called with the dataclass; an error in its construction ends the command before it begins.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[Parameter] = []
    for name in signature(command).parameters:
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            kinds = get_type_hints(hints[name], include_extras=True)
            declared = [(field.name, field.default, kinds[field.name]) for field in fields(hints[name])]
        else:
            declared = [(name, signature(command).parameters[name].default, hints[name])]
        parameters += [
            Parameter(own, Parameter.KEYWORD_ONLY, default=default, annotation=kind) for own, default, kind in declared
        ]

    @wraps(command)
    def grouped(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    grouped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    grouped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return grouped
