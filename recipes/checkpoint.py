"""Training checkpoints: written in one piece or not at all, read without executing anything."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import CheckpointError, DataError
from vocoders.core.model_advice import advise_on_checkpoint, advise_on_path, is_training_checkpoint
from vocoders.core.model_source import is_model_folder
from vocoders.core.official import read_official_checkpoint, unreadable_reason
from vocoders.core.pretrained import read_model_config, read_tensors

__all__ = [
    "check_run_folder",
    "check_training_state",
    "checkpoint_path",
    "find_checkpoints",
    "load_checkpoint",
    "load_initial_state",
    "load_latest_checkpoint",
    "save_checkpoint",
]

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)\.pt")


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint after ``step`` updates."""
    return folder / f"checkpoint-{step:08d}.pt"


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any], keep: int) -> Path:
    """Write a checkpoint and remove all but the latest ``keep``.

    The file is written under another name, flushed to the disk and renamed: whatever interrupts this, the previous
    checkpoint stays and no damaged one bears a checkpoint's name.

    Raises:
        CheckpointError: if it cannot be written (disk full, no permission).
    """
    path = checkpoint_path(folder, step)
    try:
        with atomic_file(path, durable=True) as temporary:
            torch.save({**state, "step": step}, temporary)
    except (DataError, RuntimeError) as error:
        raise CheckpointError(f"{error}; earlier checkpoints are untouched") from None
    for old in find_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def find_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, oldest first."""
    found = [(int(match[1]), path) for path in folder.glob("*.pt") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        return read_official_checkpoint(path)
    except CheckpointError:
        raise CheckpointError(f"{path}: damaged checkpoint ({unreadable_reason(path)})") from None


def check_run_folder(path: Path) -> None:
    """Refuse a file or a model in place of a run's folder.

    Raises:
        CheckpointError: saying what it is.
    """
    if path.is_file():
        raise CheckpointError(advise_on_path(path))
    if is_model_folder(path):
        raise CheckpointError(f"{path}: a model already; expected the folder of a training run")


def check_training_state(state: Any, path: Path) -> None:
    """Refuse what another program wrote, and say how it comes in.

    Raises:
        CheckpointError: if ``state``, read from ``path``, is no training checkpoint of ondes.
    """
    if not is_training_checkpoint(state):
        raise CheckpointError(f"{path}: no checkpoint of ondes; {advise_on_checkpoint(path, state)}")


def load_initial_state(path: Path) -> dict[str, Any]:
    """Read the weights that a new run starts from.

    Args:
        path: a checkpoint of another run, its folder (the latest checkpoint counts), or a model folder.

    Returns:
        A checkpoint; that of a model folder holds its family, its configuration and its generator alone.

    Raises:
        CheckpointError: if it is missing or damaged, or nothing that ondes wrote.
    """
    state: dict[str, Any] | None
    if not path.is_dir():
        state = load_checkpoint(path)
    elif (state := load_latest_checkpoint(path / "checkpoints")) is None:
        model = read_model_config(path)
        parts = {"generator": read_tensors(path / "model.safetensors")}
        state = {"family": model.family, "config": {"model": model.config}, "parts": parts}
    check_training_state(state, path)
    logger.info("starting from the weights of %s", path)
    return state


def load_latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the latest checkpoint that is whole, or return None if there is none at all.

    Raises:
        CheckpointError: if there are checkpoints and every one is damaged.
    """
    paths = find_checkpoints(folder)
    for path in reversed(paths):
        try:
            return load_checkpoint(path)
        except CheckpointError as error:
            logger.warning("%s; trying the one before", error)
    if paths:
        raise CheckpointError(f"{folder}: all {len(paths)} checkpoints are damaged")
    return None
