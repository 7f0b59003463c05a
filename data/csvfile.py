"""Read a delimited text file line by line, so that one broken line spoils nothing else."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ContractBroken, SourceError

MAX_LINE = 1_000_000
MAX_COLUMNS = 1_000
_MOST_BYTES = 4 * (MAX_LINE + 1)


@dataclass(frozen=True)
class Layout:
    """How a text file is written: its delimiter and its declared encoding."""

    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Lines:
    """A chunk of lines: number and columns of the sound, number and fault of the broken."""

    numbers: list[int]
    columns: list["pa.Array[Any]"]
    broken: list[tuple[int, str]]


def header(path: Path, layout: Layout) -> list[str]:
    """The column names of the first line.

    Raises:
        SourceError: the file is not in its declared encoding.
        ContractBroken: the first line is empty or cannot be split, or a name stands twice.
    """
    first = next(texts(path, layout), "")
    if not first.strip():
        raise ContractBroken(f"{path} is empty: its first line must name the columns.")
    if "\0" in first:
        raise SourceError(
            f"{path} is not {layout.encoding} text: byte {_nul(path)} is NUL."
            " Save the file in that encoding, or declare the one it has."
        )
    try:
        split = next(csv.reader([first], delimiter=layout.delimiter, strict=True))
    except csv.Error as error:
        raise ContractBroken(f"the first line of {path} cannot be split: {error}.") from None
    names = [name.strip() for name in split]
    if len(names) > MAX_COLUMNS:
        raise ContractBroken(f"{path} has {len(names):,} columns, more than {MAX_COLUMNS:,}.")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ContractBroken(f"{path} names a column twice in its first line: {twice}.")
    return names


def chunks(path: Path, layout: Layout, size: int = 100_000) -> Iterator[Lines]:
    """The lines after the header, in chunks of ``size``; blank lines are no rows.

    A record is one physical line; a quote that is not closed on its line breaks that line only.
    """
    width = len(header(path, layout))
    numbered = enumerate(texts(path, layout), start=1)
    next(numbered, None)
    while some := list(islice(numbered, size)):
        yield _lines(some, layout.delimiter, width)


def texts(path: Path, layout: Layout) -> Iterator[str]:
    """Every line without its end; what is longer than a line may be comes cut, but too long.

    Raises:
        SourceError: a byte that the declared encoding cannot read; the message says where.
    """
    encoding = layout.encoding.lower()
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceError(
                f"{path} is UTF-16 (byte 0) where {layout.encoding} was declared."
                f" Save the file as {layout.encoding}."
            )
        marked = encoding == "utf-8" and head.startswith(codecs.BOM_UTF8)
        offset = file.seek(3 if marked else 0)
        while raw := file.readline(_MOST_BYTES):
            whole = raw.endswith(b"\n") or len(raw) < _MOST_BYTES
            try:
                yield raw.decode(encoding, "strict" if whole else "replace").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{path} is not {layout.encoding}: byte {offset + error.start} cannot be read."
                    " Save the file in that encoding, or declare the one it has."
                ) from None
            offset += len(raw)
            while not whole:
                rest = file.readline(_MOST_BYTES)
                offset += len(rest)
                whole = rest.endswith(b"\n") or len(rest) < _MOST_BYTES


def _lines(some: list[tuple[int, str]], delimiter: str, width: int) -> Lines:
    """Split many lines: those without quotes all at once, the others one by one."""
    numbers, plain, rows, broken = [], [], [], []
    others: list[int] = []
    for number, text in some:
        simple = '"' not in text and "\0" not in text and len(text) <= MAX_LINE
        if simple and text.count(delimiter) == width - 1 and text:
            numbers.append(number)
            plain.append(text)
        elif text:
            fault, fields = _fields(text, delimiter, width)
            if fault:
                broken.append((number, fault))
            else:
                others.append(number)
                rows.append(fields)
    flat = pc.split_pattern(pa.array(plain, pa.string()), delimiter).flatten()
    columns = [
        pa.concat_arrays([flat[place::width], pa.array(values, pa.string())])
        for place, values in enumerate(zip(*rows, strict=True) if rows else [()] * width)
    ]
    return Lines(numbers + others, columns, broken)


def _fields(text: str, delimiter: str, width: int) -> tuple[str, list[str]]:
    if len(text) > MAX_LINE:
        return f"line longer than {MAX_LINE:,} characters", []
    if "\0" in text:
        return "NUL character", []
    if '"' not in text:
        fields = text.split(delimiter)
    elif text.count('"') % 2:
        return "quote not closed", []
    else:
        try:
            fields = next(csv.reader([text], delimiter=delimiter, strict=True))
        except csv.Error as error:
            return f"stray quote ({error})", []
    if len(fields) != width:
        return f"{len(fields)} fields where the header has {width}", []
    return "", fields


def _nul(path: Path) -> int:
    with path.open("rb") as file:
        return file.readline(_MOST_BYTES).find(b"\0")
