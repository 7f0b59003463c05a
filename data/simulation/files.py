"""The files of a simulated bank: a part per chunk of customers, written as a stream."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from data.contracts import Kind
from data.simulation.columns import Arrow
from data.simulation.months import END_MICROSECONDS
from data.sources.canonical import SUMS
from data.sources.systems import Extract, extract
from data.tables import table
from data.warehouse import file_digest

Format = Literal["parquet", "csv"]
ROWS_PER_GROUP = 250_000
NUMBERS_PER_PART = 100_000_000
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


def laid_out(extract: Extract, columns: dict[str, Arrow]) -> pa.Table:
    """Canonical columns as the system lays them out; what is missing and optional is null.

    Raises:
        KeyError: a required column is missing, or one is none of the extract's.
    """
    wanted = [c for c in table(extract.table).columns if c.name in extract.columns]
    missing = [c.name for c in wanted if c.required and c.name not in columns]
    strange = sorted(set(columns) - {c.name for c in wanted})
    if missing or strange:
        raise KeyError(f"{extract.name}: missing {missing}, not of the extract {strange}")
    rows = len(next(iter(columns.values())))
    found: dict[str, Arrow] = {}
    for column in wanted:
        name = column.name
        values = columns[name] if name in columns else pa.array([None] * rows, TYPES[column.kind])
        found[extract.columns[name]] = pc.negate(values) if name in extract.reversed else values
    return pa.table(found)


def known_by_the_end(facts: pa.Table, clock: str | None) -> pa.Table:
    """Without the rows that the bank learns of, by that clock, after the extract was taken."""
    if clock is None:
        return facts
    end = pa.scalar(END_MICROSECONDS, pa.timestamp("us", tz="UTC"))
    newest = pc.max(facts[clock])
    if newest.as_py() is None or newest.value < END_MICROSECONDS:
        return facts
    return facts.filter(pc.less(facts[clock], end))


def _parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer that tries a dictionary for texts only: for numbers it costs twice the time."""
    repeated = [
        field.name
        for field in schema
        if pa.types.is_dictionary(field.type) or pa.types.is_string(field.type)
    ]
    clocks = [field.name for field in schema if pa.types.is_temporal(field.type)]
    whole = [field.name for field in schema if _is_whole(field.type)]
    return pq.ParquetWriter(
        path,
        schema,
        use_dictionary=repeated,  # type: ignore[arg-type]  # the stub knows no lists
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        write_statistics=clocks,
        # Without the Arrow schema, codes are read back as plain text.
        store_schema=False,
        store_decimal_as_integer=True,
        write_page_checksum=True,
    )


def _is_whole(kind: pa.DataType) -> bool:
    return any(
        test(kind) for test in (pa.types.is_temporal, pa.types.is_decimal, pa.types.is_int64)
    )


class Stream:
    """One file that grows by groups of rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None
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
        if self._path.suffix == ".csv":
            rows = _in_plain(rows)
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open(rows.schema)
        self._writer.write_table(rows, len(rows) or None)

    def _open(self, schema: pa.Schema) -> Any:
        if self._path.suffix == ".csv":
            return pacsv.CSVWriter(self._path, schema)
        return _parquet(self._path, schema)

    def close(self) -> None:
        self.flush()
        if self._writer is not None:
            self._writer.close()


def _in_plain(rows: pa.Table) -> pa.Table:
    """Codes as the texts they stand for."""
    fields = [
        pa.field(f.name, f.type.value_type if isinstance(f.type, pa.DictionaryType) else f.type)
        for f in rows.schema
    ]
    return rows.cast(pa.schema(fields))


class Folder:
    """The files of one chunk of customers: ``SYSTEM/FILE/part-NNNNN``, and the truth apart."""

    def __init__(self, out: Path, part: int, form: Format = "parquet") -> None:
        self._out, self._form = out, form
        self._name = f"part-{part:05d}"
        self._files: dict[str, Stream] = {}
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

    def put(self, name: str, columns: dict[str, Arrow], system: str = "core") -> None:
        """Add a system's rows of a canonical table, as far as known when the extract was taken."""
        if not any(map(len, columns.values())):
            return
        kind = extract(system, name)
        rows = known_by_the_end(laid_out(kind, columns), kind.columns.get("known_at"))
        if kind.name not in self._files:
            place = self._out / kind.system / kind.file / f"{self._name}.{self._form}"
            self._files[kind.name] = Stream(place)
        self._files[kind.name].add(rows)

    def put_truth(self, name: str, columns: dict[str, Arrow]) -> None:
        """Add rows that no loader or feature may read."""
        if name not in self._files:
            self._files[name] = Stream(self._out / "truth" / name / f"{self._name}.parquet")
        self._files[name].add(pa.table(columns))

    def next_numbers(self, name: str, count: int) -> int:
        """The first of ``count`` numbers that no other row of the whole table has."""
        first = self._numbers.get(name, self._start)
        self._numbers[name] = first + count
        return first


def write_sums(out: Path, threads: int) -> None:
    """Vouch for what the systems deliver: the file's presence says that all of it is there."""
    files = [path for path in sorted(out.glob("*/*/*")) if "truth" not in path.parts]
    with ThreadPoolExecutor(threads) as pool:
        digests = list(pool.map(file_digest, files))
    lines = [
        f"{digest}  {path.relative_to(out).as_posix()}\n"
        for digest, path in zip(digests, files, strict=True)
    ]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")
