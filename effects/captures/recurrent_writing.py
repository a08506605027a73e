"""Write recurrent models as GuitarML and AIDA-X content."""

import logging
from typing import Any

import torch
from torch import Tensor

from effects.captures.nam_writing import numbers
from effects.captures.recurrent_json import AIDAX_RATE, KNOBS_KEY
from effects.knobs import KnobSet
from effects.models import EffectModel
from effects.models.recurrent import Recurrent
from effects.runtimes.rtneural import GATES
from vocoders.core.errors import ConfigError

__all__ = ["write_aidax", "write_guitarml"]

_logger = logging.getLogger(__name__)

_AIDAX_SIZES = (8, 12, 16, 20, 24, 32, 40, 64, 80)
_AIDAX_KNOBS = 2
# Units of the plug-ins of GuitarML, with the numbers of knobs and the sample rates for which each is made.
_GUITARML = {40: ("Proteus", (0, 1), 44100), 20: ("NeuralPi", (0, 1, 2), 44100), 32: ("TS-M1N3", (2,), 48000)}
_TEST_SAMPLES = 2048


@torch.no_grad()
def write_aidax(model: EffectModel, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the content of an AIDA-X file.

    Raises:
        ConfigError: if such a file cannot hold the model.
    """
    model = _check(model, "AIDA-X")
    config, sizes = model.config, ", ".join(map(str, _AIDAX_SIZES))
    if config.hidden_size not in _AIDAX_SIZES or len(model.knobs) > _AIDAX_KNOBS:
        raise ConfigError(
            f"AIDA-X plays {sizes} units with at most {_AIDAX_KNOBS} knobs, this model has {config.hidden_size} with "
            f"{len(model.knobs)}; train one of these sizes, or fix knobs with --freeze"
        )
    if model.sample_rate != AIDAX_RATE:
        _logger.warning("AIDA-X does not resample; this model sounds right at %d Hz alone", model.sample_rate)
    kernel, recurrent, bias, second = (_gates(tensor, config.cell) for tensor in _cells(model))
    biases = bias + second if config.cell == "lstm" else torch.stack([bias, second])
    # A gain on the dry path becomes a gain after the sum.
    gain = config.residual_gain if config.residual and config.residual_gain > 0 else 1.0
    if config.residual and config.residual_gain < 0:
        raise ConfigError("AIDA-X cannot subtract the dry audio, as this model does")
    dense = [_nested(model.projection.weight.T / gain), _nested(model.projection.bias / gain)]
    layers = [
        _layer(config.cell, config.hidden_size, [_nested(part) for part in (kernel.T, recurrent.T, biases)]),
        _layer("dense", 1, dense),
    ]
    content: dict[str, Any] = {"in_shape": [None, None, 1 + len(model.knobs)], "layers": layers}
    if config.residual:
        content["in_skip"] = 1
    if gain != 1:
        content["out_gain"] = 20 * float(torch.tensor(gain, dtype=torch.float64).log10())
    told = {**metadata, "samplerate": model.sample_rate} | _described(model.knobs)
    if not len(model.knobs):
        content |= _test_vector(model, gain)
    return content | {"metadata": told}


@torch.no_grad()
def write_guitarml(model: EffectModel, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a GuitarML file, for Proteus, NeuralPi or TS-M1N3.

    Raises:
        ConfigError: if such a file cannot hold the model.
    """
    model = _check(model, "GuitarML")
    config, count = model.config, len(model.knobs)
    if config.cell != "lstm" or not config.residual or config.residual_gain != 1:
        raise ConfigError("GuitarML plays cell lstm with residual; train such a model")
    name, knobs, rate = _GUITARML.get(config.hidden_size, ("", (), 0))
    if count not in knobs:
        fitting = "; ".join(
            f"{units} units: {name}, {_join(knobs)} knobs" for units, (name, knobs, _) in _GUITARML.items()
        )
        raise ConfigError(f"{config.hidden_size} units with {count} knobs fit no plug-in of GuitarML ({fitting})")
    if model.sample_rate != rate:
        _logger.warning("%s plays at %d Hz, this model was trained at %d Hz", name, rate, model.sample_rate)
    names = ("rec.weight_ih_l0", "rec.weight_hh_l0", "rec.bias_ih_l0", "rec.bias_hh_l0")
    state = dict(zip(names, map(_nested, _cells(model)), strict=True))
    state |= {"lin.weight": _nested(model.projection.weight), "lin.bias": _nested(model.projection.bias)}
    data = {
        "model": "SimpleRNN",
        "input_size": 1 + count,
        "skip": 1,
        "output_size": 1,
        "unit_type": "LSTM",
        "num_layers": 1,
        "hidden_size": config.hidden_size,
        "bias_fl": True,
        "sample_rate": model.sample_rate,
    }
    return {"model_data": data | _described(model.knobs), "state_dict": state, "metadata": metadata}


def _check(model: EffectModel, player: str) -> Recurrent:
    if not isinstance(model, Recurrent):
        raise ConfigError(f"{player} cannot play a {model.family}; train family recurrent, and export that")
    config = model.config
    if config.num_layers != 1 or config.head != "linear" or config.audio_channels != 1:
        raise ConfigError(f"{player} plays recurrent models of 1 layer, head linear and 1 channel; train such a one")
    if len(model.knobs) and config.conditioning != "concat":
        raise ConfigError(f"{player} takes knobs as inputs (conditioning concat); train so, or fix them with --freeze")
    return model


def _cells(model: Recurrent) -> list[Tensor]:
    """Return the weights of the layer for knobs from 0 to 1."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    kernel, recurrent, bias, second = (getattr(model.cells, f"{name}_l0").double() for name in names)
    low, high = model.knobs.norm
    knobs = kernel[:, 1:]
    return [torch.cat([kernel[:, :1], (high - low) * knobs], dim=1), recurrent, bias + low * knobs.sum(dim=1), second]


def _gates(tensor: Tensor, cell: str) -> Tensor:
    parts = tensor.chunk(len(GATES[cell]))
    return torch.cat([parts[gate] for gate in GATES[cell]])


def _layer(kind: str, size: int, weights: list[Any]) -> dict[str, Any]:
    return {"type": kind, "activation": "", "shape": [None, None, size], "weights": weights}


def _nested(tensor: Tensor) -> Any:
    """Return a vector or matrix as nested lists of short decimals."""
    flat = numbers(tensor)
    if tensor.ndim == 1:
        return flat
    width = tensor.shape[1]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def _described(knobs: KnobSet) -> dict[str, Any]:
    return {KNOBS_KEY: knobs.to_dict()} if len(knobs) else {}


def _test_vector(model: Recurrent, gain: float) -> dict[str, Any]:
    """Return an input of the net, and its output without the gain, from the state of zeros."""
    generator = torch.Generator().manual_seed(0)
    audio = 0.5 * torch.randn(1, 1, _TEST_SAMPLES, generator=generator).clamp(-2, 2)
    zeros = {name: torch.zeros_like(state) for name, state in model.initial_state(1, 1).items()}
    output, _ = model(audio, torch.zeros(1, 0), zeros)
    return {"input_batch": numbers(audio), "output_batch": numbers(output / gain)}


def _join(counts: tuple[int, ...]) -> str:
    return " or ".join(map(str, counts))
