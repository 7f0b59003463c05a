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

from data.checking import TEXT_LIMIT
from data.csvfile import MAX_COLUMNS, chunks, header, texts
from data.errors import ContractBroken, SourceError
from data.sources.source import Delivery

CHUNK = 262_144
# A file of rows that all have a key of their own takes some bits for each.
ROWS_PER_BYTE = 20
FREE_ROWS = 1_000_000
MOST_UNPACKED = 1 << 29  # bytes of one column in one row group
_UNBOUNDED = {"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"}


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
    with _whole(path), pq.ParquetFile(path) as file:
        _refuse_bomb(path, file, wanted)
        texts_in = [field.name for field in file.schema_arrow if _is_bytes(field.type)]
    # Read as dictionaries, texts take the room of the different ones only, however often and
    # however long a hostile file repeats one.
    with (
        _whole(path),
        pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=texts_in) as file,
    ):
        for batch in file.iter_batches(CHUNK, columns=wanted):
            batch.validate(full=True)
            columns = [_plain(column) for column in batch.columns]
            lines = pa.array(range(start, start + batch.num_rows), pa.int64())
            start += batch.num_rows
            yield Chunk(pa.table([*columns, lines], [*batch.schema.names, "line"]))
        # A page's checksum does not cover its header, where the number of its rows stands.
        if start != file.metadata.num_rows + 1:
            raise OSError(f"{start - 1:,} rows where {file.metadata.num_rows:,} were announced")


def _refuse_bomb(path: Path, file: pq.ParquetFile, wanted: list[str]) -> None:
    """Refuse a small file that would unpack to more than memory and disk can hold.

    Raises:
        ContractBroken: too many rows for its size, a column that is too large once unpacked, or
            one that is packed or typed in a way that says nothing of its size.
    """
    rows, size = file.metadata.num_rows, path.stat().st_size
    if rows > max(FREE_ROWS, ROWS_PER_BYTE * size):
        raise ContractBroken(
            f"{path} has {rows:,} rows in {size:,} bytes, more than {ROWS_PER_BYTE} a byte."
            " Rows with keys of their own take more room; nothing was loaded."
        )
    for name in wanted:
        kind = file.schema_arrow.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind):
            raise ContractBroken(
                f"{path}: column {name} has the type {kind}, which can carry nothing of ours."
                " Write it as text or as the type the contract names."
            )
    for group in range(file.metadata.num_row_groups):
        _refuse_large(path, file.metadata.row_group(group), wanted)


def _refuse_large(path: Path, group: pq.RowGroupMetaData, wanted: list[str]) -> None:
    for place in range(group.num_columns):
        column = group.column(place)
        if column.path_in_schema not in wanted:
            continue
        if column.total_uncompressed_size > MOST_UNPACKED:
            raise ContractBroken(
                f"{path}: column {column.path_in_schema} unpacks to"
                f" {column.total_uncompressed_size:,} bytes in one row group, more than"
                f" {MOST_UNPACKED:,}. Write smaller row groups."
            )
        if _UNBOUNDED & set(column.encodings):
            raise ContractBroken(
                f"{path}: column {column.path_in_schema} has a delta encoding of text, whose size"
                " once unpacked cannot be told. Write it with plain or dictionary encoding."
            )


def _is_bytes(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary())


def _plain(column: "pa.Array[Any]") -> "pa.Array[Any]":
    """A column without dictionary; a text too long for any contract comes cut, but too long."""
    if not isinstance(column, pa.DictionaryArray):
        return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column
    values, most = column.dictionary, TEXT_LIMIT + 1
    if not _is_bytes(values.type):
        return column.cast(values.type)
    if pa.types.is_binary(values.type):
        short = pc.binary_slice(values, 0, most)
    else:
        short = pc.utf8_slice_codeunits(values.cast(pa.string()), 0, most)
    return pa.DictionaryArray.from_arrays(column.indices, short).cast(short.type)


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
