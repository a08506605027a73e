"""Import of reference PeriodWave checkpoints and configurations."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vocoders.core.config import read_yaml
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official import KeyMap, Reference
from vocoders.core.statistics_file import read_statistics
from vocoders.frontends.energy import ENERGY_PRESETS
from vocoders.frontends.mel import MEL_PRESETS, MelConfig
from vocoders.periodwave.config import VARIANTS, PeriodWaveConfig
from vocoders.periodwave.model import PeriodWave

__all__ = ["KEY_MAP", "config_from_official", "convert", "convert_options", "squeeze_rows"]

KEY_MAP = KeyMap(
    rename=[
        (r"^estimator\.MelCond\.convnext_block\.", "encoder.blocks."),
        (r"^estimator\.MelCond\.cond\.", "encoder.fine_blocks."),
        (r"^estimator\.MelCond\.cond_block\.", "encoder.period_convs."),
        (r"^estimator\.MelCond\.up\.", "encoder.upsample."),
        (r"^estimator\.MelCond\.embed\.", "encoder.embed."),
        (r"^estimator\.period_emb\.", "estimator.embedding.periods."),
        (r"^estimator\.mlp\.", "estimator.embedding.mlp."),
        (r"^estimator\.mpg\.mpg\.(downs|ups)\.(\d+)\.(?:down|up)\.", r"estimator.unet.\1.\2.resample."),
        (r"^estimator\.mpg\.mpg\.(downs|ups)\.(\d+)\.mlp\.1\.", r"estimator.unet.\1.\2.time."),
        (r"^estimator\.mpg\.mpg\.mids\.0\.down\.", "estimator.unet.middle.resample."),
        (r"^estimator\.mpg\.mpg\.mids\.0\.", "estimator.unet.middle."),
        (r"^estimator\.mpg\.mpg\.", "estimator.unet."),
        (r"^estimator\.proj_layer\.final_layer\.", "estimator.output.conv."),
        (r"^estimator\.proj_layer\.", "estimator.output."),
        (r"\.ResBlocks\.(\d+)\.block([12])\.", r".blocks.\1.conv\2."),
    ]
)

# Published checkpoints contain no front end; the sample rate decides it.
_PRESETS = {24000: ("bigvgan_24k", "libritts_24k"), 22050: ("hifigan_22k", "ljspeech_22k")}
_EMBEDDING_CHANNELS = 128
_BUFFERS = ("energy_range",)


def squeeze_rows(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove the last axis, of length one, from kernels along the columns of a folded waveform."""
    return {key: value.squeeze(-1) if value.dim() == 4 else value for key, value in state.items()}


_REFERENCE = Reference("periodwave", "PeriodWave", VARIANTS, PeriodWave, KEY_MAP, squeeze_rows, _BUFFERS)


def config_from_official(data: Mapping[str, Any], state: Mapping[str, Tensor]) -> PeriodWaveConfig:
    """Translate a reference ``config.json``; the weights determine the rest.

    Args:
        data: the whole file, with the sections ``data`` and ``model``.
        state: the checkpoint's weights; the number of residual blocks identifies the large model, the number of input
            channels the embedding-conditioned one.

    Raises:
        ConfigError: for a missing value, or one that no published model has.
    """
    try:
        section, model = data["data"], data["model"]
        sample_rate, hop = section["sampling_rate"], section["hop_length"]
    except (KeyError, TypeError):
        raise ConfigError("no reference configuration; expected sections 'data' and 'model'") from None
    if sample_rate not in _PRESETS:
        raise ConfigError(f"sampling_rate {sample_rate}; expected one of {', '.join(map(str, _PRESETS))}")
    embed = state.get("estimator.MelCond.embed.weight")
    hidden = model.get("hidden_dim") or (embed.shape[0] if embed is not None else 512)
    if model.get("final_dim", hidden // 16) != hidden // 16:
        raise ConfigError(f"final_dim {model['final_dim']}; expected hidden_dim / 16 = {hidden // 16}")
    is_embedding = embed is not None and embed.shape[1] == _EMBEDDING_CHANNELS
    preset, energy = _PRESETS[sample_rate]
    mel = MEL_PRESETS[preset].to_dict() | {"hop_length": hop}
    for ours, theirs in (("n_mels", "n_mel_channels"), ("n_fft", "filter_length"), ("win_length", "win_length")):
        mel[ours] = section.get(theirs, mel[ours])
    mel |= {"fmin": float(section.get("mel_fmin", mel["fmin"])), "fmax": float(section.get("mel_fmax") or mel["fmax"])}
    if is_embedding:
        mel["n_mels"] = _EMBEDDING_CHANNELS
    is_large = "estimator.proj_layer.ResBlocks.3.block1.bias" in state
    return PeriodWaveConfig(
        mel=MelConfig.from_dict(mel, "reference configuration", "data"),
        condition="embedding" if is_embedding else "mel",
        hidden_channels=hidden,
        periods=tuple(model["periods"]),
        dilations=(1, 2, 1, 4) if is_large else (1, 2, 4),
        noise_scale=float(model["noise_scale"]),
        energy=None if is_embedding else ENERGY_PRESETS[energy],
    )


def convert(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> PeriodWave:
    """Build a :class:`PeriodWave` from a reference checkpoint.

    Args:
        path: ``G_<step>.pth`` with ``model``, or another file with the generator's state dict.
        variant: one of our variant names; together with ``config`` it sets the sampling alone (``turbo_base`` and so on
            for a model tuned to four Euler steps).
        config: the reference's ``config.json``, or our YAML.
        stats: file with the energy range of the training set, ``energy_min`` and ``energy_max``; default: the published
            range for the model's sample rate.

    Raises:
        CheckpointError: if keys do not fit.
        ConfigError: for an unknown variant or configuration.
    """
    state, _ = _REFERENCE.read(path)
    model = PeriodWave(_find_config(variant, config, state))
    _REFERENCE.load(model, _with_buffers(model, state), str(path), variant)
    if stats is not None:
        model.set_statistics(*_read_energy(Path(stats)))
    return model.eval()


def convert_options(state: Mapping[str, Tensor], checkpoint: Any, path: Path) -> str:
    """Return the options of `ondes convert` for a checkpoint; the reference stores its sizes in a separate file."""
    config = path.parent / "config.json"
    return f"--config {shlex.quote(str(config))}" if config.is_file() else _REFERENCE.size_option(state)


def _with_buffers(model: PeriodWave, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with the buffers that reference checkpoints lack."""
    return squeeze_rows(state) | {name: buffer for name, buffer in model.state_dict().items() if name in _BUFFERS}


def _find_config(variant: str | None, config: str | Path | None, state: Mapping[str, Tensor]) -> PeriodWaveConfig:
    named = None if variant is None else _REFERENCE.variant(variant)
    if config is None:
        if named is None:
            raise ConfigError(f"no configuration; {_REFERENCE.advise(state)}")
        return named
    data = read_yaml(config)
    if "data" in data and "sampling_rate" in (data["data"] or {}):
        found = config_from_official(data, state)
    else:
        found = _REFERENCE.own_config(config)
    return found if named is None else found.model_copy(update={"sampling": named.sampling})


def _read_energy(path: Path) -> tuple[float, float]:
    found = read_statistics(path, ("energy_min", "energy_max"))
    try:
        return float(found["energy_min"]), float(found["energy_max"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: expected numbers 'energy_min' and 'energy_max' ({error})") from None
