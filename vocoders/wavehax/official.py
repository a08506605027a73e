"""Import of reference Wavehax checkpoints and configurations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vocoders.core.config import read_yaml
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.official import KeyMap, Reference
from vocoders.core.statistics_file import IDENTITY, read_statistics
from vocoders.frontends.mel import MEL_PRESETS, MelConfig
from vocoders.wavehax.config import VARIANTS, WavehaxConfig
from vocoders.wavehax.model import Wavehax

__all__ = ["KEY_MAP", "config_from_official", "convert", "convert_options"]

KEY_MAP = KeyMap(drop=[r"stft\..*", r"decomposer\.(updown_filter|lpf|hpf)"])

_REFERENCE = Reference("wavehax", "Wavehax", VARIANTS, lambda config: Wavehax(config).network, KEY_MAP)

_NETWORKS = {
    "WavehaxGenerator": "real",
    "ComplexWavehaxGenerator": "complex",
    "MultiScaleWavehaxGenerator": "multi_scale",
}
_DECOMPOSERS = {"MultiStream1d": "multi_stream", "PQMF": "pqmf", "DWT1d": "haar"}
_RENAMED = {
    "use_logmag_phase": "log_magnitude_phase",
    "init_weights": "semi_unitary_init",
    "num_splits": "num_streams",
}
_SAME = ("channels", "mult_channels", "num_blocks", "n_fft", "drop_prob")


def config_from_official(class_name: str, options: Mapping[str, Any]) -> WavehaxConfig:
    """Translate the class and the hyper-parameters of a reference generator.

    Sample rate, hop length and number of bands of the mel come from the hyper-parameters; all other numbers are those
    of our closest preset.

    Raises:
        ConfigError: for an unknown class or hyper-parameter.
    """
    if class_name not in _NETWORKS:
        raise ConfigError(f"generator class '{class_name}'; expected one of {', '.join(_NETWORKS)}")
    network = _NETWORKS[class_name]
    options = {key: value for key, value in options.items() if not key.startswith("_")}
    kernel = options.pop("kernel_size", 7)
    framewise = options.pop("framewise_norm", network == "multi_scale")
    layer_norm = options.pop("use_layer_norm", True)
    data: dict[str, Any] = {
        "network": network,
        "mel": _mel(options).to_dict(),
        "prior": {"name": options.pop("prior_type", "pcph")},
        "kernel_size": [kernel, kernel] if isinstance(kernel, int) else list(kernel),
        "norm": ("frame" if framewise else "utterance") if layer_norm else "batch",
        "outer_norm": "frame" if framewise else "utterance",
    }
    if "decomposer" in options:
        data["decomposer"] = _DECOMPOSERS[options.pop("decomposer")]
    for key, value in options.items():
        if key not in _SAME and key not in _RENAMED:
            raise ConfigError(f"generator option '{key}' is not known")
        data[_RENAMED.get(key, key)] = value
    return WavehaxConfig.from_dict(data, source=class_name)


def _mel(options: dict[str, Any]) -> MelConfig:
    sample_rate = options.pop("sample_rate", 24000)
    hop_length = options.pop("hop_length", 240)
    base = MEL_PRESETS["wavehax_48k" if sample_rate >= 44100 else "wavehax_24k"].to_dict()
    base |= {"sample_rate": sample_rate, "hop_length": hop_length, "n_mels": options.pop("in_channels", 100)}
    base["fmax"] = min(base["fmax"], sample_rate / 2)
    return MelConfig.from_dict(base)


def convert(
    path: str | Path,
    variant: str | None = None,
    config: str | Path | None = None,
    stats: str | Path | None = None,
) -> Wavehax:
    """Build a :class:`Wavehax` from a reference checkpoint.

    Args:
        path: ``checkpoint-*steps.pkl`` with ``model.generator``, or another file with the generator's state dict.
        variant: one of our variant names (``v1``, ``v2``, ``fb``, ``complex_v1``, ``complex_v2``, ``multi_scale``).
        config: instead of ``variant``: our YAML, or the reference's generator YAML (with ``_target_``).
        stats: mean and deviation of the training set's mel: the reference's statistics (a joblib file of scalers),
            ``mean`` and ``std`` in another file, or ``"identity"`` (mean 0, deviation 1) if you normalise the features
            yourself.

    Raises:
        CheckpointError: if keys do not fit, or the statistics cannot be read.
        ConfigError: for an unknown variant or configuration, or without statistics.
    """
    state, _ = _REFERENCE.read(path)
    model = Wavehax(_find_config(variant, config, state))
    _REFERENCE.load(model.network, state, str(path), variant)
    if stats is None:
        raise ConfigError(
            f"{path} has no feature statistics, and without them its output is wrong; pass --stats with the "
            "reference's statistics file, or --no-stats if your features are normalised already"
        )
    if stats != IDENTITY:
        model.set_statistics(*_mel_statistics(Path(stats), model.config.in_channels))
    return model.eval()


def convert_options(state: Mapping[str, Tensor], checkpoint: Any, path: Path) -> str:
    """Return the options of `ondes convert` for a checkpoint."""
    return f"{_REFERENCE.size_option(state)} --stats STATS.joblib"


def _find_config(variant: str | None, config: str | Path | None, state: Mapping[str, Tensor]) -> WavehaxConfig:
    if config is not None:
        data = read_yaml(config)
        data = data.get("generator", data)
        target = data.get("_target_")
        if target is not None:
            return config_from_official(str(target).rsplit(".", 1)[-1], data)
        return _REFERENCE.own_config(config)
    if variant is None:
        raise ConfigError(f"no variant given; {_REFERENCE.advise(state)}")
    return _REFERENCE.variant(variant)


def _mel_statistics(path: Path, bins: int) -> tuple[Tensor, Tensor]:
    found = read_statistics(path, ("mean", "std"), feature="mel")
    mean, std = (torch.as_tensor(found[key], dtype=torch.float32).flatten() for key in ("mean", "std"))
    if mean.numel() != bins or std.numel() != bins:
        raise CheckpointError(f"{path}: statistics of {mean.numel()} and {std.numel()} bins; the model has {bins}")
    if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise CheckpointError(f"{path}: expected finite means and deviations above 0; measure the statistics again")
    return mean, std
