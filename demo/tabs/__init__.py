"""The tabs of the page. They lay out what users see; what is computed lies in :mod:`demo.work`."""

from dataclasses import dataclass
from pathlib import Path

from demo.library import Library

__all__ = ["COMPUTE", "EFFECT", "GENERATE", "STATE_SECONDS", "Page"]

# Queues, as Gradio's events take them: so many requests of each kind run at the same time, the others wait.
COMPUTE = {"concurrency_id": "compute", "concurrency_limit": 2}
GENERATE = {"concurrency_id": "generate", "concurrency_limit": 1}
# Effects take milliseconds: a turned knob must not wait behind a vocoder.
EFFECT = {"concurrency_id": "effect", "concurrency_limit": 2}
# What a visitor's page keeps on the server is dropped after this time.
STATE_SECONDS = 3600


@dataclass(frozen=True)
class Page:
    """What every tab is built from.

    Attributes:
        library: the models.
        clips: example clips by name.
    """

    library: Library
    clips: dict[str, Path]

    def examples(self, *names: str) -> tuple[list[list[str]], list[str]]:
        """Return paths, as Gradio takes them, and names of the clips that exist."""
        there = [name for name in names if name in self.clips]
        return [[str(self.clips[name])] for name in there], there
