"""Devices by name."""

import torch

from vocoders.core.errors import ConfigError

__all__ = ["resolve_device"]


def resolve_device(name: str | torch.device) -> torch.device:
    """Return the device called ``name`` (cpu, cuda, cuda:1, mps, ...); ``auto`` is CUDA if available, else the CPU.

    Raises:
        ConfigError: if the name is unknown or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}'; expected auto, cpu, cuda, cuda:0 ...") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"no device '{name}': {torch.cuda.device_count()} CUDA devices here; use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("no device 'mps' on this machine; use --device cpu")
    return device
