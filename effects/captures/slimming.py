"""Smaller sizes of a slimmable WaveNet: the first channels of every convolution."""

import torch
from torch import Tensor

from effects.models.wavenet_config import WaveNetConfig
from effects.models.wavenet_network import WaveNetNetwork

__all__ = ["cannot_slim", "slim_network"]


def cannot_slim(config: WaveNetConfig) -> str | None:
    """Return what keeps a WaveNet from having smaller sizes, as players see it."""
    if config.post_head is not None:
        return "a head after the arrays"
    for array in config.arrays:
        if max(array.groups, array.mixin_groups, array.residual_groups, array.skip_groups) > 1:
            return "groups"
        if any(film.groups > 1 for film in array.films):
            return "groups of films"
        if array.head_kernel_size > 1:
            return "a head of several taps"
    return None


def slim_network(
    config: WaveNetConfig, state: dict[str, Tensor], channels: list[int]
) -> tuple[WaveNetConfig, dict[str, Tensor]]:
    """Return configuration and weights of the network with the first ``channels`` of each array."""
    arrays = []
    for index, (array, size) in enumerate(zip(config.arrays, channels, strict=True)):
        width = size if not array.residual else max(1, array.width * size // array.channels)
        last = index + 1 == len(channels)
        head = array.head_channels if last else channels[index + 1]
        arrays.append(array.model_copy(update={"channels": size, "bottleneck": width, "head_channels": head}))
    # Rebuilt from plain values, since a copy is not checked.
    smaller = WaveNetConfig.from_dict(config.model_copy(update={"arrays": tuple(arrays)}).to_dict())
    with torch.device("meta"):
        shapes = {name: parameter.shape for name, parameter in WaveNetNetwork(smaller).named_parameters()}
    return smaller, {name: _first(state[name], shape) for name, shape in shapes.items()}


def _first(tensor: Tensor, shape: torch.Size) -> Tensor:
    return tensor[tuple(slice(0, size) for size in shape)].clone()
