"""Rows accepted by an earlier load that a later one takes out of sight, each with its reason."""

from collections.abc import Iterator

import duckdb

from data.contracts import Table
from data.reading import CHUNK
from data.rejects import Reject
from data.warehouse import Batch, Manifest, Warehouse, Withdrawal


class Withdrawals:
    """What a load withdraws; batches stay as they are, the next manifest names shorter ones.

    A withdrawn row is gone at once from the view of its table in the load's own engine.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, before: Manifest
    ) -> None:
        self.engine, self.warehouse, self.before = connection, warehouse, before
        self._contracts: dict[str, Table] = {}
        connection.execute("CREATE SCHEMA IF NOT EXISTS withdrawn")

    @property
    def counts(self) -> tuple[Withdrawal, ...]:
        """Rows withdrawn so far, by table."""
        counted = {
            name: self.engine.execute(f"SELECT count(*) FROM withdrawn.{name}").fetchall()[0][0]
            for name in self._contracts
        }
        return tuple(Withdrawal(table=name, rows=n) for name, n in counted.items())

    def take(self, contract: Table, rows: str) -> None:
        """Withdraw rows.

        Args:
            rows: query for the key of each and ``reason``.
        """
        name, key = contract.name, ", ".join(contract.key)
        place = f"withdrawn.{name}"
        if self.engine.execute(f"SELECT count(*) FROM ({rows})").fetchall() == [(0,)]:
            return
        if name not in self._contracts:
            self._contracts[name] = contract
            self.engine.execute(
                f"CREATE TABLE {place} AS SELECT {key}, '' AS reason FROM {name} LIMIT 0"
            )
            self.engine.execute(
                f"CREATE OR REPLACE VIEW {name} AS"
                f" SELECT * FROM {self.warehouse.scan(self.before.of(name))}"
                f" ANTI JOIN {place} USING ({key})"
            )
        self.engine.execute(
            f"INSERT INTO {place} SELECT {key}, min(reason) FROM ({rows}) GROUP BY ALL"
        )

    def batches(self) -> tuple[Batch, ...]:
        """The batches of the former manifest, those with withdrawn rows written anew without them."""
        kept = (self._without(b) if b.table in self._contracts else b for b in self.before.batches)
        return tuple(batch for batch in kept if batch)

    def rejects(self) -> list[Reject]:
        """The withdrawn rows by the batch and the row in it where they stood, with their digest."""
        return [
            reject
            for batch in self.before.batches
            if batch.table in self._contracts
            for reject in self._rejects(self._contracts[batch.table], batch)
        ]

    def _without(self, batch: Batch) -> Batch | None:
        key = ", ".join(self._contracts[batch.table].key)
        left = f"FROM {self._numbered(batch)} ANTI JOIN withdrawn.{batch.table} USING ({key})"
        if self.engine.execute(f"SELECT count(*) {left}").fetchall() == [(batch.rows,)]:
            return batch
        kept = self.engine.sql(
            f"SELECT * EXCLUDE (file_row_number) {left} ORDER BY file_row_number"
        ).to_arrow_reader(CHUNK)
        return self.warehouse.write(batch.table, kept, kept.schema)

    def _rejects(self, contract: Table, batch: Batch) -> Iterator[Reject]:
        key = ", ".join(contract.key)
        values = ", ".join(f"b.{column.name}" for column in contract.columns)
        found = self.engine.execute(
            f"SELECT file_row_number + 1, w.reason, sha256(CAST(row({values}) AS VARCHAR))"
            f" FROM {self._numbered(batch)} b JOIN withdrawn.{batch.table} w USING ({key})"
            " ORDER BY 1"
        )
        for row, reason, digest in found.fetchall():
            yield Reject(batch.file, row, key, f"withdrawn: {reason}", digest)

    def _numbered(self, batch: Batch) -> str:
        return self.warehouse.scan((batch,), "file_row_number = true")
