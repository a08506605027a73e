"""Advice for a path that is not a model folder but a run, a checkpoint, or something else."""

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

from vocoders.core.errors import CheckpointError
from vocoders.core.training_checkpoint import describe_training_checkpoint, is_training_checkpoint, pack_command

__all__ = ["CHECKPOINT_SUFFIXES", "advise_on_checkpoint", "advise_on_path"]

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".pkl", ".ckpt", ".bin", ".tar", ".safetensors", ".joblib")


def advise_on_path(path: Path) -> str:
    """Describe an existing file or folder that is no model, with the command that makes a model of it."""
    if path.is_file():
        return f"{path} is a file, not a model folder: {_advise_on_file(path)}"
    run = path.parent if path.name == "checkpoints" else path
    if _checkpoints(run / "checkpoints"):
        packed = run / "model"
        if (packed / "config.json").is_file():
            return f"{path} is the folder of a training run; its model is {packed}"
        return f"{path} is the folder of a training run; make a model of it: {pack_command(run)}"
    has_config = (path / "config.json").is_file()
    reason = f"{path} is not a model folder: it has no config.json{' of ondes' if has_config else ''}"
    checkpoints = _checkpoints(path)
    return f"{reason}, but {checkpoints[-1].name}, {_advise_on_file(checkpoints[-1])}" if checkpoints else reason


def advise_on_checkpoint(path: Path, checkpoint: Any) -> str:
    """Describe a checkpoint that was read from a file, with the command that makes a model of it."""
    from vocoders.core.official_state import REFERENCES, find_reference, locate_state

    if is_training_checkpoint(checkpoint):
        return describe_training_checkpoint(path)
    family = find_reference(checkpoint)
    if family is None:
        return f"no checkpoint of a reference implementation that ondes knows ({', '.join(REFERENCES)})"
    module, options = REFERENCES[family].options_module, ""
    if module is not None:
        state, _ = locate_state(checkpoint, family, str(path))
        options = import_module(module).convert_options(state, checkpoint, path)
    parts = ["ondes convert", shlex.quote(str(path)), f"--family {family}", options, f"-o {shlex.quote(_output(path))}"]
    return f"a reference checkpoint of {family}; convert it: {' '.join(filter(None, parts))}"


def _advise_on_file(path: Path) -> str:
    from vocoders.core.official_file import read_official_checkpoint

    try:
        return advise_on_checkpoint(path, read_official_checkpoint(path))
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{path}: ").removeprefix("not a readable checkpoint: ")
        return f"no checkpoint that 'ondes convert' or 'ondes pack' could make one of: {reason}"


def _output(path: Path) -> str:
    return str(path.with_name(f"{path.stem}-model"))


def _checkpoints(folder: Path) -> list[Path]:
    """Return the files with a checkpoint's suffix, the latest step last."""
    found = [file for file in folder.glob("*") if file.suffix.lower() in CHECKPOINT_SUFFIXES and file.is_file()]
    return sorted(
        found, key=lambda file: [int(part) if part.isdigit() else 0 for part in re.split(r"(\d+)", file.name)]
    )
