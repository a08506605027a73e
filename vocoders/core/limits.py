"""Limits on what a file may demand of the machine: all of them, in one place.

A file from anywhere may claim anything: a gigabyte of numbers in a hundred bytes, a million levels, a thousand million
channels. Readers compare such claims with these limits before they allocate or compute anything. Whoever trusts a file
raises a limit for one command, ``ondes --limit table=64M ...``, or for all of them,
``export ONDES_LIMIT_TABLE=64M``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from vocoders.core.errors import ConfigError

__all__ = ["LIMITS", "Limit", "describe_limits", "limit", "limit_error", "set_limit", "show_size"]

_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
_PREFIX = "ONDES_LIMIT_"


@dataclass(frozen=True)
class Limit:
    """A limit.

    Attributes:
        default: largest allowed value.
        meaning: what is limited.
        is_bytes: whether it counts bytes.
    """

    default: int
    meaning: str
    is_bytes: bool = True


LIMITS: Mapping[str, Limit] = {
    "config": Limit(128 << 10, "a YAML file"),
    "json": Limit(8 << 20, "a JSON file: the configuration of a model, a capture, a result"),
    "table": Limit(4 << 20, "a table (CSV)"),
    "text": Limit(64 << 20, "any other text: wav.scp and other lists"),
    "header": Limit(8 << 20, "the header of a safetensors file"),
    "unpacked": Limit(256 << 20, "the content of a compressed file, where it is larger than the file"),
    "pickle": Limit(64 << 20, "a compressed pickle of statistics after it is unpacked"),
    "numbers": Limit(2 << 30, "the features or statistics in one file, or one entry of an archive"),
    "samples": Limit(8 << 30, "audio that is read as a whole, as 32-bit floats"),
    "member": Limit(256 << 20, "a file in a shard, or the audio in a row of a data set"),
    "depth": Limit(64, "levels of a nested file", is_bytes=False),
    "nodes": Limit(100_000, "values in a YAML file after its aliases are replaced", is_bytes=False),
    "channels": Limit(256, "channels of an audio file", is_bytes=False),
    "rate": Limit(3_072_000, "sample rate of an audio file in Hz", is_bytes=False),
    "search": Limit(5_000_000, "files and folders below a folder that is searched", is_bytes=False),
    "model": Limit(1 << 20, "a number in the configuration of a stored model", is_bytes=False),
}
"""The limits by name."""


def limit(name: str) -> int:
    """Return a limit: the one in the environment, else the default.

    Raises:
        ConfigError: if the value in the environment is no number.
    """
    text = os.environ.get(_variable(name))
    return LIMITS[name].default if text is None else _parse(text, _variable(name))


def set_limit(setting: str) -> None:
    """Set a limit of this process and those that it starts, from ``NAME=VALUE`` such as ``table=64M``.

    Raises:
        ConfigError: for an unknown name or a value that is no number.
    """
    name, _, value = setting.partition("=")
    if name not in LIMITS:
        raise ConfigError(f"limit '{setting}'; expected NAME=VALUE with a name of {', '.join(LIMITS)}")
    _parse(value, f"limit '{name}'")
    os.environ[_variable(name)] = value


def limit_error(name: str, found: int) -> str:
    """Return what a message says of a value above its limit, with the way to raise it."""
    most = limit(name)
    shown = f"{show_size(found)}, more than {show_size(most)}" if LIMITS[name].is_bytes else f"{found}, above {most}"
    return f"{shown}; where you trust the file, raise the limit: {_variable(name)}={_rounded(found)}"


def describe_limits() -> list[tuple[str, str, str]]:
    """Return the name, the present value and the meaning of each limit."""
    rows = ((name, limit(name), item) for name, item in LIMITS.items())
    return [(name, show_size(most) if item.is_bytes else str(most), item.meaning) for name, most, item in rows]


def show_size(size: int) -> str:
    """Return a number of bytes as text, such as ``4 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 10 << 10:
            return f"{size} {unit}"
        size = -(-size >> 10)
    return f"{size} PiB"


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _parse(text: str, source: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{source}: '{text}'; expected a number such as 4096, 64M or 2G")
    return int(found[1]) * _FACTORS[found[2].upper()]


def _rounded(found: int) -> str:
    """Return a value that allows ``found``, as short as can be."""
    for unit, factor in reversed(_FACTORS.items()):
        if found >= 10 * factor:
            return f"{-(-found // factor)}{unit}"
    return str(found)
