"""Training checkpoints: written atomically, and read without executing code."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import CheckpointError, DataError
from vocoders.core.model_advice import advise_on_checkpoint, advise_on_path
from vocoders.core.model_source import MODEL_FILES, is_model_folder, read_model_config, resolve_model
from vocoders.core.official import read_official_checkpoint, unreadable_reason
from vocoders.core.pretrained import read_tensors
from vocoders.core.training_checkpoint import is_training_checkpoint

__all__ = [
    "best_path",
    "check_run_folder",
    "check_training_state",
    "checkpoint_path",
    "find_checkpoints",
    "load_checkpoint",
    "load_chosen_checkpoint",
    "load_initial_state",
    "load_latest_checkpoint",
    "save_best",
    "save_checkpoint",
]

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)\.pt")


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint after ``step`` updates."""
    return folder / f"checkpoint-{step:08d}.pt"


def best_path(run: Path) -> Path:
    """Return the path of a run's best checkpoint: a separate file, which no later checkpoint removes."""
    return run / "best.pt"


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any], keep: int) -> Path:
    """Write a checkpoint and remove all but the latest ``keep``.

    The file is written under another name, flushed to the disk and renamed. An interruption leaves the previous
    checkpoint in place, and no damaged file under a checkpoint's name.

    Raises:
        CheckpointError: if it cannot be written (disk full, no permission).
    """
    path = _write(checkpoint_path(folder, step), step, state)
    for old in find_checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def save_best(run: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Replace the best checkpoint, written like :func:`save_checkpoint`."""
    return _write(best_path(run), step, state)


def _write(path: Path, step: int, state: Mapping[str, Any]) -> Path:
    try:
        with atomic_file(path, durable=True) as temporary, temporary.open("wb") as stream:
            _save({**state, "step": step}, stream)
    except (DataError, RuntimeError) as error:
        raise CheckpointError(f"{error}; earlier checkpoints are untouched") from None
    return path


def _save(state: Mapping[str, Any], stream: BinaryIO) -> None:
    """Write to a stream of Python, whose errors name their cause; torch's own streams do not."""
    try:
        torch.save(state, stream)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


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
    """Refuse a file or a model instead of a run's folder.

    Raises:
        CheckpointError: for a file or a model.
    """
    if path.is_file():
        raise CheckpointError(advise_on_path(path))
    if is_model_folder(path):
        raise CheckpointError(f"{path}: a model already; expected the folder of a training run")


def check_training_state(state: Any, path: Path) -> None:
    """Refuse a file of another program, with advice on how to convert it.

    Raises:
        CheckpointError: if ``state``, read from ``path``, is not a training checkpoint of ondes.
    """
    if not is_training_checkpoint(state):
        raise CheckpointError(f"{path}: no checkpoint of ondes; {advise_on_checkpoint(path, state)}")


def load_initial_state(source: str | Path) -> dict[str, Any]:
    """Read the initial weights of a new run.

    Args:
        source: a checkpoint of another run, its folder (for the latest checkpoint), or a model: its folder, the name
            of a shipped one, or a hub id.

    Returns:
        A checkpoint; for a model it contains only family, configuration and generator.

    Raises:
        CheckpointError: if it is missing or damaged, or not written by ondes.
    """
    path = Path(source).expanduser()
    state: dict[str, Any] | None
    if path.suffix == ".pt" or (path.is_file() and path.name not in MODEL_FILES):
        state = load_checkpoint(path)
    elif (state := load_latest_checkpoint(path / "checkpoints")) is None:
        path = resolve_model(source)
        model = read_model_config(path)
        parts = {"generator": read_tensors(path / "model.safetensors")}
        state = {"family": model.family, "config": {"model": model.config}, "parts": parts}
    check_training_state(state, path)
    logger.info("starting from the weights of %s", path)
    return state


def load_latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the latest undamaged checkpoint; return ``None`` if there are no checkpoints.

    Raises:
        CheckpointError: if all checkpoints are damaged.
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


def load_chosen_checkpoint(run: Path, choice: str | Path = "last") -> dict[str, Any]:
    """Read the checkpoint of a run that the user chose.

    Args:
        run: folder of the run.
        choice: ``best`` (by validation), ``last`` (the latest undamaged one), the number of a step, or a file.

    Raises:
        CheckpointError: if there is no such checkpoint, or it is damaged or not from ondes.
    """
    check_run_folder(run)
    if choice == "last":
        path = run
        state = load_latest_checkpoint(run / "checkpoints")
        if state is None:
            raise CheckpointError(f"{run}: no checkpoint in it; run 'ondes train' first")
    else:
        path = _find_chosen(run, choice)
        state = load_checkpoint(path)
    check_training_state(state, path)
    if (best := state.get("best")) is not None:
        logger.info("%s: %s %.4g at step %d", path, best["metric"], best["value"], state["step"])
    return state


def _find_chosen(run: Path, choice: str | Path) -> Path:
    best = best_path(run)
    if choice == "best":
        if not best.is_file():
            raise CheckpointError(
                f"{run}: no best checkpoint; a run keeps one from its first validation on (data.valid, "
                f"trainer.valid_every); {_choices(run)}"
            )
        return best
    if not (isinstance(choice, str) and choice.isdecimal()):
        if not Path(choice).expanduser().is_file():
            raise CheckpointError(f"'{choice}': no such checkpoint; {_choices(run)}")
        return Path(choice).expanduser()
    path = checkpoint_path(run / "checkpoints", int(choice))
    if path.is_file():
        return path
    if best.is_file() and load_checkpoint(best)["step"] == int(choice):
        return best
    raise CheckpointError(f"{run}: no checkpoint of step {choice}; {_choices(run)}")


def _choices(run: Path) -> str:
    """Return the choices of checkpoints in a run, as text."""
    found = ["'best'"] if best_path(run).is_file() else []
    if steps := [int(path.stem.partition("-")[2]) for path in find_checkpoints(run / "checkpoints")]:
        found += ["'last'", f"the steps {', '.join(map(str, steps))}"]
    return f"{run} contains {', '.join(found) or 'no checkpoint'}"
