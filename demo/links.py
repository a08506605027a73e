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
        found = self.page.restorers[tab](given) if tab in self.page.restorers else None
        values = [self._value(name, given, found) if own == tab else gr.skip() for own, name in self.names]
        return gr.update(selected=tab), *values

    def make_render(self, tab: str) -> Any:
        """Return the function that renders a tab after a link restored it: of the link and the tab's inputs."""
        render, _, outputs = self.page.rendered[tab]

        def respond(link: str, *inputs: Any) -> tuple[Any, ...]:
            if dict(parse_qsl(str(link)[:4000])).get("tab") != tab:
                return (gr.skip(),) * len(outputs)
            return render(*inputs)

        return respond

    def _value(self, name: str, given: Mapping[str, str], found: Mapping[str, Any] | None) -> Any:
        text = given.get(name)
        if name == "clip":
            return str(self.page.clips[text]) if text in self.page.clips else gr.skip()
        if found is not None:
            return found.get(name, gr.skip())
        if text is None:
            return gr.skip()
        if name == "model" and text not in self.page.library.entries and text:
            return gr.skip()
        if name in _SWITCHES:
            return text == "true"
        return _number(text) if name in _NUMBERS else _option(text)


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
