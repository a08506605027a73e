"""Build a network from a configuration of unknown origin, without more memory than its stored weights justify."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.limits import limit, limit_error

__all__ = ["bounded_building", "check_numbers"]

# What a network may have besides its stored tensors: buffers that are computed, and parameters before their
# reparametrisation. A factor and a remainder, of tensors and of numbers.
_FACTOR, _MORE_TENSORS, _MORE_NUMBERS = 3, 200, 16 << 20


@contextmanager
def bounded_building(tensors: int, numbers: int, source: str) -> Iterator[None]:
    """Refuse a network in the block that is far larger than its stored tensors.

    Tensors count when a module registers them. PyTorch's layers do so before they fill them, and memory that has been
    asked for but not filled costs nothing.

    Args:
        tensors: how many are stored.
        numbers: how many they have together.
        source: file of the tensors, for the message.

    Raises:
        CheckpointError: for the first tensor beyond the bounds.
    """
    most_tensors, most_numbers = _FACTOR * tensors + _MORE_TENSORS, _FACTOR * numbers + _MORE_NUMBERS
    builder, found = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        # Other threads build their own, and shapes alone take no memory.
        if tensor is None or tensor.is_meta or threading.get_ident() != builder:
            return
        found[0] += 1
        found[1] += tensor.numel()
        if found[0] > most_tensors or found[1] > most_numbers:
            stored = f"at most {tensors} tensors with {numbers} numbers"
            raise CheckpointError(f"{source} has {stored}; its configuration describes a far larger network")

    hooks = register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError) as error:
        # The message of an allocation that is impossible.
        raise CheckpointError(f"{source}: its configuration cannot be built: {str(error).splitlines()[0]}") from None
    finally:
        for hook in hooks:
            hook.remove()


def check_numbers(config: Any, source: str, path: str = "") -> None:
    """Refuse whole numbers in a stored configuration that no network has.

    Raises:
        ConfigError: for a number above the limit ``model``.
    """
    if isinstance(config, Mapping):
        for key, value in config.items():
            check_numbers(value, source, f"{path}.{key}" if path else str(key))
    elif isinstance(config, (list, tuple)):
        if len(config) > limit("nodes"):
            raise ConfigError(f"{source}: key '{path}' has {len(config)} entries; expected far fewer")
        for value in config:
            check_numbers(value, source, path)
    elif isinstance(config, int) and abs(config) > limit("model"):
        raise ConfigError(f"{source}: key '{path}' is {limit_error('model', abs(config))}")
