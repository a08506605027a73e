"""Checkpoints of runs, for readers of models: how to recognise one, and the command that packs it."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_training_checkpoint", "is_training_checkpoint", "pack_command"]


def is_training_checkpoint(checkpoint: Any) -> bool:
    """Return whether the content of a file is a checkpoint of a run of ondes."""
    return isinstance(checkpoint, Mapping) and {"family", "parts"} <= checkpoint.keys()


def describe_training_checkpoint(path: Path) -> str:
    """Describe the checkpoint at ``path``, with the command that makes a model of it."""
    run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    return f"a training checkpoint of ondes; make a model of it: {pack_command(run, path)}"


def pack_command(run: Path, checkpoint: Path | None = None) -> str:
    """Return the command that makes a model of a run, or of one of its checkpoints."""
    chosen = f" --checkpoint {shlex.quote(str(checkpoint))}" if checkpoint is not None else ""
    return f"ondes pack --exp {shlex.quote(str(run))}{chosen} -o {shlex.quote(str(run / 'model'))}"
