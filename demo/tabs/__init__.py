"""The tabs of the page. They contain the layout; :mod:`demo.work` computes."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.library import Library

__all__ = ["COMPUTE", "EFFECT", "GENERATE", "STATE_SECONDS", "Page"]

# Queues of Gradio's events: the number of simultaneous requests of each kind; others wait.
COMPUTE = {"concurrency_id": "compute", "concurrency_limit": 2}
GENERATE = {"concurrency_id": "generate", "concurrency_limit": 1}
# Effects take milliseconds: a turned knob must not wait for a vocoder.
EFFECT = {"concurrency_id": "effect", "concurrency_limit": 2}
# The server drops the state of a visitor's page after this time.
STATE_SECONDS = 3600


@dataclass(frozen=True)
class Page:
    """The shared parts of all tabs.

    Attributes:
        library: the models.
        clips: example clips by name.
        restorable: components by tab and name, whose values a link restores.
        restorers: by tab, the function from a link's parameters to values that depend on each other.
        rendered: by tab, the function that renders what a link restored, its inputs and outputs.
        first_results: by tab, the function that makes what is shown when the page opens, and its components.
        ready: results of these functions by tab.
        is_ready: set when they are all there.
    """

    library: Library
    clips: dict[str, Path]
    restorable: dict[str, dict[str, Any]] = field(default_factory=dict)
    restorers: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = field(default_factory=dict)
    rendered: dict[str, tuple[Callable[..., tuple[Any, ...]], list[Any], list[Any]]] = field(default_factory=dict)
    first_results: dict[str, tuple[Callable[[], tuple[Any, ...]], list[Any]]] = field(default_factory=dict)
    ready: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    is_ready: threading.Event = field(default_factory=threading.Event)

    def examples(self, *names: str) -> tuple[list[list[str]], list[str]]:
        """Return paths in Gradio's form and names of the existing clips."""
        there = [name for name in names if name in self.clips]
        return [[str(self.clips[name])] for name in there], there

    def first_clip(self, *names: str) -> str:
        """Return the path of the first clip that exists."""
        return str(self.clips[next(name for name in (*names, *self.clips) if name in self.clips)])

    def clip_link(self, path: str | None) -> dict[str, str]:
        """Return the part of a link that restores an example clip; uploaded clips have none."""
        file = Path(path or "")
        for name, clip in self.clips.items():
            if file.name == clip.name and file.is_file() and file.stat().st_size == clip.stat().st_size:
                return {"clip": name}
        return {}
