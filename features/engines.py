"""What answers integer aggregates: DuckDB for a whole book, Polars for one customer.

An engine gives dated facts as a narwhals frame; what is asked of it is the same on each.
"""

from datetime import date
from pathlib import Path
from typing import Any, Protocol

import duckdb
import narwhals as nw
import polars as pl
import pyarrow as pa

from data.errors import FeatureError
from data.warehouse import Manifest, Warehouse
from features.calendar import day_number
from features.definition import Source

_MACROS = """
    CREATE OR REPLACE TEMP MACRO unix_date(day) AS CAST(day - DATE '1970-01-01' AS BIGINT);
    CREATE OR REPLACE TEMP MACRO unix_seconds(moment) AS
        epoch_us(moment) // 1000000 - CAST(epoch_us(moment) % 1000000 < 0 AS BIGINT)
"""


class Engine(Protocol):
    """Where dated facts are, and what computes over them."""

    @property
    def manifest(self) -> Manifest:
        """The state of the warehouse that is read."""

    def facts(self, source: Source) -> nw.LazyFrame[Any]:
        """All facts of a source.

        Raises:
            FeatureError: a table lacks a column that the source reads.
        """

    def spine(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """The rows that profiles are wanted for."""


class DuckEngine:
    """DuckDB over the warehouse's views: the default."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.manifest = warehouse.manifest
        self.connection = warehouse.connect(self.manifest)
        self.connection.execute(_MACROS)

    def facts(self, source: Source) -> nw.LazyFrame[Any]:
        """All facts of a source."""
        return nw.from_native(self.rows(source)).lazy()

    def rows(self, source: Source) -> duckdb.DuckDBPyRelation:
        """All facts of a source, as a relation of this engine."""
        try:
            return self.connection.sql(self.query(source))
        except duckdb.BinderException as error:
            raise unreadable(source, str(error).split("\n")[0]) from None

    def query(self, source: Source) -> str:
        """What asks for all facts of a source."""
        return source.query

    def spine(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """The rows that profiles are wanted for."""
        self.connection.register("spine", rows)
        return nw.from_native(self.connection.sql("SELECT * FROM spine")).lazy()


class PartedEngine(DuckEngine):
    """DuckDB over facts that are read once and laid apart, by part of the customers.

    Without it every part would read the whole warehouse again.
    """

    def __init__(self, warehouse: Warehouse, parts: pa.Table, folder: Path) -> None:
        """Lay apart at first need into a folder; ``parts`` has customer_id and part."""
        super().__init__(warehouse)
        self.connection.register("parts", parts)
        self._folder, self._laid = folder, set[str]()
        self.part = 0

    def query(self, source: Source) -> str:
        """What asks for all facts of a source about the customers of the part in hand."""
        folder = self._folder / source.name
        if source.name not in self._laid:
            self._lay(source, folder)
            self._laid.add(source.name)
        files = [str(file) for file in sorted(folder.glob(f"part={self.part}/*.parquet"))]
        if not files:
            return f"SELECT * FROM ({source.query}) WHERE false"
        named = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        return f"SELECT * FROM read_parquet([{named}], hive_partitioning = false)"

    def _lay(self, source: Source, folder: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        target = str(folder).replace("'", "''")
        self.connection.execute(
            f"COPY (SELECT f.*, p.part FROM ({source.query}) f"
            " JOIN parts p ON f.customer_id = p.customer_id)"
            f" TO '{target}' (FORMAT parquet, PARTITION_BY (part))"
        )


class PolarsEngine:
    """Polars over the facts of one customer."""

    def __init__(self, warehouse: Warehouse, customer_id: str) -> None:
        self._store, self._customer = DuckEngine(warehouse), customer_id
        self._read: dict[str, nw.LazyFrame[Any]] = {}

    @property
    def manifest(self) -> Manifest:
        """The state of the warehouse that is read."""
        return self._store.manifest

    def known_before(self, day: date) -> bool:
        """Whether the bank knew the customer strictly before a day."""
        found = self._store.connection.execute(
            "SELECT 1 FROM customers WHERE customer_id = $1 AND event_day < $2 AND known_day < $2",
            [self._customer, day_number(day)],
        ).fetchall()
        return bool(found)

    def facts(self, source: Source) -> nw.LazyFrame[Any]:
        """All facts of a source about the customer."""
        if source.name not in self._read:
            column = duckdb.ColumnExpression("customer_id")
            theirs = self._store.rows(source).filter(
                column == duckdb.ConstantExpression(self._customer)
            )
            self._read[source.name] = _in_polars(theirs.to_arrow_table())
        return self._read[source.name]

    def spine(self, rows: pa.Table) -> nw.LazyFrame[Any]:
        """The rows that profiles are wanted for."""
        return _in_polars(rows)


def _in_polars(rows: pa.Table) -> nw.LazyFrame[Any]:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return nw.from_native(frame.lazy())


def unreadable(source: Source, fault: str) -> FeatureError:
    """That a source cannot be read, to be told with the name of a feature that needs it."""
    return FeatureError(
        f"source '{source.name}' cannot be read from {', '.join(source.tables)}: {fault}."
        " Load the warehouse again, or complete the table."
    )
