"""A run that continues under another configuration: changes are listed, and refused if they could not take effect."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from recipes.config import TrainConfig
from recipes.data.config import DataConfig
from recipes.data.kaldi import Utterance
from vocoders.core.errors import CheckpointError, OndesError

__all__ = ["all_settings", "check_changes", "check_processes", "describe_corpus", "load_optimizer"]

logger = logging.getLogger(__name__)

_UNCHANGEABLE = {
    "family": "the weights are those of another family",
    "model": "the weights belong to it",
    "objective.name": "another objective trains other parts",
    "optimizer.system_learning_rate": "it groups the parameters of the optimiser",
    "optimizer.decay_biases": "it groups the parameters of the optimiser",
    "trainer.seed": "the random numbers go on from the checkpoint",
}


def all_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the defaults of model and objective, which it leaves out where they are not given.

    A configuration that this version does not know stays as it is.
    """
    try:
        config = TrainConfig.from_dict(values)
        parts = {"model": config.generator.to_dict(), "objective": config.objective_options.to_dict()}
    except OndesError:
        return dict(values)
    return config.to_dict() | parts


def check_changes(stored: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return the changes of a configuration since a checkpoint, as texts.

    Args:
        stored: configuration in the checkpoint.
        current: configuration of the run.

    Raises:
        CheckpointError: for a change that could not take effect.
    """
    before, after = _flatten(stored), _flatten(current)
    # A setting that an older version did not have has no former value.
    changed = [key for key in after if key in before and before[key] != after[key]]
    changed += [key for key in before if key not in after and _section_in(key, after)]
    # Losses and discriminators come and go by name; all other options of an objective are in both, with their defaults.
    changed += [key for key in after if key not in before and key.startswith("objective.")]
    for key in changed:
        for name, reason in _UNCHANGEABLE.items():
            if key == name or key.startswith(f"{name}."):
                found = f"{key} is {after.get(key)}, and was {before.get(key)} in the checkpoint"
                raise CheckpointError(
                    f"{found}: {reason}; set it back, or start a new folder (--init takes the weights)"
                )
    if (before.get("trainer.ema_decay") is None) != (after.get("trainer.ema_decay") is None):
        raise CheckpointError(
            f"trainer.ema_decay is {after.get('trainer.ema_decay')}, and was {before.get('trainer.ema_decay')} in the "
            "checkpoint: an average cannot begin or end within a run; set it back, or start a new folder"
        )
    return [f"{key} {before.get(key)} -> {after.get(key)}" for key in changed]


def check_processes(data: DataConfig, former: int, now: int) -> list[str]:
    """Return the change of the number of processes, and of the batch over all of them, as texts."""
    if former == now:
        return []
    batches = [""] if data.total_batch_size else [f" (a batch of {data.batch_size * n})" for n in (former, now)]
    return [f"processes {former}{batches[0]} -> {now}{batches[-1]}"]


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load the averages of an optimiser, and keep its own settings, which torch would replace by the stored ones."""
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)


def describe_corpus(utterances: Iterable[Utterance]) -> str:
    """Return a short text that is equal for equal training sets: their number and a digest."""
    digest, count = hashlib.sha256(), 0
    for utterance in utterances:
        digest.update(f"{utterance.utt_id} {utterance.duration:.3f}\n".encode())
        count += 1
    return f"{count:,} utterances ({digest.hexdigest()[:12]})"


def _flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _section_in(key: str, flat: Mapping[str, Any]) -> bool:
    """Return whether a setting that is gone belongs to a free mapping, such as losses by name."""
    parts = key.split(".")
    parents = {".".join(parts[:depth]) for depth in range(1, len(parts))}
    return any(other in parents or other.startswith(tuple(f"{parent}." for parent in parents)) for other in flat)
