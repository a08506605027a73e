"""Files of reference tensors, and the kinds of check that exist for them.

A kind looks at a file's metadata and says whether it can check it, then builds the module that the metadata describes,
loads the recorded weights through ``vocoders.core.official`` and compares. A family adds kinds by a module that defines
functions decorated with :func:`kind`; nothing here knows a file by its name.
"""

import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

KINDS: list[tuple[Callable[["OracleFile"], bool], Callable[["OracleFile"], None]]] = []


def kind(recognises: Callable[["OracleFile"], bool]) -> Callable:
    """Register the decorated function as the check of files that ``recognises`` accepts."""

    def register(check: Callable[["OracleFile"], None]) -> Callable[["OracleFile"], None]:
        KINDS.append((recognises, check))
        return check

    return register


def oracle_folder() -> Path:
    """Return the folder of reference tensors, from ``ONDES_ORACLE`` or beside the repository."""
    repository = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("ONDES_ORACLE", repository.parent / "shared" / "oracle"))


@dataclass
class OracleFile:
    """One file of reference tensors."""

    path: Path
    worst: dict[str, float] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    @cached_property
    def metadata(self) -> dict:
        """Metadata with its JSON values decoded."""
        with safe_open(self.path, framework="pt") as file:
            raw = file.metadata() or {}
        return {key: _decode(value) for key, value in raw.items()}

    @cached_property
    def names(self) -> list[str]:
        """Names of all tensors."""
        with safe_open(self.path, framework="pt") as file:
            return list(file.keys())

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors."""
        return load_file(self.path)

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose name starts with ``prefix``, under the rest of their name."""
        return {name[len(prefix) :]: value for name, value in self.tensors.items() if name.startswith(prefix)}

    def compare(self, name: str, ours: Tensor, tolerance: float, reference: Tensor | None = None) -> None:
        """Assert that ``ours`` equals the tensor called ``name`` within ``tolerance`` of its largest magnitude."""
        theirs = self.tensors[name] if reference is None else reference
        assert ours.shape == theirs.shape, f"{name}: shape {tuple(ours.shape)}, recorded {tuple(theirs.shape)}"
        error = (ours.double() - theirs.double()).abs().max().item() if theirs.numel() else 0.0
        scale = max(1.0, theirs.double().abs().max().item()) if theirs.numel() else 1.0
        self.worst[name] = error / scale
        assert error <= tolerance * scale, (
            f"{self.path.name}: {name} differs by {error:.3g} (tolerance {tolerance * scale:.3g})"
        )

    def leave(self, name: str, reason: str) -> None:
        """Say why a recorded result is not compared."""
        assert name in self.names, f"{self.path.name}: no tensor {name}"
        self.left[name] = reason

    def report_missing(self, results: str = r"(?:\w+\.)?(?:out|mid|init|running_mean_after)\..*") -> None:
        """Warn of recorded results that were neither compared nor left out for a reason; newer files may hold more."""
        missing = [name for name in self.names if re.fullmatch(results, name)]
        missing = [name for name in missing if name not in self.worst and name not in self.left]
        if missing:
            warnings.warn(f"{self.path.name}: recorded but not compared: {', '.join(missing)}", stacklevel=2)


def find_check(file: OracleFile) -> Callable[[OracleFile], None] | None:
    """Return the check for ``file``, or None if no kind recognises it."""
    return next((check for recognises, check in KINDS if recognises(file)), None)


def _decode(value: str):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
