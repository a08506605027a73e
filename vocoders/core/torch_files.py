"""Files of torch.save and safetensors from anywhere: restricted to tensors and plain containers, and bounded."""

import errno
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from vocoders.core.limits import limit, limit_error
from vocoders.core.numpy_files import check_unpacked
from vocoders.core.regular_files import RefusedFileError, check_regular, open_regular

__all__ = ["check_safetensors", "is_safetensors", "load_safetensors", "load_tensors", "tensor_shapes"]


def load_tensors(path: str | Path, also: Sequence[Any] = ()) -> Any:
    """Return the content of a file of torch.save: tensors on the CPU in plain containers.

    Args:
        path: the file.
        also: further classes and functions that the file may name, none of which runs code.

    Raises:
        Exception: of any type for a damaged file, as torch raises them.
        RefusedFileError: if it is no regular file, or unpacks to more than the limits allow.
        ValueError: if a tensor has more values than are stored for it.
    """
    size = check_regular(path)
    if zipfile.is_zipfile(path):
        check_unpacked(path, size)
    with torch.serialization.safe_globals(list(also)), warnings.catch_warnings():
        # Warnings about files that are refused below.
        warnings.simplefilter("ignore")
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    for tensor in _tensors(loaded):
        # A stride of 0 makes any size of one number; a copy of such a tensor would fill the memory.
        stored = tensor.layout is torch.strided and tensor.device.type == "cpu"
        if not stored or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor {tuple(tensor.shape)} has more values than the file stores for it")
    return loaded


def load_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU; errors as :func:`check_safetensors`."""
    check_safetensors(path)
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # no mapping: it has no iterator of its own


def tensor_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in a safetensors file from its header; errors as :func:`check_safetensors`."""
    check_safetensors(path)
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


def check_safetensors(path: str | Path) -> None:
    """Refuse a file whose header is too long to be one of tensors; the library compares all else with the file.

    Raises:
        RefusedFileError: if it is no regular file, or its header is longer than the limit ``header``.
        OSError: if it cannot be read.
        SafetensorError: from the library, for damage.
    """
    with open_regular(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
    if limit("header") < length <= check_regular(path):
        raise RefusedFileError(errno.EFBIG, f"its header has {limit_error('header', length)}")


def is_safetensors(path: str | Path) -> bool:
    """Recognise a safetensors file by its beginning: the length of a JSON header, and the header."""
    with open_regular(path) as stream:
        length = int.from_bytes(stream.read(8), "little")
        return 2 <= length <= check_regular(path) - 8 and stream.read(1) == b"{"


def _tensors(content: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested containers, each container once, though it may contain itself."""
    waiting, seen = [content], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Tensor):
            yield node
        elif isinstance(node, (Mapping, list, tuple, set)) and id(node) not in seen:
            seen.add(id(node))
            waiting += node.values() if isinstance(node, Mapping) else node
