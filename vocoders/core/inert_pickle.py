"""Read numbers from pickles of scikit-learn and joblib without running code from them.

``pickle`` calls any function that a file names. Here each name that occurs in files of statistics maps to an inert
function or class of ours that only stores numbers; any other name is an error. joblib writes the numbers of an array
into the stream directly after its description (:class:`_Wrapper`), or compresses the whole file.
"""

import bz2
import io
import lzma
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from vocoders.core.limits import limit

__all__ = ["ForeignClassError", "Holder", "read_inert_pickle"]

_NUMBERS = "biuf"


class ForeignClassError(ValueError):
    """A pickle names a class or function beyond arrays, numbers, containers and scalers."""


class Holder:
    """An object of a class such as ``StandardScaler``: its attributes without its methods."""


class _Wrapper(Holder):
    """joblib's description of an array, which precedes its numbers."""


class _Array:
    """An array, filled by the state that follows it in the stream; one of objects becomes their list."""

    value: np.ndarray | list[Any]


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _holder(*_: Any) -> Holder:
    return Holder()


def _dtype(*arguments: Any) -> np.dtype:
    found = np.dtype(arguments[0])
    if found.kind not in _NUMBERS:
        raise ForeignClassError(f"arrays of {found}")
    return found


def _any_dtype(*arguments: Any) -> np.dtype:
    return np.dtype(arguments[0])


def _scalar(dtype: Any, data: bytes) -> Any:
    return _numbers(dtype, data, ())[()]


def _frombuffer(data: Any, dtype: Any, shape: tuple[int, ...], order: str) -> np.ndarray:
    return _numbers(dtype, bytes(data), shape, order)


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


def _as_bytes(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else data


def _numbers(dtype: Any, data: bytes, shape: Any, order: str = "C") -> np.ndarray:
    if not isinstance(dtype, np.dtype) or dtype.kind not in _NUMBERS:
        raise ForeignClassError("arrays that do not contain numbers")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C").copy()


_ALLOWED: dict[str, Any] = {
    "sklearn.preprocessing._data.StandardScaler": Holder,
    "sklearn.preprocessing.data.StandardScaler": Holder,
    "joblib.numpy_pickle.NumpyArrayWrapper": _Wrapper,
    "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper": _Wrapper,
    "collections.OrderedDict": OrderedDict,
    "_codecs.encode": _encode,
    "copy_reg._reconstructor": _holder,
    "copyreg._reconstructor": _holder,
    "__builtin__.object": Holder,
    "builtins.object": Holder,
    "numpy.ndarray": _Array,
    "numpy.dtype": _dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _frombuffer for core in ("core", "_core")},
}


# The Python implementation, because joblib's arrays are interleaved with the operations of the pickle.
class _Reader(pickle._Unpickler):
    # Of its base class, whose stubs leave it out.
    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: io.BytesIO, objects: bool) -> None:
        super().__init__(stream)
        self.stream_, self.objects = stream, objects

    def find_class(self, module: str, name: str) -> Any:
        """Return our stand-in for a name."""
        if self.objects and (module, name) == ("numpy", "dtype"):
            return _any_dtype
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise ForeignClassError(f"{module}.{name}") from None

    def load_build(self) -> None:
        """Set the state of an object: attributes of our own instances are set, and nothing is called."""
        state = self.stack.pop()
        found = self.stack[-1]
        if isinstance(found, np.dtype):
            # The state of a type of numbers is its byte order.
            self.stack[-1] = found.newbyteorder(state[1]) if state[1] in "<>" else found
        elif isinstance(found, _Array):
            shape, dtype, is_fortran, data = state[1:]
            listed = self.objects and isinstance(data, list)
            found.value = data if listed else _numbers(dtype, _as_bytes(data), shape, "F" if is_fortran else "C")
        elif isinstance(found, _Wrapper):
            self.stack[-1] = self._behind(state)
        elif isinstance(found, Holder) and isinstance(state, dict):
            found.__dict__.update(state)
        else:
            raise ForeignClassError(type(found).__name__)

    dispatch[pickle.BUILD[0]] = load_build

    def _behind(self, wrapper: dict[str, Any]) -> np.ndarray:
        dtype, shape = wrapper["dtype"], wrapper["shape"]
        if not isinstance(dtype, np.dtype):
            raise ForeignClassError("arrays that do not contain numbers")
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.stream_.read(self.stream_.read(1)[0])
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        return _numbers(dtype, self.stream_.read(size), shape, wrapper["order"])


def read_inert_pickle(data: bytes, objects: bool = False) -> Any:
    """Return the content of a pickle or a joblib file: containers, numbers, arrays, and :class:`Holder` objects.

    Args:
        data: the pickle.
        objects: read arrays of objects too, as lists; NumPy stores a dictionary in a ``.npy`` as such an array.

    Raises:
        ForeignClassError: for any other class or function, with its name.
        ValueError: if the data is damaged.
    """
    try:
        content = _Reader(io.BytesIO(_decompress(data)), objects).load()
        return _plain(content, {})
    except ForeignClassError:
        raise
    except Exception as error:  # a damaged pickle raises errors of any type
        raise ValueError(f"damaged or no pickle ({error or type(error).__name__})") from None


def _decompress(data: bytes) -> bytes:
    for magic, decompressor in (
        (b"\x78", zlib.decompressobj),
        (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
        (b"BZ", bz2.BZ2Decompressor),
        (b"\xfd7zXZ", lzma.LZMADecompressor),
        (b"\x5d\x00", lzma.LZMADecompressor),
    ):
        if data.startswith(magic):
            return decompressor().decompress(data, limit("pickle"))
    return data


def _plain(node: Any, known: dict[int, Any]) -> Any:
    """Replace the stand-ins of arrays; an object that occurs many times is replaced once."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, _Array):
        plain = [_plain(value, known) for value in node.value] if isinstance(node.value, list) else node.value
    elif isinstance(node, dict):
        plain = {key: _plain(value, known) for key, value in node.items()}
    else:
        if isinstance(node, Holder):
            node.__dict__.update({key: _plain(value, known) for key, value in node.__dict__.items()})
        plain = node
    known[id(node)] = plain
    return plain
