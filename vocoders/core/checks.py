"""Checks of the arguments of public functions: audio, features and F0, as tensors or NumPy arrays.

Each function returns a checked float tensor, or raises an error with the value found, the value expected and the
remedy. Networks do not check their inputs: their ``forward`` takes the results of these functions.

A layout names the axes of a tensor, one letter each: B items, C channels, T samples, M bands, F frames, and 1 for an
axis of length 1.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vocoders.core.errors import DataError, ShapeError

__all__ = ["check_audio", "check_f0", "check_features", "check_finite", "check_mono"]

_AXES = {"B": "item", "C": "channel", "T": "sample", "M": "band", "F": "frame"}
_F0_LAYOUTS = ("F", "BF", "B1F")
# The channels of 22.2 surround sound: an axis that is longer is taken for time.
_MOST_CHANNELS = 24
_SCALES = {
    torch.uint8: "subtract 128 and divide by 128",
    torch.int8: "divide by 128",
    torch.int16: "divide by 32768",
    torch.int32: "divide by 2147483648",
    torch.int64: "divide by the full scale of the integers, 32768 for 16 bits",
}


def check_audio(
    audio: Any,
    *layouts: str,
    least: int = 1,
    dtype: torch.dtype | None = torch.float32,
    what: str = "audio",
    start: int = 0,
    sample_rate: int | None = None,
) -> Tensor:
    """Return audio as a checked tensor.

    Args:
        audio: tensor or array of floats with full scale 1.
        layouts: allowed layouts, such as ``"CT", "BCT"``; none: time is last, other axes are free.
        least: least number of samples.
        dtype: type of the result; ``None``: that of ``audio``.
        what: name of the argument in messages.
        start: number of the first sample in messages.
        sample_rate: in Hz; if given, messages give times.

    Returns:
        A tensor of the same shape: ``audio`` itself if it is a tensor of the right type, otherwise a copy.

    Raises:
        ShapeError: for anything but real floating-point numbers, another shape, time on another axis than the last, or
            no samples where at least one is needed.
        DataError: for too few samples, and for NaN or infinite samples.
    """
    audio = _as_tensor(audio, what)
    if not audio.is_floating_point():
        raise ShapeError(_describe_type(audio.dtype, what, _SCALES.get(audio.dtype)))
    shape = audio.shape
    layout = _find_layout(shape, layouts, what) if layouts else None
    if not shape or (least and 0 in shape):
        raise ShapeError(f"{what} {tuple(shape)} is empty; expected at least {max(least, 1)} samples")
    if shape[-1] < least:
        raise DataError(f"{what} of {shape[-1]} samples; at least {least} are needed")
    if dtype is not None:
        audio = audio.to(dtype)
    check_finite(audio, layout, what, "", start, sample_rate)
    return audio


def check_mono(audio: Any, least: int = 1) -> Tensor:
    """Return audio (T,), (B, T) or (B, 1, T) as float32 (B, 1, T), without gradients; errors as :func:`check_audio`."""
    audio = check_audio(audio, "T", "BT", "B1T", least=least)
    return audio.detach().reshape(-1, 1, audio.shape[-1])


def check_features(features: Any, num_bands: int, least: int = 1) -> Tensor:
    """Return features (num_bands, F) or (B, num_bands, F) as float32 (B, num_bands, F), without gradients.

    Args:
        features: tensor or array of floats.
        num_bands: number of bands of the model.
        least: least number of frames.

    Raises:
        ShapeError: for anything but floating-point numbers, another shape, transposed features, or too few frames.
        DataError: for NaN or infinite values.
    """
    features = _as_tensor(features, "features")
    if not features.is_floating_point():
        raise ShapeError(_describe_type(features.dtype, "features"))
    shape, expected = tuple(features.shape), f"expected ({num_bands}, F) or (B, {num_bands}, F)"
    if features.ndim not in (2, 3) or 0 in shape:
        raise ShapeError(f"features {shape}; {expected}, none of them 0")
    if shape[-2] != num_bands:
        transposed = shape[-1] == num_bands
        found = f"{shape} are transposed, frames before bands" if transposed else f"{shape} have {shape[-2]} bands"
        raise ShapeError(f"features {found}; {expected}")
    if shape[-1] < least:
        raise ShapeError(f"features of {shape[-1]} frames; at least {least} are needed")
    features = features.detach().to(torch.float32)
    check_finite(features, "BMF"[-features.ndim :], "features")
    return features if features.ndim == 3 else features[None]


def check_f0(f0: Any, features: Tensor) -> Tensor:
    """Return F0 (F,), (B, F) or (B, 1, F) as float32 (B, 1, F), without gradients.

    Args:
        f0: tensor or array in Hz, 0 where unvoiced; whole numbers are taken too.
        features: the features (B, bands, F) of the same audio.

    Raises:
        ShapeError: for anything but numbers, another shape, or another number of items or frames than ``features``.
        DataError: for NaN, infinite or negative values.
    """
    f0 = _as_tensor(f0, "f0")
    if f0.is_complex() or f0.dtype == torch.bool:
        raise ShapeError(_describe_type(f0.dtype, "f0"))
    shape, frames = tuple(f0.shape), features.shape[-1]
    if len(shape) > 1 and shape[-1] == 1 and shape[-2] == frames > 1:
        raise ShapeError(f"f0 {shape} is transposed; expected {_expected(_F0_LAYOUTS)}")
    layout = _find_layout(f0.shape, _F0_LAYOUTS, "f0")
    items = shape[0] if len(shape) > 1 else 1
    if (items, f0.shape[-1]) != (len(features), frames):
        raise ShapeError(f"features {tuple(features.shape)} and f0 {shape} differ in items or frames")
    f0 = f0.detach().to(torch.float32)
    check_finite(f0, layout, "f0", "; unvoiced frames are 0")
    negative = f0 < 0
    if negative.any():
        found = f"f0: {int(negative.sum())} values are negative (the first at {_place(layout, negative)})"
        raise DataError(f"{found}; expected Hz, 0 where unvoiced")
    return f0.reshape(items, 1, frames)


def check_finite(
    values: Tensor,
    layout: str | None = None,
    what: str = "audio",
    hint: str = "",
    start: int = 0,
    sample_rate: int | None = None,
) -> None:
    """Raise a :class:`DataError` with the first position if values are NaN or infinite.

    Args:
        values: any floats.
        layout: names of the axes; ``None``: time is the last one.
        what: name of the values in the message.
        hint: end of the message.
        start: number of the first element of the last axis.
        sample_rate: in Hz; if given, the position is a time.
    """
    # A sum is cheaper than a test of every value, and finite if all values are finite, unless it overflows.
    if math.isfinite((values.detach() if values.requires_grad else values).sum()):
        return
    bad = ~torch.isfinite(values)
    if bad.any():
        layout = layout or "." * (values.ndim - 1) + "T"
        place = _place(layout, bad, start) if not sample_rate else f"{_first(bad, start) / sample_rate:.3f} s"
        units = "samples" if layout[-1] == "T" else "values"
        raise DataError(f"{what}: {int(bad.sum())} {units} are NaN or infinite (the first at {place}){hint}")


def _as_tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray):
        raise ShapeError(f"{what} of type {type(value).__name__}; expected a tensor or a NumPy array of floats")
    if value.dtype.kind not in "fiubc":
        raise ShapeError(f"{what} is an array of {value.dtype}; expected one of floats")
    # A contiguous copy in native byte order, whatever the array is a view of. torch has no floats beyond 64 bits.
    native = np.float64 if value.dtype.kind == "f" and value.dtype.itemsize > 8 else value.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(value, dtype=native, order="C"))


def _find_layout(shape: torch.Size, layouts: tuple[str, ...], what: str) -> str:
    """Return the layout that fits a shape; a stream calls this for each of its blocks."""
    if len(shape) > 1 and shape[-2] > _MOST_CHANNELS >= shape[-1] and layouts[0][-1] == "T":
        found = f"{shape[-2]} {'channels' if 'C' in ''.join(layouts) else 'items'} of {shape[-1]} samples"
        raise ShapeError(f"{what} {tuple(shape)} is transposed: {found}; expected time last, {_expected(layouts)}")
    for layout in layouts:
        if len(layout) == len(shape) and ("1" not in layout or shape[layout.index("1")] == 1):
            return layout
    raise ShapeError(f"{what} {tuple(shape)}; expected {_expected(layouts)}")


def _expected(layouts: tuple[str, ...]) -> str:
    texts = [f"({axes},)" if len(axes) == 1 else f"({', '.join(axes)})" for axes in layouts]
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _first(marked: Tensor, start: int = 0) -> int:
    """Return the index of the first marked element on the last axis."""
    return start + int(marked.reshape(-1, marked.shape[-1]).any(dim=0).nonzero()[0])


def _place(layout: str, marked: Tensor, start: int = 0) -> str:
    """Describe the position of the first marked element: on the last axis, and on the other axes longer than 1."""
    position = _first(marked)
    index = marked[..., position].nonzero()[0].tolist()
    longer = [k for k, size in enumerate(marked.shape[:-1]) if size > 1]
    others = [f"{_AXES[layout[k]]} {index[k]}" if layout[k] in _AXES else f"index {index[k]}" for k in reversed(longer)]
    return " of ".join([f"{_AXES[layout[-1]]} {start + position}", *others])


def _describe_type(dtype: torch.dtype, what: str, scale: str | None = None) -> str:
    name = str(dtype).removeprefix("torch.")
    expected = f"floating point with full scale 1: {scale}" if scale else "real floating-point numbers"
    return f"{what} of type {name}; expected {expected}"
