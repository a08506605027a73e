"""Read JSON from anywhere: of bounded size and depth."""

import json
from pathlib import Path
from typing import Any

from vocoders.core.limits import limit, limit_error
from vocoders.core.regular_files import read_regular

__all__ = ["parse_json", "read_json"]


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: if it cannot be read, is no regular file, or is larger than the limit ``json``.
        ValueError: if it is no JSON, or nested deeper than the limit ``depth``.
    """
    return parse_json(read_regular(path, "json"))


def parse_json(data: bytes) -> Any:
    """Return the content of JSON text.

    Raises:
        ValueError: if it is no JSON, or nested deeper than the limit ``depth``.
    """
    _check_depth(data)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deep") from None


def _check_depth(data: bytes) -> None:
    # Imported here, since listing models reads short files alone.
    import numpy as np

    marks = np.frombuffer(data, np.uint8)
    steps = np.isin(marks, (ord("["), ord("{"))).astype(np.int8) - np.isin(marks, (ord("]"), ord("}")))
    # Brackets in texts count too; no text has this many that stay open.
    depth = int(np.cumsum(steps, dtype=np.int32).max()) if len(steps) else 0
    if depth > limit("depth"):
        raise ValueError(f"nested {limit_error('depth', depth)}")
