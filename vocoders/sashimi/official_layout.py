"""The modules of reference checkpoints, mapped to tiers.

The reference numbers its modules on the way down, in the centre and on the way up, in some versions in one flat list
and in others in one list per tier; the order is the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vocoders.core.errors import CheckpointError
from vocoders.core.official import KeyMap
from vocoders.layers.s4 import S4Config
from vocoders.layers.s4.kernel import StateSpaceKernel
from vocoders.sashimi.official_kernel import OfficialKernel, read_kernel

__all__ = [
    "Layout",
    "matrix",
    "merge_kernels",
    "read_modules",
    "tier_of",
]

_MODULE = re.compile(r"^(?:model\.)*(?P<way>[dcu])_layers\.(?P<index>\d+(?:\.\d+)?)\.(?P<rest>.*)$")
_KERNEL = re.compile(r"^.*layer\.kernel\.(?:kernel\.)?(?P<name>\w+)$")


@dataclass
class Layout:
    """The layout of a network, derived from the order of its modules.

    Attributes:
        names: our name of each module within the tiers.
        num_pools: number of pools in one direction.
        num_centre: number of modules in the slowest tier.
        is_unet: whether there are blocks before the pools.
    """

    names: dict[str, str] = field(default_factory=dict)
    num_pools: int = 0
    num_centre: int = 0
    is_unet: bool = False


def read_modules(
    state: Mapping[str, Tensor], outer: Mapping[str, str], inner: KeyMap, tiers: str, kernel: str, source: str
) -> tuple[dict[str, Tensor], dict[str, OfficialKernel], Layout]:
    """Return the tensors of a state under our names, its state-space kernels, and the order of its modules.

    Args:
        state: reference keys and tensors.
        outer: regular expressions of keys outside the tiers, and our names of them.
        inner: the keys of a module.
        tiers: our name of the tiers.
        kernel: our name of a kernel within a module.
        source: name of the checkpoint for error messages.

    Raises:
        CheckpointError: for unknown keys, or if the ways up and down do not mirror each other.
    """
    outside, modules = _group_modules(state, outer, source)
    layout = _find_layout(modules, source)
    ours = {key: _squeezed(key, value) for key, value in KeyMap().apply(outside).items()}
    kernels: dict[str, OfficialKernel] = {}
    for key, tensors in modules.items():
        name = f"{tiers}.{layout.names[key]}"
        rest, found = _split_kernel(tensors, f"{source}: {key}")
        ours |= {f"{name}.{own}": _squeezed(own, value) for own, value in inner.apply(rest).items()}
        if found is not None:
            kernels[f"{name}.{kernel}"] = found
    return ours, kernels, layout


def _group_modules(
    state: Mapping[str, Tensor], outer_names: Mapping[str, str], source: str
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Divide a state into tensors outside the tiers, under our names, and the tensors of each module, in order."""
    outer: dict[str, Tensor] = {}
    modules: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, value in state.items():
        if match := _MODULE.match(key):
            modules.setdefault(f"{match['way']}.{match['index']}", {})[match["rest"]] = value
            continue
        names = [re.sub(pattern, name, key) for pattern, name in outer_names.items() if re.match(pattern, key)]
        if names:
            outer[names[0]] = value
        else:
            unknown.append(key)
    if not modules or unknown:
        what = f"unknown keys {', '.join(unknown[:8])}" if modules else "no d_layers, c_layers and u_layers"
        raise CheckpointError(
            f"{source}: {what}; expected encoder, d_layers, c_layers, u_layers, norm and decoder alone"
        )
    return outer, dict(sorted(modules.items(), key=lambda item: ("dcu".index(item[0][0]), _numbers(item[0]))))


def _numbers(key: str) -> list[int]:
    return [int(part) for part in key.split(".")[1:]]


