"""Controls for the options that systems declare, one per name, for the page and for programs.

The page hides options that a system does not declare. A value that is left out, empty or untouched is the system's
default.
"""

import json
import math
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from demo.library import Entry
from vocoders.core.options import Option

__all__ = ["OptionControls", "with_parameters"]

_OWN = "default of the model"


class OptionControls:
    """Controls for all options of some systems, placed into the current layout of the page.

    Args:
        entries: the systems; the first one is chosen.
        prefix: prefix of the controls' ``elem_id``.

    Attributes:
        names: names of the options.
        controls: visible controls, one per name.
        parameters: inputs of programs, one per name; all are optional.
    """

    def __init__(self, entries: Sequence[Entry], prefix: str) -> None:
        declared: dict[str, list[tuple[Entry, Option]]] = {}
        for entry in entries:
            for option in entry.declared:
                declared.setdefault(option.name, []).append((entry, option))
        self.names = tuple(declared)
        # System -> option -> settings of its control.
        self._shown: dict[str, dict[str, dict[str, Any]]] = {entry.name: {} for entry in entries}
        with gr.Row(elem_classes="ondes-options"):
            self.controls = [
                self._control(found, entries[0], f"{prefix}-{name.replace('_', '-')}")
                for name, found in declared.items()
            ]
        self.parameters = [_parameter([option for _, option in found]) for found in declared.values()]

    def _control(self, found: list[tuple[Entry, Option]], first: Entry, elem_id: str) -> Any:
        own = [entry.options.to_dict()[option.name] for entry, option in found]
        kind, settings = _kind_of_control([option for _, option in found], own)
        for (entry, option), value in zip(found, own, strict=True):
            shown = {"value": _shown(value, kind), "label": option.title, "info": option.help}
            self._shown[entry.name][option.name] = shown
        by_entry = {entry.name: self._shown[entry.name][option.name] for entry, option in found}
        settings |= by_entry.get(first.name) or next(iter(by_entry.values()))
        return kind(**settings, min_width=220, elem_id=elem_id, visible=first.name in by_entry)

    @property
    def by_name(self) -> dict[str, Any]:
        """Visible controls by the name of their option."""
        return dict(zip(self.names, self.controls, strict=True))

    def changed(self, system: str, values: Sequence[Any]) -> dict[str, Any]:
        """Return a user's changes of a system's default options.

        Args:
            system: its name; unknown ones have no options.
            values: of the controls, in the order of ``names``.
        """
        shown = self._shown.get(system, {})
        given = zip(self.names, values, strict=True)
        return {name: value for name, value in given if name in shown and value != shown[name]["value"]}

    def given(self, system: str, values: Sequence[Any]) -> dict[str, Any]:
        """Return the values from a program, which may be ``None``, whether the system declares them or not.

        Args:
            system: its name.
            values: of the parameters, in the order of ``names``.
        """
        del system
        return dict(zip(self.names, values, strict=True))

    def follow(self, model: gr.Dropdown) -> None:
        """Show the controls of the system that is selected in ``model``.

        The page updates them without the server, so no click can come between a choice and its controls.
        """
        script = (
            f"(name) => {{ const shown = ({json.dumps(self._shown)})[name] || {{}};"
            f" return {json.dumps(self.names)}.map((option) => ({{ __type__: 'update', visible: option in shown,"
            " ...shown[option] })); }"
        )
        model.change(None, model, self.controls, js=script, queue=False, api_visibility="private")


def with_parameters(handler: Callable[..., Any], names: Sequence[str], **defaults: Any) -> Callable[..., Any]:
    """Name the positional values of a handler: Gradio's interface for programs passes inputs by name.

    Args:
        handler: takes ``*values``.
        names: names of the values; all are optional.
        **defaults: defaults of further parameters, such as Gradio's ``progress``.
    """
    parameters = {name: None for name in names} | defaults
    handler.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=value) for name, value in parameters.items()]
    )
    return handler


def _kind_of_control(options: list[Option], own: list[Any]) -> tuple[type[Any], dict[str, Any]]:
    """Return the control of an option, which systems may declare differently, and its settings for each."""
    kinds, is_optional = {option.kind for option in options}, any(option.is_optional for option in options)
    dials = [option.dial for option in options if option.dial is not None]
    if kinds == {"choice"}:
        return gr.Dropdown, {"choices": [*([(_OWN, "")] if is_optional else []), *_choices(options)]}
    if kinds == {"switch"}:
        return (gr.Dropdown, {"choices": [(_OWN, ""), "true", "false"]}) if is_optional else (gr.Checkbox, {})
    if kinds <= {"integer", "number"} and not is_optional and len(dials) == len(options):
        # The default of a model may lie beyond the dial.
        low, high = min([*(low for low, _ in dials), *own]), max([*(high for _, high in dials), *own])
        return gr.Slider, {"minimum": low, "maximum": high, "step": 1 if kinds == {"integer"} else _step(dials)}
    # Sliders and fields of numbers cannot be empty.
    return gr.Textbox, {"placeholder": _OWN, "max_lines": 1}


def _shown(value: Any, kind: type[Any]) -> Any:
    """Return a value in the form of its control."""
    if kind in (gr.Slider, gr.Checkbox):
        return value
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _step(dials: Sequence[tuple[float, float]]) -> float:
    """Return a round step, about a thousandth of the range."""
    return 10.0 ** math.floor(math.log10(min(high - low for low, high in dials)) - 3)


def _parameter(options: list[Option]) -> Any:
    how = {"visible": False, "value": None, "label": options[0].title}
    kinds = {option.kind for option in options}
    if kinds == {"choice"}:
        return gr.Dropdown(_choices(options), **how)
    if kinds <= {"integer", "number"}:
        return gr.Number(**how)
    # Switches too: a check box cannot be empty.
    return gr.Textbox(**how)


def _choices(options: list[Option]) -> list[str]:
    return list(dict.fromkeys(choice for option in options for choice in option.choices))
