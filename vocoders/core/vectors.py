"""Vectors of float32 for numba: values that fill whole registers of any width.

numba relies on LLVM to vectorise scalar loops, and LLVM does not keep a tile of a matrix product in registers by
itself. A value of type ``Lanes`` is an LLVM vector, so loops over it run as written: 64 lanes are four registers of
AVX-512, eight of AVX2, sixteen of NEON. Types of arrays are checked when a function is compiled; indices are never
checked.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core.cgutils import get_or_insert_function
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model
from scipy.special import erfcx

__all__ = [
    "REGISTER",
    "address",
    "bounded",
    "check_array",
    "exp",
    "first_number",
    "fma",
    "gelu",
    "kept",
    "largest",
    "load",
    "load_integers",
    "magnitude",
    "number_at",
    "positive_part",
    "put",
    "repeat",
    "sigmoid",
    "splat",
    "square_root",
    "store",
    "total",
    "whole_number_at",
]

# Numbers of a register, for loops with many sums at once: AVX-512 has 32 registers of 16 numbers, AVX2 has 16 of 8, and
# sums that do not fit are stored and loaded again at each step. Results do not depend on it.
REGISTER = 16 if get_host_cpu_features().get("avx512f") else 8

_FLOAT = ir.FloatType()
_WORD = ir.IntType(32)
# Products and sums may be fused into one instruction; sums are not reordered.
_FLAGS = ("contract",)


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an intrinsic, which compiled functions call without its first parameter; numba has no types for that."""
    return intrinsic(prefer_literal=True)(function)


