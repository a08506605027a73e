"""Import of checkpoints that were made by reference implementations.

Every foreign checkpoint passes through here: it is read without executing anything that it contains, its keys are
renamed by the rules of its family, and every key that is left over or missing is an error that lists it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vocoders.core.errors import CheckpointError

__all__ = ["KeyMap", "load_official_state", "read_official_checkpoint"]

_LISTED_KEYS = 8


@dataclass(frozen=True)
class KeyMap:
    """How the keys of one family's reference checkpoints become ours.

    Attributes:
        rename: (regular expression, replacement) pairs, applied in order to every key.
        drop: regular expressions of keys that hold no learned numbers (windows, identity kernels).
    """

    rename: Sequence[tuple[str, str]] = ()
    drop: Sequence[str] = ()

    def apply(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``state`` under our names."""
        mapped: dict[str, Tensor] = {}
        for key, value in state.items():
            if any(re.fullmatch(pattern, key) for pattern in self.drop):
                continue
            new_key = key
            for pattern, replacement in (*_WEIGHT_NORM, *self.rename):
                new_key = re.sub(pattern, replacement, new_key)
            mapped[new_key] = value
        return mapped


# Weight normalisation before torch 2.1 wrote weight_g and weight_v.
_WEIGHT_NORM = (
    (r"(^|\.)weight_g$", r"\1parametrizations.weight.original0"),
    (r"(^|\.)weight_v$", r"\1parametrizations.weight.original1"),
)

# What pickles of numpy arrays and numbers name, by the module's place since numpy 2 and before. None of it runs code.
_ARRAYS = [
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
    *(
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in (np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0])
        for core in ("core", "_core")
    ),
]


def read_official_checkpoint(path: str | Path) -> Any:
    """Read a ``torch.save`` file, restricted to tensors, arrays of numbers and plain containers.

    Raises:
        CheckpointError: if the file is missing, truncated, or would execute code when loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint file")
    try:
        with torch.serialization.safe_globals(_ARRAYS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many types, and its text advises to load unsafe files all the same
        problem = (
            "not a readable checkpoint: it is damaged, truncated, no torch file, or would execute code when loaded"
        )
        raise CheckpointError(f"{path}: {problem}; save tensors alone and try again") from None


def load_official_state(module: nn.Module, state: Mapping[str, Tensor], key_map: KeyMap, source: str) -> None:
    """Copy a reference state into ``module``.

    Args:
        module: our network.
        state: reference keys and tensors.
        key_map: renaming rules of the family.
        source: name of the checkpoint for error messages.

    Raises:
        CheckpointError: listing missing keys, unexpected keys and shapes that do not fit.
    """
    mapped = key_map.apply(state)
    own = module.state_dict()
    missing = sorted(own.keys() - mapped.keys())
    unexpected = sorted(mapped.keys() - own.keys())
    misfits = [
        f"{key} {tuple(mapped[key].shape)} where {tuple(own[key].shape)} is expected"
        for key in sorted(own.keys() & mapped.keys())
        if mapped[key].shape != own[key].shape
    ]
    problems = [("missing", missing), ("unexpected", unexpected), ("wrong shape", misfits)]
    lines = [f"{len(keys)} {kind}: {_shorten(keys)}" for kind, keys in problems if keys]
    if lines:
        raise CheckpointError(
            f"{source}: keys do not fit the network; {'; '.join(lines)}; check --family and --variant"
        )
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in mapped.items()})


def _shorten(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_LISTED_KEYS])
    return shown + (f" and {len(keys) - _LISTED_KEYS} more" if len(keys) > _LISTED_KEYS else "")
