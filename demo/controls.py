"""Controls of the options that systems declare, on the page and for programs; one for each name.

What a system does not declare is hidden on the page. What is left out, empty or untouched stays what the system itself
says.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from demo.library import Entry
from vocoders.core.options import Option

__all__ = ["OptionControls", "with_parameters"]

_OWN = "as the model says"


class OptionControls:
    """Controls of all options that some systems declare; made where the page is laid out.

    Args:
        entries: the systems; the first one is chosen.
        prefix: of the controls' ``elem_id``.

    Attributes:
        names: of the options.
        controls: what users see, one for each name.
        parameters: what programs fill in, one for each name: all may be left out.
    """

    def __init__(self, entries: Sequence[Entry], prefix: str) -> None:
        self._shown = {entry.name: _shown_values(entry) for entry in entries}
        declared: dict[str, list[tuple[Entry, Option]]] = {}
        for entry in entries:
            for option in entry.declared:
                declared.setdefault(option.name, []).append((entry, option))
        self.names = tuple(declared)
        first = self._shown[entries[0].name] if entries else {}
        with gr.Row(elem_classes="ondes-options"):
            self.controls = [
                _control(found, first.get(name), f"{prefix}-{name.replace('_', '-')}")
                for name, found in declared.items()
            ]
        self.parameters = [_parameter([option for _, option in found]) for found in declared.values()]

    def changed(self, system: str, values: Sequence[Any]) -> dict[str, Any]:
        """Return what a user has changed of a system's own options.

        Args:
            system: its name; unknown ones have no options.
            values: of the controls, in the order of ``names``.
        """
        shown = self._shown.get(system, {})
        given = {name: value for name, value in zip(self.names, values, strict=True) if name in shown}
        return {name: value for name, value in given.items() if value != shown[name]["value"]}

    def given(self, system: str, values: Sequence[Any]) -> dict[str, Any]:
        """Return what a program has given, whether the system declares it or not.

        Args:
            system: its name.
            values: of the parameters, in the order of ``names``.
        """
        del system
        return {name: value for name, value in zip(self.names, values, strict=True) if value is not None}

    def follow(self, model: gr.Dropdown) -> None:
        """Let the controls be those of the system that ``model`` shows.

        The page does it by itself: no click can come between a choice and its controls.
        """
        script = (
            f"(name) => {{ const shown = ({json.dumps(self._shown)})[name] || {{}};"
            f" return {json.dumps(self.names)}.map((option) => ({{ __type__: 'update', visible: option in shown,"
            " ...shown[option] })); }"
        )
        model.change(None, model, self.controls, js=script, queue=False, api_visibility="private")


def with_parameters(handler: Callable[..., Any], names: Sequence[str], **defaults: Any) -> Callable[..., Any]:
    """Give a handler of positional values names: Gradio's interface for programs calls its inputs by them.

    Args:
        handler: takes ``*values``.
        names: of the values; all may be left out.
        **defaults: of further parameters, such as Gradio's ``progress``.
    """
    parameters = {name: None for name in names} | defaults
    handler.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=value) for name, value in parameters.items()]
    )
    return handler


def _shown_values(entry: Entry) -> dict[str, dict[str, Any]]:
    own = entry.options.to_dict()
    return {
        option.name: {"value": _shown(option, own[option.name]), "label": option.title, "info": option.help}
        for option in entry.declared
    }


def _shown(option: Option, value: Any) -> Any:
    """Return a value as its control shows it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None:
        return "" if option.kind in ("choice", "numbers", "switch") else None
    return value


def _control(found: list[tuple[Entry, Option]], shown: Mapping[str, Any] | None, elem_id: str) -> Any:
    """Return the control of an option that several systems may declare, each in its own way."""
    options = [option for _, option in found]
    how: dict[str, Any] = {"min_width": 220, "elem_id": elem_id, "visible": shown is not None}
    how |= dict(shown) if shown is not None else {"label": options[0].title, "info": options[0].help}
    kinds, is_optional = {option.kind for option in options}, any(option.is_optional for option in options)
    if kinds == {"choice"}:
        own = [(_OWN, "")] if is_optional else []
        return gr.Dropdown([*own, *_choices(options)], **how)
    if kinds == {"switch"}:
        return gr.Dropdown([(_OWN, ""), "yes", "no"], **how) if is_optional else gr.Checkbox(**how)
    if kinds <= {"integer", "number"}:
        return _number_control(found, is_optional, how)
    return gr.Textbox(placeholder=_OWN, max_lines=1, **how)


def _number_control(found: list[tuple[Entry, Option]], is_optional: bool, how: dict[str, Any]) -> Any:
    options, is_whole = [option for _, option in found], all(option.kind == "integer" for _, option in found)
    dials = [option.dial for option in options if option.dial is not None]
    if is_optional or len(dials) < len(options):
        # A slider cannot be empty.
        step = 1 if is_whole or not dials else _step(dials)
        return gr.Number(placeholder=_OWN, precision=0 if is_whole else None, step=step, **how)
    # A model's own value may lie beyond the dial.
    own = [entry.options.to_dict()[option.name] for entry, option in found]
    low, high = min([*(low for low, _ in dials), *own]), max([*(high for _, high in dials), *own])
    return gr.Slider(low, high, step=1 if is_whole else _step(dials), **how)


def _step(dials: Sequence[tuple[float, float]]) -> float:
    """Return a round step, about a thousandth of the way."""
    return 10.0 ** math.floor(math.log10(min(high - low for low, high in dials)) - 3)


def _parameter(options: list[Option]) -> Any:
    how = {"visible": False, "value": None, "label": options[0].title}
    kinds = {option.kind for option in options}
    if kinds == {"choice"}:
        return gr.Dropdown(_choices(options), **how)
    if kinds <= {"integer", "number"}:
        return gr.Number(**how)
    # Switches too: a check box cannot be left out.
    return gr.Textbox(**how)


def _choices(options: list[Option]) -> list[str]:
    return list(dict.fromkeys(choice for option in options for choice in option.choices))