class Lanes(types.Type):
    """The numba type of a vector of ``width`` float32 values."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _vector(fe_type.width))


def _vector(width: int, element: ir.Type = _FLOAT) -> ir.VectorType:
    return ir.VectorType(element, width)


def _address(context, builder, signature, arguments, element: ir.Type, width: int):
    """Return a pointer to ``width`` elements of the array (or address) and from the index in the arguments."""
    pointer = builder.gep(first_number(context, builder, signature.args[0], arguments[0], element), [arguments[1]])
    return builder.bitcast(pointer, _vector(width, element).as_pointer())


def first_number(context, builder, source, value, element: ir.Type = _FLOAT):
    """Return a pointer to the first number of an array, or to the one at an address."""
    if isinstance(source, types.Integer):
        return builder.inttoptr(value, element.as_pointer())
    return context.make_array(source)(context, builder, value).data


def check_array(array, element: type = types.Float) -> None:
    """Refuse at compile time arrays that are not contiguous rows of this element: addresses would be wrong."""
    if isinstance(array, types.Integer):
        return  # an address
    if not isinstance(array, types.Array) or not isinstance(array.dtype, element) or array.layout != "C":
        raise TypingError(f"{array} cannot be read as vectors; expected a contiguous array of {element.__name__}")
    if isinstance(array.dtype, types.Float) and array.dtype != types.float32:
        raise TypingError(f"{array} cannot be read as vectors; expected float32")


def _splat(builder, value, width: int):
    undefined = ir.Constant(_vector(width), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_vector(width, _WORD), [0] * width))


def _call(builder, name: str, width: int, *arguments):
    vector = _vector(width)
    function_type = ir.FunctionType(vector, [vector] * len(arguments))
    function = get_or_insert_function(builder.module, function_type, f"{name}.v{width}f32")
    return builder.call(function, arguments)


@_intrinsic
def address(typing_context, array):
    """Signature (array): where a contiguous array begins, which may be given in place of the array.

    numba counts the references of arrays that a function passes on, between the instructions of its loops; it does not
    count those of an address. The caller keeps the array.
    """

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    check_array(array, types.Number)
    return types.intp(array), emit


@_intrinsic
def load(typing_context, array, index, width):
    """Signature (array, index, width): float32 values of a contiguous array; ``width`` is a constant."""

    def emit(context, builder, signature, arguments):
        lanes = signature.return_type.width
        return builder.load(_address(context, builder, signature, arguments, _FLOAT, lanes), align=4)

    check_array(array, types.Float)
    return Lanes(width.literal_value)(array, types.intp, width), emit


@_intrinsic
def number_at(typing_context, array, index):
    """Signature (array, index): one float32 of a contiguous array; unlike ``array[index]`` for addresses too."""

    def emit(context, builder, signature, arguments):
        data = first_number(context, builder, signature.args[0], arguments[0])
        return builder.load(builder.gep(data, [arguments[1]]))

    check_array(array, types.Float)
    return types.float32(array, types.intp), emit


@_intrinsic
def put(typing_context, array, index, number):
    """Signature (array, index, number): write one float32; unlike ``array[index] = number`` to addresses too."""

    def emit(context, builder, signature, arguments):
        data = first_number(context, builder, signature.args[0], arguments[0])
        builder.store(arguments[2], builder.gep(data, [arguments[1]]))
        return context.get_dummy_value()

    check_array(array, types.Float)
    return types.void(array, types.intp, types.float32), emit


@_intrinsic
def whole_number_at(typing_context, address, index):
    """Signature (address, index): one int64 of the array that begins at an address."""

    def emit(context, builder, signature, arguments):
        data = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(builder.gep(data, [arguments[1]]))

    return types.int64(address, types.intp), emit


@_intrinsic
def load_integers(typing_context, array, index, width):
    """Signature (array, index, width): values of an int16 or int8 array, or int16 at an address, as float32."""

    def emit(context, builder, signature, arguments):
        source, lanes = signature.args[0], signature.return_type.width
        bits = 16 if isinstance(source, types.Integer) else source.dtype.bitwidth
        pointer = _address(context, builder, signature, arguments, ir.IntType(bits), lanes)
        return builder.sitofp(builder.load(pointer, align=bits // 8), _vector(lanes))

    check_array(array, types.Integer)
    return Lanes(width.literal_value)(array, types.intp, width), emit


@_intrinsic
def store(typing_context, array, index, lanes):
    """Signature (array, index, lanes): write to a float32 array."""

    def emit(context, builder, signature, arguments):
        pointer = _address(context, builder, signature, arguments, _FLOAT, signature.args[2].width)
        builder.store(arguments[2], pointer, align=4)
        return context.get_dummy_value()

    check_array(array, types.Float)
    return types.void(array, types.intp, lanes), emit


@_intrinsic
def splat(typing_context, value, width):
    """Signature (value, width): the same float32 in all lanes; ``width`` is a constant or another vector."""

    def emit(context, builder, signature, arguments):
        return _splat(builder, arguments[0], signature.return_type.width)

    lanes = width if isinstance(width, Lanes) else Lanes(width.literal_value)
    return lanes(types.float32, width), emit


@_intrinsic
def repeat(typing_context, array, index, width):
    """Signature (array, index, width): one value of a contiguous float32 array in all lanes.

    Unlike ``splat(array[index], width)`` it does not ask whether the index is negative, so that the processor repeats
    the value while it multiplies.
    """

    def emit(context, builder, signature, arguments):
        data = first_number(context, builder, signature.args[0], arguments[0])
        value = builder.load(builder.gep(data, [arguments[1]]))
        return _splat(builder, value, signature.return_type.width)

    check_array(array, types.Float)
    return Lanes(width.literal_value)(array, types.intp, width), emit


@_intrinsic
def fma(typing_context, left, right, added):
    """Signature (left, right, added): left * right + added, rounded once where the processor can."""

    def emit(context, builder, signature, arguments):
        return _call(builder, "llvm.fmuladd", signature.return_type.width, *arguments)

    return left(left, right, added), emit


@_intrinsic
def _arithmetic(typing_context, name, left, right):
    def emit(context, builder, signature, arguments):
        operation = getattr(builder, signature.args[0].literal_value)
        return operation(arguments[1], arguments[2], flags=_FLAGS)

    return left(name, left, right), emit


def _overload_operator(function, name: str) -> None:
    @overload(function)
    def _operate(left, right):
        vectors = isinstance(left, Lanes), isinstance(right, Lanes)
        if all(vectors):
            return lambda left, right: _arithmetic(name, left, right)
        if vectors[0] and isinstance(right, types.Number):
            return lambda left, right: _arithmetic(name, left, splat(right, left))
        if vectors[1] and isinstance(left, types.Number):
            return lambda left, right: _arithmetic(name, splat(left, right), right)
        return None


for _function, _name in [
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
]:
    _overload_operator(_function, _name)


@_intrinsic
def positive_part(typing_context, lanes):
    """Signature (lanes): max(x, 0)."""

    def emit(context, builder, signature, arguments):
        zero = ir.Constant(_vector(signature.return_type.width), None)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zero), arguments[0], zero)

    return lanes(lanes), emit


@_intrinsic
def kept(typing_context, lanes, threshold):
    """Signature (lanes, threshold): x where x >= threshold, elsewhere 0."""

    def emit(context, builder, signature, arguments):
        width = signature.return_type.width
        least = _splat(builder, arguments[1], width)
        return builder.select(
            builder.fcmp_ordered(">=", arguments[0], least), arguments[0], ir.Constant(_vector(width), None)
        )

    return lanes(lanes, types.float32), emit


@_intrinsic
def total(typing_context, lanes):
    """Signature (lanes): the sum of all lanes."""

    def emit(context, builder, signature, arguments):
        width = signature.args[0].width
        function_type = ir.FunctionType(_FLOAT, [_FLOAT, _vector(width)])
        name = f"llvm.vector.reduce.fadd.v{width}f32"
        function = get_or_insert_function(builder.module, function_type, name)
        # A tree of pairs: LLVM chooses the order, which is the same in every call.
        return builder.call(function, [ir.Constant(_FLOAT, -0.0), arguments[0]], fastmath=("reassoc",))

    return types.float32(lanes), emit


@_intrinsic
def largest(typing_context, lanes):
    """Signature (lanes): the greatest of all lanes."""

    def emit(context, builder, signature, arguments):
        width = signature.args[0].width
        function_type = ir.FunctionType(_FLOAT, [_vector(width)])
        name = f"llvm.vector.reduce.fmax.v{width}f32"
        function = get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, arguments, fastmath=("nnan",))

    return types.float32(lanes), emit


@_intrinsic
def _nearest_integer(typing_context, lanes):
    def emit(context, builder, signature, arguments):
        return _call(builder, "llvm.rint", signature.return_type.width, *arguments)

    return lanes(lanes), emit


@_intrinsic
def square_root(typing_context, lanes):
    """Signature (lanes): the square root."""

    def emit(context, builder, signature, arguments):
        return _call(builder, "llvm.sqrt", signature.return_type.width, *arguments)

    return lanes(lanes), emit


@_intrinsic
def magnitude(typing_context, lanes):
    """Signature (lanes): |x|."""

    def emit(context, builder, signature, arguments):
        return _call(builder, "llvm.fabs", signature.return_type.width, *arguments)

    return lanes(lanes), emit


@_intrinsic
def bounded(typing_context, lanes, least, most):
    """Signature (lanes, least, most): x between two numbers."""

    def emit(context, builder, signature, arguments):
        value, width = arguments[0], signature.return_type.width
        for comparison, bound in zip((">", "<"), arguments[1:], strict=True):
            bound = _splat(builder, bound, width)
            value = builder.select(builder.fcmp_ordered(comparison, value, bound), value, bound)
        return value

    return lanes(lanes, types.float32, types.float32), emit


@_intrinsic
def _power_of_two(typing_context, lanes):
    """2^x for whole x in [-126, 127]: the exponent's bits."""

    def emit(context, builder, signature, arguments):
        width = signature.return_type.width
        words = _vector(width, _WORD)
        exponent = builder.add(builder.fptosi(arguments[0], words), ir.Constant(words, [127] * width))
        return builder.bitcast(builder.shl(exponent, ir.Constant(words, [23] * width)), _vector(width))

    return lanes(lanes), emit


