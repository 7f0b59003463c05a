"""Read one CSV or Parquet file whole: every row is there, or counted with its reason."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.contracts import Column, Table
from data.csvfile import Layout, header, texts
from data.errors import ContractBroken, SourceError
from data.reading import chunks_of, columns_in
from data.sources.source import Delivery
from data.warehouse import file_digest
from training.tables.declaration import Declaration

DELIMITERS = ",;\t|"
Values = Any  # a chunked array: the stubs of pyarrow cannot say what may be done with one


@dataclass(frozen=True)
class Raw:
    """A file's columns as they stand, the line of each row, and the rows that are no rows."""

    path: Path
    columns: dict[str, Values]
    lines: list[int]
    broken: dict[str, int]
    digest: str

    @property
    def rows(self) -> int:
        """Rows in the file, sound or broken."""
        return len(self.lines) + sum(self.broken.values())


def read_table(path: Path, said: Declaration) -> Raw:
    """Read a file.

    Raises:
        SourceError: there is no such file, or it is not what its name says.
        ContractBroken: its first line does not name columns, or it holds no sound row.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}; name one CSV or Parquet file.")
    if path.suffix.lower() not in (".csv", ".txt", ".tsv", ".parquet"):
        raise SourceError(f"{path} is neither .csv, .tsv, .txt nor .parquet by its name.")
    before = file_digest(path)
    delivery = Delivery(path, _contract(()), _layout(path, said))
    names = columns_in(delivery)
    _refuse_names(path, names)
    delivery = Delivery(path, _contract(tuple(names)), delivery.layout)
    tables, broken = [], Counter[str]()
    for chunk in chunks_of(delivery):
        tables.append(chunk.rows)
        broken.update(fault for _, fault in chunk.broken)
    if file_digest(path) != before:
        raise SourceError(f"{path} was written to while it was read; try again.")
    if not sum(table.num_rows for table in tables):
        told = f" ({_counts(broken)})" if broken else ""
        raise ContractBroken(f"{path} holds no row that can be read{told}.")
    together: Any = pa.concat_tables(
        [table.rename_columns([str(place) for place in range(len(names) + 1)]) for table in tables]
    )
    lines = together.column(len(names)).to_numpy()
    ordered = together.take(np.argsort(lines, kind="stable"))
    columns = {name: ordered.column(place) for place, name in enumerate(names)}
    return Raw(path, columns, np.sort(lines).tolist(), dict(broken), before)


def _counts(broken: Counter[str]) -> str:
    return ", ".join(f"{count:,} {fault}" for fault, count in broken.items())


def _contract(names: tuple[str, ...]) -> Table:
    columns = tuple(Column(name=name, kind="text", about="") for name in names)
    return Table(name="table", about="A bank's own table.", columns=columns, key=(), dated=False)


def _layout(path: Path, said: Declaration) -> Layout:
    """The declared delimiter, else the one that the first line has most of."""
    if path.suffix.lower() == ".parquet":
        return Layout()
    try:
        "".encode(said.encoding)
    except LookupError:
        raise SourceError(f"encoding = {said.encoding!r}: there is no such encoding.") from None
    if said.delimiter:
        return Layout(said.delimiter, said.encoding)
    first = next(texts(path, Layout(encoding=said.encoding)), "")
    best = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    layout = Layout(best, said.encoding)
    if len(header(path, layout)) < 3:
        raise ContractBroken(
            f"the first line of {path} does not name at least three columns apart by a comma,"
            ' semicolon, tab or bar; say which with delimiter = "..." in the declaration.'
        )
    return layout


def _refuse_names(path: Path, names: list[str]) -> None:
    bad = [name for name in names if not name.strip() or not name.isprintable() or len(name) > 200]
    if bad:
        raise ContractBroken(
            f"{path} has columns without a printable name of at most 200 characters, such as the"
            f" one at place {names.index(bad[0]) + 1}; name every column."
        )
