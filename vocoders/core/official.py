"""Import of checkpoints of reference implementations.

Every foreign checkpoint passes through here. It is read without executing code from it (``official_file``), the weights
of the network are located in it (``official_state``), and their keys are renamed by the rules of the family. Keys that
are missing or left over are listed in an error.
"""

import difflib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vocoders.core.config import Config, read_yaml
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official_file import read_official_checkpoint, unreadable_reason
from vocoders.core.official_state import official_state
from vocoders.core.text import enumerate_some

__all__ = [
    "KeyMap",
    "Reference",
    "load_official_state",
    "official_state",
    "read_official_checkpoint",
    "unreadable_reason",
]

_logger = logging.getLogger(__name__)

_LISTED_KEYS = 8

_Config = TypeVar("_Config", bound=Config)


@dataclass(frozen=True)
class KeyMap:
    """The mapping from the keys of one family's reference checkpoints to ours.

    Attributes:
        rename: (regular expression, replacement) pairs, applied in order to every key.
        drop: regular expressions of keys without learned numbers (windows, identity kernels).
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


class _Fit(NamedTuple):
    """The number of tensors that a checkpoint and a variant have in common, of all that either has."""

    variant: str
    fitting: int
    total: int


_MAGNITUDE, _DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"
# Weight normalisation before torch 2.1 wrote weight_g and weight_v.
_WEIGHT_NORM = ((r"(^|\.)weight_g$", rf"\1{_MAGNITUDE}"), (r"(^|\.)weight_v$", rf"\1{_DIRECTION}"))


def load_official_state(
    module: nn.Module,
    state: Mapping[str, Tensor],
    key_map: KeyMap,
    source: str,
    advise: Callable[[], str] | None = None,
) -> None:
    """Copy a reference state into ``module``; apply or remove weight normalisation where only one of the two has it.

    Args:
        module: our network.
        state: reference keys and tensors.
        key_map: renaming rules of the family.
        source: name of the checkpoint for error messages.
        advise: returns advice for keys that do not fit.

    Raises:
        CheckpointError: listing missing keys, unexpected keys (each with the missing key nearest to it) and shapes that
            do not fit.
    """
    own = module.state_dict()
    renamed = key_map.apply(state)
    mapped = _match_weight_norm(renamed, own)
    missing = sorted(own.keys() - mapped.keys())
    unexpected = sorted(mapped.keys() - own.keys())
    misfits = [
        f"{key} {tuple(mapped[key].shape)} where {tuple(own[key].shape)} is expected"
        for key in sorted(own.keys() & mapped.keys())
        if mapped[key].shape != own[key].shape
    ]
    broken = [key for key in sorted(own.keys() & mapped.keys()) if not _is_sound(mapped[key], own[key])]
    problems = [
        ("missing", missing),
        ("unexpected", _with_nearest(unexpected, missing)),
        ("wrong shape", misfits),
        ("of numbers that are no weights (NaN, infinite, complex, sparse)", broken),
    ]
    lines = [f"{len(keys)} {kind}: {enumerate_some(keys, _LISTED_KEYS)}" for kind, keys in problems if keys]
    if lines:
        advice = [advise()] if advise is not None else []
        raise CheckpointError(f"{source}: keys do not fit the network; {'; '.join([*lines, *advice])}")
    for how, keys in (("put on", mapped.keys() - renamed.keys()), ("taken off", renamed.keys() - mapped.keys())):
        if count := sum(key.endswith(_MAGNITUDE) for key in keys):
            _logger.info("%s: weight normalisation %s %d weights", source, how, count)
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in mapped.items()})


@dataclass(frozen=True)
class Reference(Generic[_Config]):
    """The checkpoints of one family's reference implementation.

    Attributes:
        family: name of the family.
        title: its title.
        variants: the published configurations.
        network: function that builds the network of a checkpoint from a configuration.
        keys: renaming rules.
        prepare: change of a state before its keys are compared.
        ignored: our buffers that reference checkpoints lack.
        known: shapes of the variants that were built already.
    """

    family: str
    title: str
    variants: Mapping[str, _Config]
    network: Callable[[_Config], nn.Module]
    keys: KeyMap = KeyMap()
    prepare: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    ignored: Sequence[str] = ()
    known: dict[str, Mapping[str, Tensor]] = field(default_factory=dict, repr=False)

    def read(self, path: str | Path, no_stats: str | Path | None = None) -> tuple[Mapping[str, Tensor], Any]:
        """Return the state of the network in a checkpoint file, and the whole checkpoint.

        Args:
            path: the checkpoint.
            no_stats: file of statistics, which is refused; for families without statistics.

        Raises:
            CheckpointError: if the file cannot be read, or has no network of the family.
            ConfigError: for statistics.
        """
        if no_stats is not None:
            raise ConfigError(f"{self.title} takes no feature statistics; leave out --stats {no_stats}")
        checkpoint = read_official_checkpoint(path)
        return official_state(checkpoint, self.family, str(path)), checkpoint

    def variant(self, name: str) -> _Config:
        """Return the configuration of a variant.

        Raises:
            ConfigError: if there is no such variant.
        """
        if name not in self.variants:
            raise ConfigError(f"unknown {self.title} variant '{name}'; known variants: {', '.join(self.variants)}")
        return self.variants[name]

    def own_config(self, path: str | Path) -> _Config:
        """Return the configuration of a model from our YAML: a file of its own, or the section ``model``."""
        data = read_yaml(path)
        return type(next(iter(self.variants.values()))).from_dict(data.get("model", data), source=str(path))

    def load(self, network: nn.Module, state: Mapping[str, Tensor], source: str, chosen: str | None = None) -> None:
        """Copy a state into our network, see :func:`load_official_state`; ``chosen`` is the variant of the network."""
        load_official_state(network, state, self.keys, source, lambda: self.advise(state, chosen))

    def advise(self, state: Mapping[str, Tensor], chosen: str | None = None) -> str:
        """Return the variant that a state fits, for a message, if it is not the ``chosen`` one."""
        fits = self._fits(state)
        whole = [fit.variant for fit in fits if fit.fitting == fit.total]
        if whole:
            return f"the weights fit {' and '.join(whole)}; pass --variant {whole[0]}"
        best = fits[0]
        count = f"{best.fitting} of {best.total} tensors"
        if best.variant == chosen:
            cause = "the file is incomplete, or of a changed network"
            return f"no other --variant fits better than {chosen} ({count}); {cause}"
        nearest = f"nearest is --variant {best.variant} ({count})"
        return f"no variant fits; {nearest}; pass the network's own sizes by --config"

    def size_option(self, state: Mapping[str, Tensor]) -> str:
        """Return the option of `ondes convert` that sets the sizes of a state."""
        best = self._fits(state)[0]
        return f"--variant {best.variant}" if best.fitting == best.total else "--config CONFIG.yaml"

    def _fits(self, state: Mapping[str, Tensor]) -> list[_Fit]:
        """Compare a state with the networks of all variants, without computing anything; the best fit comes first."""
        mapped = self.keys.apply(self.prepare(state))
        mapped = {key: value for key, value in mapped.items() if key not in self.ignored}
        fits = []
        for variant in self.variants:
            own = {key: value for key, value in self._shapes(variant).items() if key not in self.ignored}
            shapes = {key: value.shape for key, value in _match_weight_norm(mapped, own).items()}
            fitting = sum(shapes.get(key) == value.shape for key, value in own.items())
            fits.append(_Fit(variant, fitting, len(own.keys() | shapes.keys())))
        return sorted(fits, key=lambda fit: -fit.fitting / fit.total)

    def _shapes(self, variant: str) -> Mapping[str, Tensor]:
        """Return the state of a variant, without numbers."""
        if variant not in self.known:
            with torch.device("meta"), torch.random.fork_rng(devices=[]):
                self.known[variant] = self.network(self.variants[variant]).state_dict()
        return self.known[variant]


def _match_weight_norm(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Apply or remove weight normalisation, to match the network."""
    matched = dict(state)
    for key in [*own, *state]:
        stem = key.removesuffix(_MAGNITUDE)
        if stem == key:
            continue
        plain, magnitude, direction = f"{stem}weight", f"{stem}{_MAGNITUDE}", f"{stem}{_DIRECTION}"
        if magnitude in own and plain in matched and magnitude not in matched:
            weight = matched.pop(plain)
            norm = _norm(weight, own[magnitude].shape)
            matched[magnitude] = norm
            # A row of zeros has no direction; any direction is right.
            matched[direction] = torch.where(norm == 0, torch.ones_like(weight), weight)
        elif plain in own and magnitude in matched and direction in matched:
            norm, weight = matched.pop(magnitude), matched.pop(direction)
            matched[plain] = weight * (norm / _norm(weight, norm.shape))
    return matched


def _norm(weight: Tensor, shape: torch.Size) -> Tensor:
    """Return the norms of ``weight`` over the axes that ``shape`` lacks."""
    axes = [axis for axis, size in enumerate(shape) if size == 1] if len(shape) == weight.dim() else []
    # Half precision would lose digits that the network's own precision keeps.
    precision = torch.promote_types(weight.dtype, torch.float32)
    norm = torch.linalg.vector_norm(weight.double(), dim=axes or None, keepdim=bool(axes))
    return norm.to(precision)


def _is_sound(found: Tensor, own: Tensor) -> bool:
    """Return whether a tensor holds numbers that its place in a network can have."""
    if found.layout != torch.strided or found.is_quantized or (found.is_complex() and not own.is_complex()):
        return False
    return not (found.is_floating_point() or found.is_complex()) or bool(torch.isfinite(found).all())


def _with_nearest(unexpected: Sequence[str], missing: Sequence[str]) -> list[str]:
    near = {key: difflib.get_close_matches(key, missing, n=1) for key in unexpected[:_LISTED_KEYS]}
    return [f"{key} (nearest: {near[key][0]})" if near.get(key) else key for key in unexpected]
