"""Parquet files of a simulated bank: one part per chunk of customers, written as a stream."""

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contracts import Kind, Table
from data.simulation.columns import Arrow
from data.simulation.months import END_MICROSECONDS
from data.tables import table

ROWS_PER_GROUP = 250_000
NUMBERS_PER_PART = 100_000_000
NUMBERED = ("transaction_id", "interaction_id", "application_id", "contact_id", "recovery_id")
TYPES: dict[Kind, pa.DataType] = {
    "identifier": pa.string(),
    "text": pa.string(),
    "code": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "money": pa.decimal128(18, 2),
    "count": pa.int64(),
    "ratio": pa.decimal128(18, 6),
    "flag": pa.bool_(),
}


def in_contract(contract: Table, columns: dict[str, Arrow]) -> pa.Table:
    """The columns in the contract's order, absent optional ones as nulls."""
    rows = len(next(iter(columns.values())))
    names = [column.name for column in contract.columns]
    missing = [c.name for c in contract.columns if c.required and c.name not in columns]
    strange = sorted(set(columns) - set(names))
    if missing or strange:
        raise KeyError(f"{contract.name}: missing {missing}, not of the contract {strange}")
    empty = {
        c.name: pa.array([None] * rows, TYPES[c.kind])
        for c in contract.columns
        if c.name not in columns
    }
    found = {name: columns[name] if name in columns else empty[name] for name in names}
    return pa.table(found)


def known_by_the_end(facts: pa.Table) -> pa.Table:
    """Without the rows that the bank learns of after the extract was taken."""
    if "known_at" not in facts.column_names:
        return facts
    end = pa.scalar(END_MICROSECONDS, pa.timestamp("us", tz="UTC"))
    newest = pc.max(facts["known_at"])
    if newest.as_py() is None or newest.value < END_MICROSECONDS:
        return facts
    return facts.filter(pc.less(facts["known_at"], end))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer that tries a dictionary only where values repeat: all else costs twice the time."""
    repeated = [
        field.name
        for field in schema
        if pa.types.is_dictionary(field.type)
        or (pa.types.is_string(field.type) and field.name not in NUMBERED)
    ]
    clocks = [name for name in ("event_at", "known_at", "as_of") if name in schema.names]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=repeated,  # type: ignore[arg-type]  # the stub knows no lists
        write_statistics=clocks,
        # Without the Arrow schema, codes are read back as plain text.
        store_schema=False,
        store_decimal_as_integer=True,
        write_page_checksum=True,
    )


class Parquet:
    """One Parquet file that grows by row groups."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._rows >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting).unify_dictionaries()
        self._waiting, self._rows = [], 0
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _writer(self._path, rows.schema)
        self._writer.write_table(rows, row_group_size=len(rows) or None)

    def close(self) -> None:
        self.flush()
        if self._writer is not None:
            self._writer.close()


class Folder:
    """The files of one chunk of customers: ``<table>/part-NNNNN.parquet``."""

    def __init__(self, out: Path, part: int) -> None:
        self._out = out
        self._name = f"part-{part:05d}.parquet"
        self._files: dict[str, Parquet] = {}
        self._numbers: dict[str, int] = {}
        self._start = part * NUMBERS_PER_PART

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    def put(self, name: str, columns: dict[str, Arrow]) -> None:
        """Add rows of a canonical table, as far as known when the extract was taken."""
        if any(map(len, columns.values())):
            self._file(name).add(known_by_the_end(in_contract(table(name), columns)))

    def put_truth(self, name: str, columns: dict[str, Arrow]) -> None:
        """Add rows that no loader or feature may read."""
        self._file(f"truth/{name}").add(pa.table(columns))

    def next_numbers(self, name: str, count: int) -> int:
        """The first of ``count`` numbers that no other row of the whole table has."""
        first = self._numbers.get(name, self._start)
        self._numbers[name] = first + count
        return first

    def _file(self, name: str) -> Parquet:
        if name not in self._files:
            self._files[name] = Parquet(self._out / name / self._name)
        return self._files[name]


def write_reference(out: Path, name: str, columns: dict[str, Arrow]) -> None:
    """Write a small table of the whole bank as one file."""
    file = Parquet(out / f"{name}.parquet")
    file.add(in_contract(table(name), columns))
    file.close()
