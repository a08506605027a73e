"""Checkpoints of training runs, as far as a reader of models must know them: what they are, and how to pack one."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_training_checkpoint", "is_training_checkpoint", "pack_command"]


def is_training_checkpoint(checkpoint: Any) -> bool:
    """Return whether what was read from a file is a checkpoint of a training run of ondes."""
    return isinstance(checkpoint, Mapping) and {"family", "parts"} <= checkpoint.keys()


def describe_training_checkpoint(path: Path) -> str:
    """Say what the checkpoint at ``path`` is, and the command that makes a model of it."""
    run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    return f"a training checkpoint of ondes; make a model of it: {pack_command(run, path)}"


def pack_command(run: Path, checkpoint: Path | None = None) -> str:
    """Return the command that makes a model of a run's folder, or of one of its checkpoints."""
    chosen = f" --checkpoint {shlex.quote(str(checkpoint))}" if checkpoint is not None else ""
    return f"ondes pack --exp {shlex.quote(str(run))}{chosen} -o {shlex.quote(str(run / 'model'))}"
