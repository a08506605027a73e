"""Import of reference DiffWave-SaShiMi checkpoints."""

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official import KeyMap, Reference, load_official_state
from vocoders.sashimi.diffwave.config import VARIANTS, DiffwaveSashimiConfig
from vocoders.sashimi.diffwave.model import DiffwaveSashimi
from vocoders.sashimi.official import kernel_options
from vocoders.sashimi.official_kernel import OfficialKernel
from vocoders.sashimi.official_layout import (
    Layout,
    matrix,
    merge_kernels,
    read_modules,
    tier_of,
)

__all__ = ["convert", "diffwave_from_state"]

_logger = logging.getLogger(__name__)

_REFERENCE = Reference("diffwave_sashimi", "DiffWave-SaShiMi", VARIANTS, DiffwaveSashimi)
_PARAMETER = r"(.+)$"
_OUTER = {
    rf"^init_conv\.0\.conv\.{_PARAMETER}": r"input.\1",
    rf"^fc_t([12])\.{_PARAMETER}": r"embedding.linear\1.\2",
    rf"^final_conv\.0\.conv\.{_PARAMETER}": r"hidden.\1",
    rf"^final_conv\.2\.conv\.{_PARAMETER}": r"output.\1",
    r"^norm\.([ms])$": r"norm.\1",
}
_INNER = KeyMap(
    rename=[
        (r"^linear\.conv\.", "linear."),
        (r"^fc_t\.", "step."),
        (r"^layer\.output_linear\.(?:0\.)?", "s4.output_linear."),
        (r"^layer\.D$", "s4.D"),
        (r"^ff\.ff\.0\.conv\.", "expand."),
        (r"^ff\.ff\.2\.conv\.", "contract."),
        (r"^upsample_conv2d\.", "mel.convs."),
        (r"^mel_conv\.conv\.", "mel.linear."),
    ]
)


def convert(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> DiffwaveSashimi:
    """Build a :class:`DiffwaveSashimi` from a reference checkpoint.

    Args:
        path: checkpoint of the reference trainer, with ``model_state_dict``, or another file with the state dict.
        variant: one of our variant names, for settings that the weights do not determine (front end, noise schedule);
            without it and ``config``, ``ljspeech_official`` for conditional weights and ``sc09_large`` for others.
        config: our YAML.
        stats: not used by this family.

    Raises:
        CheckpointError: if keys do not fit.
        ConfigError: for an unknown variant, a wrong configuration, or statistics.
    """
    state, _ = _REFERENCE.read(path, no_stats=stats)
    usual = "ljspeech_official" if any("mel_conv" in key for key in state) else "sc09_large"
    base = _REFERENCE.variant(variant or usual) if config is None else _REFERENCE.own_config(config)
    model, notes = diffwave_from_state(state, base, str(path))
    for note in notes:
        _logger.warning("%s: %s", path, note)
    return model.eval()


def diffwave_from_state(
    state: Mapping[str, Tensor], base: DiffwaveSashimiConfig, source: str
) -> tuple[DiffwaveSashimi, list[str]]:
    """Build a model from a reference state.

    Args:
        state: reference keys and tensors.
        base: configuration with the settings that the weights do not determine.
        source: name of the checkpoint for error messages.

    Returns:
        The model, in the precision of torch's default type, and remarks on the decisions.

    Raises:
        CheckpointError: if keys do not fit.
        ConfigError: if ``base`` has no mel for conditional weights.
    """
    ours, kernels, layout = read_modules(state, _OUTER, _INNER, "tiers", "s4.kernel", source)
    config, notes = _find_config(ours, layout, kernels, base, source)
    if not merge_kernels(ours, kernels, config.s4, config.kernel_lengths):
        config = config.model_copy(update={"kernel_length": None, "limit_kernel": False})
        notes.append("the truncation lengths of the layers do not match; C is stored without truncation")
    with torch.random.fork_rng(devices=[]):
        model = DiffwaveSashimi(config)
    load_official_state(model.network, ours, KeyMap(), source)
    return model, notes


def _find_config(
    ours: Mapping[str, Tensor],
    layout: Layout,
    kernels: Mapping[str, OfficialKernel],
    base: DiffwaveSashimiConfig,
    source: str,
) -> tuple[DiffwaveSashimiConfig, list[str]]:
    """Return the configuration that the weights determine, and remarks on the rest."""
    try:
        channels = matrix(ours, "input").shape[0]
        pools = [matrix(ours, f"tiers.pools.{tier}.linear") for tier in range(layout.num_pools)]
        expansion = matrix(ours, "tiers.centre.0.expand")
        output = ours["tiers.centre.0.s4.output_linear.weight"]
        kernel = kernels["tiers.centre.0.s4.kernel"]
    except KeyError as missing:
        raise CheckpointError(f"{source}: {missing} has no counterpart; expected a whole network state") from None
    s4, notes = kernel_options(kernel, base.s4.to_dict(), is_gated=output.shape[0] == 2 * output.shape[1])
    widths = [channels, *(pool.shape[0] for pool in pools)]
    fastest = next((k.length for name, k in kernels.items() if tier_of(name, layout.num_pools) == 0), kernel.length)
    upsamplers = sorted(
        key for key in ours if re.fullmatch(r"tiers\.centre\.0\.mel\.convs\..*(original1|\.weight)", key)
    )
    mel = None
    if upsamplers:
        if base.mel is None:
            raise ConfigError(f"{source}: the weights are conditional; expected a variant or configuration with a mel")
        mel = base.mel.to_dict()
    data = base.to_dict() | {
        "mel": mel,
        "channels": channels,
        "num_layers": layout.num_centre,
        "pool": [pool.shape[1] // width for pool, width in zip(pools, widths, strict=False)],
        "expand": widths[1] // widths[0] if pools else base.expand,
        "feedforward": expansion.shape[0] // expansion.shape[1],
        "unet": layout.is_unet,
        "s4": s4,
        "kernel_length": fastest or None,
        "limit_kernel": bool(fastest),
    }
    if upsamplers:
        factors = [ours[key].shape[-1] // 2 for key in upsamplers]
        data |= {"mel_upsample": factors, "mel_alignment": "official"}
        data["mel"] |= {"n_mels": matrix(ours, "tiers.centre.0.mel.linear").shape[1]}
        if math.prod(factors) != data["mel"]["hop_length"]:
            notes.append(f"the upsamplers multiply to {math.prod(factors)}, which becomes the mel's hop length")
            data["mel"]["hop_length"] = math.prod(factors)
        notes.append("slower tiers take the beginning of the mel alone, as in the reference (mel_alignment 'official')")
    notes.append(f"kernels have {fastest or 'any number of'} samples of the fastest tier, as in training")
    return DiffwaveSashimiConfig.from_dict(data, source=source), notes
