"""Import of reference SaShiMi checkpoints (V2, V3, V4, and the standalone backbone)."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vocoders.core.errors import CheckpointError
from vocoders.core.official import KeyMap, Reference, load_official_state
from vocoders.sashimi.config import VARIANTS, SashimiConfig
from vocoders.sashimi.model import Sashimi
from vocoders.sashimi.official_kernel import OfficialKernel
from vocoders.sashimi.official_layout import (
    Layout,
    matrix,
    merge_kernels,
    read_modules,
    tier_of,
)

__all__ = ["convert", "sashimi_from_state"]

_logger = logging.getLogger(__name__)

_REFERENCE = Reference("sashimi", "SaShiMi", VARIANTS, Sashimi)
_OUTER = {
    r"^encoder\.(?:0\.)?weight$": "embedding.weight",
    r"^decoder\.(?:0\.)?output_transform\.(weight|bias)$": r"head.\1",
    r"^(?:model\.)*norm\.(?:norm\.)?(weight|bias|m|s)$": r"network.norm.\1",
}
# Within a block. State-space layers are one 'layer' deeper since V4.
_INNER = KeyMap(
    rename=[
        (r"^norm\.norm\.", "norm."),
        (r"^(?:layer\.)+output_linear\.(?:0\.)?", "layer.output_linear."),
        (r"^(?:layer\.)+D$", "layer.D"),
        (r"^layer\.ff\.0\.(?:0\.)?", "layer.expand."),
        (r"^layer\.ff\.2\.", "layer.contract."),
    ]
)


def convert(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> Sashimi:
    """Build a :class:`Sashimi` from a reference checkpoint.

    The weights determine the network. Quantiser, sample rate, transform of step sizes and discretisation of diagonal
    systems come from ``variant`` or ``config``. The decisions are logged.

    Args:
        path: checkpoint of the reference trainer, with ``state_dict``, or another file with the state dict.
        variant: one of our variant names; without it and ``config``, ``sc09``.
        config: our YAML.
        stats: not used by this family.

    Raises:
        CheckpointError: if keys do not fit.
        ConfigError: for an unknown variant, a wrong configuration, or statistics.
    """
    state, _ = _REFERENCE.read(path, no_stats=stats)
    base = _REFERENCE.variant(variant or "sc09") if config is None else _REFERENCE.own_config(config)
    model, notes = sashimi_from_state(state, base, str(path))
    for note in notes:
        _logger.warning("%s: %s", path, note)
    return model.eval()


def sashimi_from_state(state: Mapping[str, Tensor], base: SashimiConfig, source: str) -> tuple[Sashimi, list[str]]:
    """Build a model from a reference state.

    Args:
        state: reference keys and tensors.
        base: configuration with the settings that the weights do not determine.
        source: name of the checkpoint for error messages.

    Returns:
        The model, in the precision of torch's default type, and remarks on the decisions.

    Raises:
        CheckpointError: if keys do not fit.
    """
    ours, kernels, layout = read_modules(state, _OUTER, _INNER, "network.tiers", "layer.kernel", source)
    config, notes = _find_config(ours, layout, kernels, base, source)
    if not merge_kernels(ours, kernels, config.s4, config.kernel_lengths):
        config = config.model_copy(update={"kernel_length": None})
        notes.append("the truncation lengths of the layers do not match; C is stored without truncation")
    with torch.random.fork_rng(devices=[]):
        model = Sashimi(config)
    load_official_state(model, ours, KeyMap(), source)
    return model, notes


def _find_config(
    ours: Mapping[str, Tensor], layout: Layout, kernels: Mapping[str, OfficialKernel], base: SashimiConfig, source: str
) -> tuple[SashimiConfig, list[str]]:
    """Return the configuration that the weights determine, and remarks on the rest."""
    try:
        num_codes, channels = ours["embedding.weight"].shape
        pools = [matrix(ours, f"network.tiers.pools.{tier}.linear") for tier in range(layout.num_pools)]
        expansion = ours["network.tiers.centre.1.layer.expand.weight"]
        output = ours["network.tiers.centre.0.layer.output_linear.weight"]
        kernel = kernels["network.tiers.centre.0.layer.kernel"]
    except KeyError as missing:
        raise CheckpointError(f"{source}: {missing} has no counterpart; expected a whole SaShiMi state dict") from None
    if num_codes & (num_codes - 1):
        raise CheckpointError(f"{source}: {num_codes} codes; expected a power of two")
    s4, notes = kernel_options(kernel, base.s4.to_dict(), is_gated=output.shape[0] == 2 * output.shape[1])
    widths = [channels, *(pool.shape[0] for pool in pools)]
    norm = "scalar" if "network.tiers.centre.0.norm.m" in ours else "layer"
    # The reference's two U-nets differ around the slowest tier, and in their norms.
    centre_skip = base.centre_skip if base.skips == "unet" else norm == "layer"
    fastest = next((k.length for name, k in kernels.items() if tier_of(name, layout.num_pools) == 0), kernel.length)
    data = base.to_dict() | {
        "quantiser": base.quantiser.to_dict() | {"bits": num_codes.bit_length() - 1},
        "channels": channels,
        "num_layers": layout.num_centre // 2,
        "pool": [pool.shape[1] // width for pool, width in zip(pools, widths, strict=False)],
        "expand": widths[1] // widths[0] if pools else base.expand,
        "feedforward": expansion.shape[0] // expansion.shape[1],
        "skips": "unet" if layout.is_unet else "tier",
        "centre_skip": centre_skip if layout.is_unet else True,
        "norm": norm,
        "final_norm": "scalar" if "network.norm.m" in ours else "layer",
        "pool_weight_norm": any("tiers.pools" in name and name.endswith("original0") for name in ours),
        "delayed_pools": True,
        "s4": s4,
        "kernel_length": fastest or None,
    }
    notes.append(f"C is truncated for {fastest or 'no'} samples of the fastest tier")
    return SashimiConfig.from_dict(data, source=source), notes


def kernel_options(kernel: OfficialKernel, base: dict[str, Any], is_gated: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration of state-space layers, and remarks.

    Args:
        kernel: one layer's kernel.
        base: settings that the weights do not determine.
        is_gated: whether the output layer is gated.
    """
    systems, features = kernel.state["B"].shape[0], kernel.state["C"].shape[1]
    s4 = base | {
        "structure": kernel.structure,
        "d_state": 2 * kernel.state["C"].shape[-2],
        "num_systems": None if systems == features else systems,
        "bidirectional": kernel.state["C"].shape[0] == 2,
        "output": "glu" if is_gated else "linear",
    }
    notes = [f"{kernel.version} layout, structure '{kernel.structure}', output '{s4['output']}'"]
    if kernel.structure == "diagonal":
        notes.append(f"discretisation is assumed '{s4['discretisation']}', weights do not tell it (s4.discretisation)")
    else:
        s4 |= {"initialisation": "legs", "discretisation": "bilinear"}
    transform = s4["dt_transform"]
    remark = "" if transform == "exp" else f"; {kernel.version} always used 'exp'"
    if kernel.version == "V4":
        remark = "; released weights need 'exp', those trained with V4 configurations 'softplus' (s4.dt_transform)"
    notes.append(f"step sizes are assumed '{transform}'{remark}")
    return s4, notes
