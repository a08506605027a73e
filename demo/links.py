"""Links that restore the page: the part of the address after '#' names a tab, a clip, a model and its settings."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from demo.tabs import Page

__all__ = ["READ_LINK", "Restoring"]

READ_LINK = "() => location.hash.slice(1)"
"""Script that reads the link of the page that opens."""

_NUMBERS, _SWITCHES = {"seed", "seconds", "samples"}, {"keep"}


class Restoring:
    """What a link changes in the components of the page.

    Args:
        page: the components that can be restored.
        tabs: the row of tabs.
    """

    def __init__(self, page: Page, tabs: gr.Tabs) -> None:
        self.page = page
        self.names = [(tab, name) for tab, found in page.restorable.items() for name in found]
        self.components: list[Any] = [tabs, *(page.restorable[tab][name] for tab, name in self.names)]

    def __call__(self, link: str) -> tuple[Any, ...]:
        """Return the value of every component that the link names; others, and unknown names, change nothing."""
        given = dict(parse_qsl(str(link)[:4000]))
        tab = given.pop("tab", None)
        if tab not in self.page.restorable:
            return (gr.skip(),) * len(self.components)
        values = [self._value(name, given) if own == tab else gr.skip() for own, name in self.names]
        return gr.update(selected=tab), *values

    def _value(self, name: str, given: Mapping[str, str]) -> Any:
        text = given.get(name)
        if name == "knobs":
            return self._knobs(given)
        if text is None:
            return gr.skip()
        if name == "clip":
            return str(self.page.clips[text]) if text in self.page.clips else gr.skip()
        if name == "model" and text not in self.page.library.entries and text:
            return gr.skip()
        if name in _SWITCHES:
            return text == "true"
        return _number(text) if name in _NUMBERS else _option(text)

    def _knobs(self, given: Mapping[str, str]) -> Any:
        from demo.presets import PRESETS
        from demo.widgets import knob_schema
        from demo.work.apply import knobs_of
        from vocoders.core.errors import OndesError

        effect = given.get("effect", "")
        values = {name.removeprefix("knob."): value for name, value in given.items() if name.startswith("knob.")}
        try:
            knobs = knobs_of(self.page.library, effect, given.get("model") or None)
            schema = knob_schema(knobs, effect, PRESETS.get(effect))
            return schema | {"values": knobs.resolve(values)}
        except OndesError:
            return gr.skip()


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return gr.skip()


def _option(text: str) -> Any:
    """Return the value of a control of an option: a switch, a number or a text."""
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text
