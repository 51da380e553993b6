"""Compiled building blocks over byte arrays: words at any alignment, many bytes at once, numbers, XXH64."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# For functions that make no arrays and call each other for every few bytes: to count references to the arrays that
# they pass on, and to pass these (seven words each), would cost more than the work.
compiled = partial(njit, cache=True, nogil=True, _nrt=False, forceinline=True)

_WORD, _BYTES32, _BYTES64 = ir.IntType(64), ir.VectorType(ir.IntType(8), 32), ir.VectorType(ir.IntType(8), 64)

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)


def _at(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any = _WORD) -> Any:
    """Address of array[index] as that of a word or of several bytes."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


@intrinsic
def load64(_typing: Any, array: Any, index: Any) -> Any:
    """The eight bytes from array[index] on as a little-endian word, at any alignment."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_at(context, builder, signature.args[0], given[0], given[1]), align=1)

    return types.uint64(array, types.int64), build


@intrinsic
def copy32(_typing: Any, out: Any, at: Any, array: Any, index: Any) -> Any:
    """Copy the 32 bytes from array[index] on to out[at], at any alignment."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        source = _at(context, builder, signature.args[2], given[2], given[3], _BYTES32)
        target = _at(context, builder, signature.args[0], given[0], given[1], _BYTES32)
        builder.store(builder.load(source, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, array, types.int64), build


@intrinsic
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Have array[index] brought near, while other work is done; it may lie outside of the array."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(8).as_pointer())
        builder.call(fetch, [address, *(ir.Constant(ir.IntType(32), how) for how in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.int64), build


@intrinsic
def within64(_typing: Any, array: Any, index: Any, low: Any, count: Any) -> Any:
    """Which of the 64 bytes from array[index] on are among the `count` values from `low` on, the first as bit 0.

    The compiler makes of it the widest comparisons that the processor has.
    """

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        found = builder.load(_at(context, builder, signature.args[0], given[0], given[1], _BYTES64), align=1)
        shifted = builder.sub(found, _splat64(builder, given[2]))
        return builder.bitcast(builder.icmp_unsigned("<", shifted, _splat64(builder, given[3])), _WORD)

    return types.uint64(array, types.int64, types.uint8, types.uint8), build


@intrinsic
def count_bits(_typing: Any, word: Any) -> Any:
    """How many bits of a word are set."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.ctpop(given[0])

    return types.int64(types.uint64), build


def _splat64(builder: Any, byte: Any) -> Any:
    """A byte 64 times."""
    empty = ir.Constant(_BYTES64, ir.Undefined)
    one = builder.insert_element(empty, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64))


@njit(cache=True)
def number(buffer, start, digits):
    """The decimal number there, or -1."""
    value = 0
    for k in range(digits):
        digit = np.int64(buffer[start + k]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@compiled()
def put_character(out, at, value):
    """Write a character in UTF-8; the position behind it."""
    if value < 0x80:
        out[at] = value
        return at + 1
    if value < 0x800:
        out[at] = 0xC0 | value >> 6
    else:
        if value < 0x10000:
            out[at] = 0xE0 | value >> 12
        else:
            out[at] = 0xF0 | value >> 18
            at += 1
            out[at] = 0x80 | (value >> 12 & 0x3F)
        at += 1
        out[at] = 0x80 | (value >> 6 & 0x3F)
    out[at + 1] = 0x80 | (value & 0x3F)
    return at + 2


@njit(cache=True)
def _rotate(value, by):
    return (value << np.uint64(by)) | (value >> np.uint64(64 - by))


@njit(cache=True)
def xxh64(buffer, start, end):
    """XXH64 (seed 0) of the bytes from start to end."""
    length = np.uint64(end - start)
    p = start
    if end - start >= 32:
        a, b, c, d = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
        while p + 32 <= end:
            a = _rotate(a + load64(buffer, p) * _P2, 31) * _P1
            b = _rotate(b + load64(buffer, p + 8) * _P2, 31) * _P1
            c = _rotate(c + load64(buffer, p + 16) * _P2, 31) * _P1
            d = _rotate(d + load64(buffer, p + 24) * _P2, 31) * _P1
            p += 32
        h = _rotate(a, 1) + _rotate(b, 7) + _rotate(c, 12) + _rotate(d, 18)
        for lane in (a, b, c, d):
            h = (h ^ (_rotate(lane * _P2, 31) * _P1)) * _P1 + _P4
    else:
        h = _P5
    h += length
    while p + 8 <= end:
        h = _rotate(h ^ (_rotate(load64(buffer, p) * _P2, 31) * _P1), 27) * _P1 + _P4
        p += 8
    if p + 4 <= end:
        h = _rotate(h ^ ((load64(buffer, p) & np.uint64(0xFFFFFFFF)) * _P1), 23) * _P2 + _P3
        p += 4
    while p < end:
        h = _rotate(h ^ (np.uint64(buffer[p]) * _P5), 11) * _P1
        p += 1
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))
