"""Write models as `.nam` content: plain captures in the form that all players read, others in the newest."""

from collections.abc import Callable
from typing import Any

import torch

from effects.captures.fields import shortest
from effects.captures.nam_activations import write_activation
from effects.captures.nam_wavenet import FILM_KEYS
from effects.models import EffectModel
from effects.models.convnet import ConvNet
from effects.models.linear import Linear
from effects.models.recurrent import Recurrent
from effects.models.wavenet import WaveNet
from effects.models.wavenet_config import ArrayConfig, WaveNetConfig
from effects.models.wavenet_network import WaveNetNetwork
from vocoders.core.errors import ConfigError

__all__ = ["check_nam_family", "numbers", "write_container", "write_nam"]

_PLAIN, _NEWEST = "0.5.4", "0.7.0"
# Silence after which the state of an LSTM is stored, in samples.
_WARM_UP = 48000


def write_nam(model: EffectModel, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a `.nam` file for a model without knobs.

    Raises:
        ConfigError: if such a file cannot hold the model.
    """
    check_nam_family(model)
    write = next(write for kind, write in _WRITERS.items() if isinstance(model, kind))
    return {**write(model), "sample_rate": model.sample_rate, "metadata": metadata}


def check_nam_family(model: EffectModel) -> None:
    """Raise a :class:`ConfigError` for a family that `.nam` files do not know."""
    if not isinstance(model, tuple(_WRITERS)):
        raise ConfigError(f"a .nam file cannot hold a {model.family}; train family wavenet, and export that")


def write_container(smaller: dict[str, Any], larger: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a `.nam` file with two sizes, from the contents of both."""
    submodels = [{"max_value": 0.5, "model": smaller}, {"max_value": 1.0, "model": larger}]
    content = {"version": _NEWEST, "architecture": "SlimmableContainer", "config": {"submodels": submodels}}
    return {**content, "weights": [], "sample_rate": larger["sample_rate"], "metadata": larger["metadata"]}


def numbers(*tensors: torch.Tensor) -> list[float]:
    """Return tensors as one flat list of the shortest decimals that give the same float32."""
    return shortest(torch.cat([tensor.detach().cpu().float().flatten() for tensor in tensors]).numpy())


def _write_wavenet(model: WaveNet) -> dict[str, Any]:
    return _write_network([model.network, *model.conditions], model.config)


def _write_network(networks: list[Any], config: WaveNetConfig) -> dict[str, Any]:
    """Return the content for a network and the condition networks after it."""
    is_plain = config.condition is None and config.post_head is None and all(map(_is_plain, config.arrays))
    widths = [1, *(array.channels for array in config.arrays)]
    write_array = _write_plain_array if is_plain else _write_array
    arrays = [
        {"input_size": width, "condition_size": config.condition_channels, **write_array(array)}
        for array, width in zip(config.arrays, widths, strict=False)
    ]
    scale = numbers(torch.tensor(config.head_scale))[0]
    fields: dict[str, Any] = {"layers": arrays, "head": None, "head_scale": scale}
    if config.post_head is not None:
        post = config.post_head
        fields["head"] = {
            "channels": post.channels,
            "out_channels": config.num_outputs,
            "kernel_sizes": list(post.kernel_sizes),
            "activation": write_activation(post.activation),
        }
    if config.condition is not None:
        inner = _write_network(networks[1:], config.condition)
        fields["condition_dsp"] = {**inner, "sample_rate": config.sample_rate}
    network: WaveNetNetwork = networks[0]
    weights = [*numbers(*network.parameters()), scale]
    version = _PLAIN if is_plain else _NEWEST
    return {"version": version, "architecture": "WaveNet", "config": fields, "weights": weights}


def _is_plain(array: ArrayConfig) -> bool:
    """Return whether the first players of `.nam` files can read an array."""
    first = array.layers[0]
    same = all(shape._replace(dilation=first.dilation) == first for shape in array.layers)
    gated = first.gating == "none" or (first.gating == "gated" and first.gate.name == "sigmoid")
    groups = max(array.groups, array.mixin_groups, array.residual_groups) == 1
    whole = array.residual and array.width == array.channels and array.skip_channels is None and not array.films
    head = array.head_kernel_size == 1
    return same and gated and groups and whole and head and first.activation.name in ("tanh", "relu")


def _write_plain_array(array: ArrayConfig) -> dict[str, Any]:
    first = array.layers[0]
    return {
        "head_size": array.head_channels,
        "channels": array.channels,
        "kernel_size": first.kernel_size,
        "dilations": list(array.dilations),
        "activation": write_activation(first.activation)["type"],
        "gated": first.gating == "gated",
        "head_bias": array.head_bias,
    }


def _write_array(array: ArrayConfig) -> dict[str, Any]:
    """Return an array with all fields of the second generation, as players demand."""
    layers, films = array.layers, {film.place: film for film in array.films}
    head: dict[str, Any] = {
        "out_channels": array.head_channels,
        "kernel_size": array.head_kernel_size,
        "bias": array.head_bias,
    }
    if array.head_dilation > 1:
        head["head_dilation"] = array.head_dilation
    found = {key: films.get(place) for place, key in FILM_KEYS.items()}
    return {
        "head": head,
        "channels": array.channels,
        "kernel_sizes": [shape.kernel_size for shape in layers],
        "dilations": list(array.dilations),
        "activation": [write_activation(shape.activation) for shape in layers],
        "bottleneck": array.width,
        "head1x1": {
            "active": array.skip_channels is not None,
            "out_channels": array.skip_channels or 1,
            "groups": array.skip_groups,
        },
        "layer1x1": {"active": array.residual, "groups": array.residual_groups},
        "groups_input": array.groups,
        "groups_input_mixin": array.mixin_groups,
        **{
            key: {
                "active": film is not None,
                "shift": film.shift if film else True,
                "groups": film.groups if film else 1,
            }
            for key, film in found.items()
        },
        "gating_mode": [shape.gating for shape in layers],
        "secondary_activation": [None if shape.gating == "none" else write_activation(shape.gate) for shape in layers],
        "slimmable": None,
    }


@torch.no_grad()
def _write_lstm(model: Recurrent) -> dict[str, Any]:
    config = model.config
    if config.cell != "lstm" or config.head != "linear" or config.residual or config.audio_channels != 1:
        raise ConfigError(
            "a .nam file holds recurrent models with cell lstm, head linear, no residual and 1 channel; train such a "
            "one, or family wavenet"
        )
    _, start = model.stream(torch.zeros(1, 1, _WARM_UP), torch.zeros(1, 0), model.initial_state(1, 1))
    weights = []
    for layer in range(config.num_layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        kernel, recurrent, bias, second = (getattr(model.cells, f"{name}_l{layer}") for name in names)
        states = (start["hidden"][0, layer], start["cell"][0, layer])
        weights += [torch.cat([kernel, recurrent], dim=1), bias + second, *states]
    weights += [model.projection.weight, model.projection.bias]
    shape = {"input_size": 1, "hidden_size": config.hidden_size, "num_layers": config.num_layers}
    return {"version": _PLAIN, "architecture": "LSTM", "config": shape, "weights": numbers(*weights)}


def _write_convnet(model: ConvNet) -> dict[str, Any]:
    config, weights = model.config, []
    for index, convolution in enumerate(model.convolutions):
        weights.append(convolution.weight)
        if not config.batch_norm:
            assert convolution.bias is not None
            weights.append(convolution.bias)
            continue
        norm = model.norms[index]
        statistics = [norm.get_buffer("running_mean"), norm.get_buffer("running_var")]
        weights += [*statistics, norm.weight, norm.bias, torch.tensor(norm.eps)]
    activation = write_activation(config.activation)
    shape = {
        "channels": config.channels,
        "dilations": list(config.dilations),
        "batchnorm": config.batch_norm,
        "activation": activation["type"] if config.activation.name != "leaky_relu" else activation,
    }
    listed = numbers(*weights, *model.head.parameters())
    return {"version": _PLAIN, "architecture": "ConvNet", "config": shape, "weights": listed}


def _write_linear(model: Linear) -> dict[str, Any]:
    shape = {"receptive_field": model.config.taps, "bias": model.config.bias}
    return {"version": _PLAIN, "architecture": "Linear", "config": shape, "weights": numbers(*model.parameters())}


_WRITERS: dict[type[EffectModel], Callable[[Any], dict[str, Any]]] = {
    WaveNet: _write_wavenet,
    Recurrent: _write_lstm,
    ConvNet: _write_convnet,
    Linear: _write_linear,
}
