"""Wavehax whose image is computed by compiled code."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.wavehax.compiled.image import CompiledImage
from vocoders.wavehax.networks import ImageNetwork

if TYPE_CHECKING:
    from vocoders.wavehax.model import Wavehax

__all__ = ["open_compiled"]


def open_compiled(model: "Wavehax", module: nn.Module, threads: int) -> Callable[..., Tensor]:
    """Return code that computes ``forward`` of a model on the CPU.

    Args:
        model: the model.
        module: the part of it to compute: the model itself.
        threads: number of threads.

    Raises:
        ConfigError: for complex networks.
    """
    del module
    if not isinstance(model.network, ImageNetwork):
        raise ConfigError("complex Wavehax has no compiled code; expected runtime onnx, openvino or torch")
    network: Any = _sharing(model.network)
    network.refine = CompiledImage(model.network, threads)
    computing = _sharing(model)
    computing._modules["network"] = network
    return computing


def _sharing(module: Any) -> Any:
    """Return another module with the same parts, of which some may be replaced."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other
