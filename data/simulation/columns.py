"""Numpy arrays as Arrow columns of the canonical kinds, without a Python object per row."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Smalls = NDArray[np.int8]
Flags = NDArray[np.bool_]
Arrow: TypeAlias = "pa.Array[Any]"

MICROSECONDS = 1_000_000
_FOUR = np.frombuffer(b"".join(b"%04d" % i for i in range(10_000)), np.uint32)


def _buffer(values: NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.ascontiguousarray(values).data)


def _validity(known: Flags | None) -> pa.Buffer | None:
    return None if known is None else _buffer(np.packbits(known, bitorder="little"))


def _decimal(units: Ints, scale: int, known: Flags | None) -> Arrow:
    wide = np.empty((len(units), 2), np.int64)
    wide[:, 0] = units
    wide[:, 1] = wide[:, 0] >> 63
    buffers = [_validity(known), _buffer(wide)]
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(units), buffers)


def money(cents: Ints, known: Flags | None = None) -> Arrow:
    """Minor units as money; null where not ``known``."""
    return _decimal(cents, 2, known)


def ratio(value: Floats, known: Flags | None = None) -> Arrow:
    """Plain numbers as ratios with six decimals."""
    return _decimal(np.rint(value * 1e6).astype(np.int64), 6, known)


def stamps(microseconds: Ints) -> Arrow:
    """Microseconds since 1970 as timestamps in UTC."""
    wide = np.ascontiguousarray(microseconds, np.int64)
    return pa.Array.from_buffers(pa.timestamp("us", tz="UTC"), len(wide), [None, _buffer(wide)])


def dates(days: Ints) -> Arrow:
    """Days since 1970 as dates."""
    return pa.array(days.astype(np.int32), pa.int32()).view(pa.date32())


def tokens(prefix: str, numbers: Ints, width: int, known: Flags | None = None) -> Arrow:
    """Identifiers: the prefix and the number in ``width`` digits (a multiple of four).

    Raises:
        IndexError: a number has more digits.
    """
    head = np.frombuffer(prefix.encode(), np.uint8)
    digits = np.empty((len(numbers), width // 4), np.uint32)
    rest = np.asarray(numbers, np.int64)
    for place in range(digits.shape[1] - 1, 0, -1):
        higher = rest // 10_000
        digits[:, place] = _FOUR[rest - higher * 10_000]
        rest = higher
    digits[:, 0] = _FOUR[rest]
    letters = np.empty((len(numbers), len(head) + width), np.uint8)
    letters[:, : len(head)] = head
    letters[:, len(head) :] = digits.view(np.uint8)
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * letters.shape[1]
    return pa.StringArray.from_buffers(
        len(numbers), _buffer(offsets), _buffer(letters), _validity(known)
    )


def characters(letters: NDArray[np.uint8]) -> Arrow:
    """Texts of ASCII from their bytes, shape (rows, width); blanks at the end are left out."""
    width = letters.shape[1]
    offsets = np.arange(len(letters) + 1, dtype=np.int32) * width
    texts = pa.StringArray.from_buffers(len(letters), _buffer(offsets), _buffer(letters))
    trimmed: Arrow = pc.ascii_rtrim_whitespace(texts)
    return trimmed


def repeated(names: Arrow, index: Ints | None = None) -> Arrow:
    """The names at the places (each once where none are given), as codes."""
    index = np.arange(len(names)) if index is None else index
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), names)


def codes(index: NDArray[np.signedinteger], values: Sequence[str]) -> Arrow:
    """Codes by their position in ``values``; null where the position is negative."""
    places = index.astype(np.int32)
    missing = places < 0
    keys = pa.array(places, pa.int32(), mask=missing if missing.any() else None)
    return pa.DictionaryArray.from_arrays(keys, pa.array(values, pa.string()))


def constant(value: str, count: int) -> Arrow:
    """The same code ``count`` times."""
    return codes(np.zeros(count, np.int8), (value,))


def flags(values: Flags) -> Arrow:
    """True or false."""
    return pa.array(values, pa.bool_())


def counts(values: Ints) -> Arrow:
    """Whole numbers."""
    return pa.array(values, pa.int64())
