"""The rows of a delivered file chunk by chunk, whatever its format, and the digests of some."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.csvfile import MAX_COLUMNS, chunks, header, texts
from data.errors import ContractBroken, SourceError
from data.sources.source import Delivery

CHUNK = 262_144


@dataclass(frozen=True)
class Chunk:
    """Rows as read (the contract's columns and ``line``), and the lines that are no rows."""

    rows: pa.Table
    broken: tuple[tuple[int, str], ...] = ()

    @property
    def count(self) -> int:
        """Rows in, sound or broken."""
        return self.rows.num_rows + len(self.broken)


def columns_in(delivery: Delivery) -> list[str]:
    """The names of the columns that the file has.

    Raises:
        SourceError: the file cannot be read as what it was said to be.
    """
    if not _is_parquet(delivery.path):
        return header(delivery.path, delivery.layout)
    with _whole(delivery.path), pq.ParquetFile(delivery.path) as file:
        names = list(file.schema_arrow.names)
    if len(names) > MAX_COLUMNS or len(set(names)) < len(names):
        raise ContractBroken(
            f"{delivery.path} names a column twice or has more than {MAX_COLUMNS:,}."
        )
    return names


def chunks_of(delivery: Delivery) -> Iterator[Chunk]:
    """The rows of the file, lines counted from the header (CSV) or the first row (Parquet).

    Raises:
        SourceError: the file is damaged, or not in its declared encoding.
    """
    present = columns_in(delivery)
    wanted = [c.name for c in delivery.contract.columns if c.name in present]
    if _is_parquet(delivery.path):
        yield from _parquet(delivery.path, wanted)
        return
    places = [present.index(name) for name in wanted]
    for lines in chunks(delivery.path, delivery.layout):
        columns = [lines.columns[place] for place in places]
        numbers = pa.array(lines.numbers, pa.int64())
        yield Chunk(pa.table([*columns, numbers], [*wanted, "line"]), tuple(lines.broken))


def digests_of(delivery: Delivery, lines: set[int]) -> dict[int, str]:
    """SHA-256 of the raw text of some lines; of a Parquet row, of its values as text."""
    if not lines:
        return {}
    if _is_parquet(delivery.path):
        return _row_digests(delivery, lines)
    numbered = enumerate(texts(delivery.path, delivery.layout), start=1)
    return {number: _sha256(text) for number, text in numbered if number in lines}


def state_of(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to the file: inode, size and time of last change."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _parquet(path: Path, wanted: list[str]) -> Iterator[Chunk]:
    start = 1
    with _whole(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(CHUNK, columns=wanted):
            batch.validate(full=True)
            columns = [_plain(column) for column in batch.columns]
            lines = pa.array(range(start, start + batch.num_rows), pa.int64())
            start += batch.num_rows
            yield Chunk(pa.table([*columns, lines], [*batch.schema.names, "line"]))
        # A page's checksum does not cover its header, where the number of its rows stands.
        if start != file.metadata.num_rows + 1:
            raise OSError(f"{start - 1:,} rows where {file.metadata.num_rows:,} were announced")


def _plain(column: "pa.Array[Any]") -> "pa.Array[Any]":
    kind = column.type
    if isinstance(kind, pa.DictionaryType):
        return column.cast(kind.value_type)
    return column.cast(pa.string()) if pa.types.is_string_view(kind) else column


def _row_digests(delivery: Delivery, lines: set[int]) -> dict[int, str]:
    found = {}
    for chunk in chunks_of(delivery):
        here = chunk.rows.filter(pc.is_in(chunk.rows["line"], pa.array(lines, pa.int64())))
        for row in here.to_pylist():
            found[row.pop("line")] = _sha256(str(row))
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SourceError(
            f"{path} is not a whole Parquet file ({reason}). Nothing was loaded."
        ) from None
