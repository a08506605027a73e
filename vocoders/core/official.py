"""Import of checkpoints of reference implementations.

Every foreign checkpoint passes through here. It is read without executing code from it (``official_file``), the weights
of the network are located in it (``official_state``), and their keys are renamed by the rules of the family. Keys that
are missing or left over are listed in an error.
"""

import difflib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vocoders.core.config import Config, read_yaml
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official_file import read_official_checkpoint, unreadable_reason
from vocoders.core.official_state import official_state
from vocoders.core.text import enumerate_some

__all__ = [
    "KeyMap",
    "VariantFit",
    "describe_fits",
    "find_variant",
    "fit_variants",
    "load_official_state",
    "official_state",
    "read_official_checkpoint",
    "read_own_config",
    "unreadable_reason",
    "variant_option",
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


class VariantFit(NamedTuple):
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
    problems = [
        ("missing", missing),
        ("unexpected", _with_nearest(unexpected, missing)),
        ("wrong shape", misfits),
    ]
    lines = [f"{len(keys)} {kind}: {enumerate_some(keys, _LISTED_KEYS)}" for kind, keys in problems if keys]
    if lines:
        advice = [advise()] if advise is not None else []
        raise CheckpointError(f"{source}: keys do not fit the network; {'; '.join([*lines, *advice])}")
    for how, keys in (("put on", mapped.keys() - renamed.keys()), ("taken off", renamed.keys() - mapped.keys())):
        if count := sum(key.endswith(_MAGNITUDE) for key in keys):
            _logger.info("%s: weight normalisation %s %d weights", source, how, count)
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in mapped.items()})


def fit_variants(
    state: Mapping[str, Tensor],
    key_map: KeyMap,
    networks: Mapping[str, Callable[[], nn.Module]],
    ignored: Sequence[str] = (),
) -> list[VariantFit]:
    """Compare a reference state with the networks of all variants; the best fit comes first.

    Args:
        state: reference keys and tensors.
        key_map: renaming rules of the family.
        networks: functions that build the network of each variant, without computing anything.
        ignored: our buffers that reference checkpoints lack.
    """
    mapped = key_map.apply(state)
    fits = []
    for variant, build in networks.items():
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            own = {key: value for key, value in build().state_dict().items() if key not in ignored}
        shapes = {key: value.shape for key, value in _match_weight_norm(mapped, own).items()}
        fitting = sum(shapes.get(key) == value.shape for key, value in own.items())
        fits.append(VariantFit(variant, fitting, len(own.keys() | shapes.keys())))
    return sorted(fits, key=lambda fit: -fit.fitting / fit.total)


def describe_fits(fits: Sequence[VariantFit], chosen: str | None = None) -> str:
    """Describe the variant of a checkpoint, if it is not the ``chosen`` one."""
    whole = [fit.variant for fit in fits if fit.fitting == fit.total]
    if whole:
        return f"the weights fit {' and '.join(whole)}; pass --variant {whole[0]}"
    best = fits[0]
    count = f"{best.fitting} of {best.total} tensors"
    if best.variant == chosen:
        return (
            f"no other --variant fits better than {chosen} ({count}); the file is incomplete, or of a changed network"
        )
    return f"no variant fits; nearest is --variant {best.variant} ({count}); pass the network's own sizes by --config"


def variant_option(fits: Sequence[VariantFit]) -> str:
    """Return the option of `ondes convert` that sets the sizes of a checkpoint."""
    return f"--variant {fits[0].variant}" if fits[0].fitting == fits[0].total else "--config CONFIG.yaml"


def find_variant(name: str, variants: Mapping[str, _Config], title: str) -> _Config:
    """Return the configuration of a variant; ``title`` is the family's.

    Raises:
        ConfigError: if there is no such variant.
    """
    if name not in variants:
        raise ConfigError(f"unknown {title} variant '{name}'; known variants: {', '.join(variants)}")
    return variants[name]


def read_own_config(path: str | Path, config_class: type[_Config]) -> _Config:
    """Return the configuration of a model from our YAML: a file of its own, or the section ``model``."""
    data = read_yaml(path)
    return config_class.from_dict(data.get("model", data), source=str(path))


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


def _with_nearest(unexpected: Sequence[str], missing: Sequence[str]) -> list[str]:
    near = {key: difflib.get_close_matches(key, missing, n=1) for key in unexpected[:_LISTED_KEYS]}
    return [f"{key} (nearest: {near[key][0]})" if near.get(key) else key for key in unexpected]