def _find_layout(modules: Mapping[str, Mapping[str, Tensor]], source: str) -> Layout:
    """Name every module."""
    layout = Layout()
    pools = {key for key, tensors in modules.items() if any(name.startswith("linear.") for name in tensors)}
    layout.num_pools = sum(key[0] == "d" for key in pools)
    if layout.num_pools != sum(key[0] == "u" for key in pools):
        raise CheckpointError(f"{source}: the numbers of pools down and up differ among {len(pools)}")
    down = up = position = 0
    for key in modules:
        if key in pools and key[0] == "d":
            layout.names[key], down, position = f"pools.{down}", down + 1, 0
        elif key in pools:
            layout.names[key], up, position = f"unpools.{layout.num_pools - 1 - up}", up + 1, 0
        elif key[0] == "c":
            layout.names[key], layout.num_centre = f"centre.{layout.num_centre}", layout.num_centre + 1
        else:
            way, tier = ("down", down) if key[0] == "d" else ("up", layout.num_pools - up)
            layout.names[key], position = f"{way}.{tier}.{position}", position + 1
            layout.is_unet |= way == "down"
    return layout


def tier_of(name: str, num_pools: int) -> int:
    """Return the tier of a module of ours."""
    match = re.search(r"tiers\.(?:down|up)\.(\d+)\.", name)
    return int(match[1]) if match else num_pools


def _split_kernel(tensors: Mapping[str, Tensor], where: str) -> tuple[dict[str, Tensor], OfficialKernel | None]:
    """Separate the parameters of a state-space kernel from a block's tensors."""
    rest, kernel = {}, {}
    for key, value in tensors.items():
        match = _KERNEL.match(key)
        if match is None:
            rest[key] = value
        else:
            kernel[match["name"]] = value
    return rest, read_kernel(kernel, where) if kernel else None


def merge_kernels(
    ours: dict[str, Tensor], kernels: Mapping[str, OfficialKernel], s4: S4Config, lengths: list[int | None]
) -> bool:
    """Add the parameters of kernels to a state of ours.

    Args:
        ours: state to add to.
        kernels: kernels by our names.
        s4: configuration of the layers.
        lengths: truncation length of each tier.

    Returns:
        Whether C is truncated for these lengths. If that of any layer is not, every C is stored without truncation.
    """
    num_pools = len(lengths) - 1
    fits = all(
        kernel.structure == "diagonal" or kernel.length == (lengths[tier_of(name, num_pools)] or 0)
        for name, kernel in kernels.items()
    )
    for name, kernel in kernels.items():
        parameters = kernel.state if fits else {**kernel.state, "C": _recovered(kernel, s4)}
        ours |= {f"{name}.{key}": value for key, value in parameters.items()}
    return fits


def _recovered(kernel: OfficialKernel, s4: S4Config) -> Tensor:
    """Return the untruncated C of a kernel with truncated C, computed in double precision."""
    if kernel.length == 0:
        return kernel.state["C"]
    with torch.random.fork_rng(devices=[]):
        module = StateSpaceKernel(kernel.state["C"].shape[1], s4).double()
    module.load_state_dict({key: value.double() for key, value in kernel.state.items()})
    module.kernel_length = kernel.length
    with torch.no_grad():
        return torch.view_as_real(module.discretise().output)


def _squeezed(name: str, value: Tensor) -> Tensor:
    """Remove the kernel axis from weights of convolutions of width one, and surplus axes from vectors."""
    if name.startswith("mel.convs"):
        # Kernels of the upsamplers keep all their axes.
        return value
    if name.endswith(("bias", "layer.D", "s4.D")):
        return value.flatten()
    if name.endswith("original0"):
        return value.reshape(-1, 1)
    return value.squeeze(-1) if value.dim() == 3 and value.shape[-1] == 1 else value


def matrix(ours: Mapping[str, Tensor], name: str) -> Tensor:
    """Return the weight of a linear layer of our state, or if it is normalised the parameter with its shape."""
    plain = ours.get(f"{name}.weight")
    return plain if plain is not None else ours[f"{name}.parametrizations.weight.original1"]
