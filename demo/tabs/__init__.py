"""The tabs of the page. They contain the layout; :mod:`demo.work` computes."""

from dataclasses import dataclass
from pathlib import Path

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
    """

    library: Library
    clips: dict[str, Path]

    def examples(self, *names: str) -> tuple[list[list[str]], list[str]]:
        """Return paths in Gradio's form and names of the existing clips."""
        there = [name for name in names if name in self.clips]
        return [[str(self.clips[name])] for name in there], there
