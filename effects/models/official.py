"""Import of reference checkpoints of SignalTrain and micro-TCN."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from effects.knobs import Knob, KnobSet
from effects.models.devices import LA2A_KNOBS
from effects.models.model import EffectModel
from effects.models.recurrent import VARIANTS as RECURRENT_VARIANTS
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.signaltrain import VARIANTS as SIGNALTRAIN_VARIANTS
from effects.models.signaltrain import SignalTrain, SignalTrainConfig
from effects.models.tcn import TCN, TCNConfig
from effects.models.tcn import VARIANTS as TCN_VARIANTS
from vocoders.core.config import read_yaml
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official import KeyMap, Reference, load_official_state

__all__ = [
    "KEY_MAPS",
    "convert_options",
    "convert_recurrent",
    "convert_signaltrain",
    "convert_tcn",
    "signaltrain_config",
    "tcn_config",
]

KEY_MAPS = {
    "signaltrain": KeyMap(
        rename=[
            (r"^mpaec\.", ""),
            (r"^dft_(analysis|synthesis)\.conv_\w+_(real|imag)\.", r"\1_\2."),
            (r"^aenc\.", "magnitude_network."),
            (r"^phs_aenc\.", "phase_network."),
            (r"\.fnn_addknobs\.", ".join_knobs."),
            (r"\.fnn_enc\.", ".encoder.0."),
            *((rf"\.fnn_enc{layer}\.", f".encoder.{layer - 1}.") for layer in (2, 3, 4)),
            *((rf"\.fnn_dec{layer}\.", f".decoder.{4 - layer}.") for layer in (4, 3, 2)),
            (r"\.fnn_dec\.", ".decoder.3."),
        ]
    ),
    "tcn": KeyMap(
        rename=[
            (r"^gen\.", "condition.layers."),
            (r"\.conv1\.", ".conv."),
            (r"\.film\.bn\.", ".film.norm."),
            (r"\.relu\.", ".activation."),
            (r"\.res\.", ".residual."),
            (r"^output\.", "projection."),
        ]
    ),
    "recurrent": KeyMap(rename=[(r"^lstm\.", "cells."), (r"^linear\.", "projection.")]),
}

# The knobs of SignalTrain's main effect, which its checkpoints may omit.
_COMP_4C_NAMES = ("threshold_dB", "ratio", "attackTime_s", "releaseTime_s")
_COMP_4C_RANGES = ((-30.0, 0.0), (1.0, 5.0), (1e-3, 4e-2), (1e-3, 4e-2))
_UNITS = {"dB": "dB", "s": "s", "sec": "s", "Hz": "Hz"}

_SIGNALTRAIN = Reference("signaltrain", "SignalTrain", SIGNALTRAIN_VARIANTS, SignalTrain, KEY_MAPS["signaltrain"])
_TCN = Reference("tcn", "TCN", TCN_VARIANTS, TCN, KEY_MAPS["tcn"])
_RECURRENT = Reference("recurrent", "recurrent", RECURRENT_VARIANTS, Recurrent, KEY_MAPS["recurrent"])


def signaltrain_config(
    checkpoint: Mapping[str, Any], state: Mapping[str, Tensor], variant: str | None = None
) -> SignalTrainConfig:
    """Return sizes and knobs of a SignalTrain checkpoint.

    Args:
        checkpoint: the entries besides the weights; missing entries have the defaults of the reference.
        state: the weights.
        variant: name of the sizes, if the checkpoint does not contain its window length.

    Raises:
        CheckpointError: if weights are missing, or the sizes do not match.
        ConfigError: for an unknown variant.
    """
    keys = KEY_MAPS["signaltrain"].apply(state)
    try:
        n_fft = keys["analysis_real.weight"].shape[0]
        num_frames = keys["magnitude_network.encoder.0.weight"].shape[1]
        output_frames = keys["magnitude_network.decoder.3.weight"].shape[0]
        num_knobs = keys["magnitude_network.join_knobs.weight"].shape[1] - 16
    except KeyError as error:
        raise CheckpointError(f"the checkpoint is not one of SignalTrain: it has no {error.args[0]}") from None
    if variant is not None:
        base = _SIGNALTRAIN.variant(variant)
    else:
        sizes = {"n_fft": n_fft, "hop_length": n_fft * 3 // 8, "output_frames": output_frames}
        window = int(checkpoint.get("in_chunk_size", 8192))
        base = SignalTrainConfig.from_dict(sizes | {"window_length": window}, "SignalTrain checkpoint")
    if (base.n_fft, base.num_frames, base.output_frames) != (n_fft, num_frames, output_frames):
        raise CheckpointError(
            f"a window of {base.window_length} samples has {base.num_frames} frames, the weights are of {num_frames} "
            f"(transform {n_fft}, {output_frames} out); pass --variant ({', '.join(SIGNALTRAIN_VARIANTS)})"
        )
    knobs = _signaltrain_knobs(checkpoint, num_knobs)
    return base.model_copy(update={"knobs": knobs, "sample_rate": int(checkpoint.get("sr", 44100))})


def tcn_config(options: Mapping[str, Any]) -> TCNConfig:
    """Translate the hyper-parameters of a micro-TCN; those that do not define the network are ignored.

    Raises:
        ConfigError: if a value is impossible.
    """
    names = {
        "nblocks": "num_blocks",
        "kernel_size": "kernel_size",
        "dilation_growth": "dilation_growth",
        "channel_width": "channels",
        "stack_size": "stack_size",
        "causal": "causal",
    }
    data: dict[str, Any] = {ours: options[theirs] for theirs, ours in names.items() if theirs in options}
    knobs = _numbered_knobs(int(options.get("nparams", 2)))
    return TCNConfig.from_dict(data | {"crop": "official", "norm": "batch", "knobs": knobs.to_dict()}, "micro-TCN")


def convert_signaltrain(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> SignalTrain:
    """Build a SignalTrain from a reference checkpoint.

    Args:
        path: the checkpoint.
        variant: one of the family's variants, if the checkpoint does not contain its sizes.
        config: a YAML file instead.
        stats: absent, since effects take audio.

    Raises:
        CheckpointError: if the weights are not those of this family, or do not fit.
        ConfigError: for an unknown variant, or if nothing says the sizes.
    """
    state, checkpoint = _SIGNALTRAIN.read(path, no_stats=stats)
    if config is not None:
        own = _SIGNALTRAIN.own_config(config)
    else:
        own = signaltrain_config(checkpoint if "state_dict" in checkpoint else {}, state, variant)
    return _filled(SignalTrain(own), state, path, variant or (config and str(config)))


def convert_tcn(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> TCN:
    """Build a TCN from a reference checkpoint.

    Args:
        path: the checkpoint.
        variant: one of the family's variants, if the checkpoint does not contain its sizes.
        config: a YAML file instead: ours, or the hyper-parameters of the reference.
        stats: absent, since effects take audio.

    Raises:
        CheckpointError: if the weights are not those of this family, or do not fit.
        ConfigError: for an unknown variant, or if nothing says the sizes.
    """
    state, checkpoint = _TCN.read(path, no_stats=stats)
    options = checkpoint.get("hyper_parameters")
    if config is not None:
        data = read_yaml(config)
        own = tcn_config(data) if "nblocks" in data else _TCN.own_config(config)
    elif variant is not None:
        own = _TCN.variant(variant)
    elif isinstance(options, Mapping) and "nblocks" in options:
        own = tcn_config(options)
    else:
        advice = f"pass --variant (one of {', '.join(TCN_VARIANTS)}) or --config; {_TCN.advise(state)}"
        raise ConfigError(f"{path} does not contain its sizes; {advice}")
    return _filled(TCN(own), state, path, variant)


def convert_recurrent(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> Recurrent:
    """Build a recurrent effect from a reference checkpoint.

    Args:
        path: the checkpoint.
        variant: one of the family's variants, if the checkpoint does not contain its sizes.
        config: a YAML file instead.
        stats: absent, since effects take audio.

    Raises:
        CheckpointError: if the weights are not those of this family, or do not fit.
        ConfigError: for an unknown variant, or if nothing says the sizes.
    """
    state, _ = _RECURRENT.read(path, no_stats=stats)
    if config is not None:
        own = _RECURRENT.own_config(config)
    elif variant is not None:
        own = _RECURRENT.variant(variant)
    elif "lstm.weight_ih_l0" in state:
        units, inputs = state["lstm.weight_ih_l0"].shape
        layers = sum(re.fullmatch(r"lstm\.weight_hh_l\d+", key) is not None for key in state)
        own = RecurrentConfig(hidden_size=units // 4, num_layers=layers, knobs=_numbered_knobs(inputs - 1))
    else:
        raise CheckpointError(f"{path} contains no LSTM of micro-TCN: it has no lstm.weight_ih_l0")
    return _filled(Recurrent(own), state, path, variant or (config and str(config)))


def _filled(model: EffectModel, state: Mapping[str, Tensor], path: str | Path, sizes: str | None) -> Any:
    """Load the weights; ``sizes`` is the origin of the sizes: a variant or a file."""

    def advise() -> str:
        if model.family == "tcn":
            return _TCN.advise(state, sizes)
        return f"leave out {sizes}, the weights determine their sizes" if sizes else "expected the whole state dict"

    load_official_state(model, state, KEY_MAPS[model.family], str(path), advise)
    return model.eval()


def convert_options(state: Mapping[str, Tensor], checkpoint: Any, path: Path) -> str:
    """Return the options of `ondes convert` for a TCN whose checkpoint does not contain its sizes."""
    return "" if "hyper_parameters" in checkpoint else _TCN.size_option(state)


def _numbered_knobs(count: int) -> KnobSet:
    """Return the knobs of a micro-TCN, which does not name them: those of the LA-2A if there are two."""
    if count == 2:
        return LA2A_KNOBS
    knobs = (Knob(name=f"knob_{index + 1}", min=0, max=1, default=0.5) for index in range(count))
    return KnobSet(knobs=tuple(knobs), norm=(0.0, 1.0))


def _signaltrain_knobs(checkpoint: Mapping[str, Any], count: int) -> KnobSet:
    """Return the knobs of a SignalTrain checkpoint; all are linear, time constants too."""
    names = [str(name) for name in checkpoint.get("knob_names", _COMP_4C_NAMES)]
    ranges = [[float(end) for end in pair] for pair in checkpoint.get("knob_ranges", _COMP_4C_RANGES)]
    if len(names) != count or len(ranges) != count:
        raise CheckpointError(f"{len(names)} names and {len(ranges)} ranges for {count} knobs; pass --config")
    knobs = []
    for index, (label, (low, high)) in enumerate(zip(names, ranges, strict=True)):
        word, _, suffix = label.rpartition("_")
        unit = _UNITS.get(suffix, "")
        name = re.sub(r"(?i)_?time$", "", word) if unit else label
        name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if not re.match(r"[a-z]", name) or name in (knob["name"] for knob in knobs):
            name = f"knob_{index + 1}"
        ends = {"min": low, "max": high, "default": (low + high) / 2}
        knobs.append({"name": name, "label": label, "unit": unit, "scale": "db" if unit == "dB" else "linear"} | ends)
    return KnobSet.from_dict({"knobs": knobs, "norm": [-0.5, 0.5]}, source="SignalTrain checkpoint")