@njit
def exp(x):
    """Return e^x with a relative error of 2e-7, for x in [-87, 88]; beyond, the value at the bound."""
    x = bounded(x, -87.0, 88.0)
    count = _nearest_integer(x * 1.44269504)
    # ln 2 in two parts; the first has few bits, so its product with an integer is exact.
    rest = fma(count, splat(-0.693359375, x), x)
    rest = fma(count, splat(2.12194440e-4, x), rest)
    # The exponential series; the first omitted term is below 6e-9.
    series = splat(1 / 5040, x)
    series = fma(series, rest, splat(1 / 720, x))
    series = fma(series, rest, splat(1 / 120, x))
    series = fma(series, rest, splat(1 / 24, x))
    series = fma(series, rest, splat(1 / 6, x))
    series = fma(series, rest, splat(0.5, x))
    series = fma(series, rest, splat(1.0, x))
    series = fma(series, rest, splat(1.0, x))
    return series * _power_of_two(count)


@njit
def sigmoid(x):
    """Return 1 / (1 + e^-x)."""
    return 1.0 / (1.0 + exp(0.0 - x))


def _tail_series(degree: int = 9, farthest: float = 10.0) -> tuple[float, ...]:
    """Return P, lowest power first, with exp(q^2) erfc(q) = t P(t), relative error 1e-8, t = 1 / (1 + 0.4 q)."""
    least = 1 / (1 + 0.4 * farthest)
    t = (1 + least) / 2 + (1 - least) / 2 * np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    values = erfcx((1 / t - 1) / 0.4) / t
    series = np.polynomial.Chebyshev.fit(t, values, degree, domain=[least, 1], w=1 / values)
    return tuple(float(value) for value in series.convert(kind=np.polynomial.Polynomial).coef)


_TAIL = _tail_series()


@njit
def gelu(x):
    """Return x times the normal distribution function of x, with an error of some 1e-7 |x|."""
    size = magnitude(x)
    t = 1.0 / fma(size, splat(0.4 / 2**0.5, x), splat(1.0, x))
    series = splat(_TAIL[9], x)
    for power in range(8, -1, -1):
        series = fma(series, t, splat(_TAIL[power], x))
    # The distribution function of -|x| is half of erfc(|x| / sqrt 2).
    tail = 0.5 * series * t * exp(-0.5 * x * x)
    return positive_part(x) - size * tail
