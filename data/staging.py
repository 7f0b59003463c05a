"""Rows on their way in: typed, checked against other rows, and accounted for by file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from data.checking import Clock, check_columns, checked
from data.contracts import SQL_TYPE, Table
from data.errors import ContractBroken, SourceError
from data.reading import chunks_of, columns_in, digests_of, state_of
from data.rejects import Reject
from data.sources.source import Delivery
from data.warehouse import SourceFile, file_digest

# A staged row's ``line`` is its file's place among the files of its table, and its line therein.
_FILE = 1 << 32
_HELD, _ASIDE = -1, -2
_CONTRADICTED = "another row has the same key and says otherwise"
_OUTDATED = "another row has the same key, says otherwise and was known later"


@dataclass(eq=False)
class Arrival:
    """One delivered file on its way in, and what became of its rows so far."""

    delivery: Delivery
    name: str
    sha256: str
    state: tuple[int, int, int]
    rows_in: int = 0
    duplicate: int = 0
    faults: list[tuple[int, str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, delivery: Delivery, folder: Path) -> "Arrival":
        """A file as it is found.

        Raises:
            SourceError: it cannot be read, or is not what the sender vouches for.
        """
        path = delivery.path
        try:
            state, digest = state_of(path), file_digest(path)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from None
        if delivery.sha256 not in ("", digest):
            raise SourceError(
                f"{path} is damaged: its SHA-256 is {digest[:12]}… where the sender vouches for"
                f" {delivery.sha256[:12]}…. Have it sent again; nothing was loaded."
            )
        return cls(delivery, shown(path, folder), digest, state)

    @property
    def rejected(self) -> int:
        """Rows set aside; a row with several faults counts once."""
        return len({line for line, *_ in self.faults})

    def check_unchanged(self, *, to_the_byte: bool = False) -> None:
        """Refuse a file that was written to or replaced while it was read.

        Args:
            to_the_byte: do not trust inode, size and time of change, read it again.
        """
        path = self.delivery.path
        try:
            same = state_of(path) == self.state
            same = same and not (to_the_byte and file_digest(path) != self.sha256)
        except OSError:
            same = False
        if not same:
            raise SourceError(
                f"{path} changed while it was read. Deliver it when it is complete;"
                " nothing was loaded."
            )

    def rejects(self) -> list[Reject]:
        """The faults with the digests of the raw rows, by line."""
        digests = digests_of(self.delivery, {line for line, *_ in self.faults})
        by_line = sorted(self.faults, key=lambda fault: fault[0])
        return [
            Reject(self.name, line, name, why, digests.get(line, "")) for line, name, why in by_line
        ]

    def accounted(self, accepted: int) -> SourceFile:
        """The reconciliation: rows in = accepted + rejected + duplicate."""
        if self.rows_in != accepted + self.rejected + self.duplicate:
            raise RuntimeError(f"{self.name} does not reconcile: {accepted} {self}")
        return SourceFile(
            file=self.name,
            sha256=self.sha256,
            rows_in=self.rows_in,
            accepted=accepted,
            rejected=self.rejected,
            duplicate=self.duplicate,
        )


class Staged:
    """The rows of all files of one table, in the engine's table ``staged.NAME``."""

    def __init__(
        self, engine: duckdb.DuckDBPyConnection, contract: Table, arrivals: Sequence[Arrival]
    ) -> None:
        self.engine, self.contract, self.arrivals = engine, contract, tuple(arrivals)
        self.place = f"staged.{contract.name}"
        columns = ", ".join(f"{c.name} {SQL_TYPE[c.kind]}" for c in contract.columns)
        engine.execute("CREATE SCHEMA IF NOT EXISTS staged")
        engine.execute(f"CREATE TABLE {self.place} ({columns}, line BIGINT)")

    def read(self, arrival: Arrival, clock: Clock) -> list[str]:
        """Stage the sound rows of a file; returns the columns that the contract does not know."""
        delivery = arrival.delivery
        extra = check_columns(str(delivery.path), columns_in(delivery), self.contract)
        base = self.arrivals.index(arrival) * _FILE
        for chunk in chunks_of(delivery):
            arrival.rows_in += chunk.count
            arrival.faults += [(line, "", reason) for line, reason in chunk.broken]
            try:
                self._type(arrival, chunk.rows, clock, base)
            except ContractBroken as error:
                raise ContractBroken(f"{delivery.path}: {error}") from None
        arrival.check_unchanged()
        return extra

    def reject_orphans(self, known: dict[str, str]) -> int:
        """Set aside rows that refer to nothing.

        Args:
            known: a column that refers to another table -> a query for the values it may have.
        """
        faults = [
            (line, column, self.contract.no_such_row(column))
            for column, query in known.items()
            for line in self._lines(
                f"SELECT line FROM {self.place} WHERE {column} IS NOT NULL"
                f" AND {column} NOT IN ({query})"
            )
        ]
        self._take_out([line for line, *_ in faults])
        return self._note(faults)

    def settle_keys(self, held: str | None, aside: str | None) -> None:
        """Count repeated rows once; of rows that contradict each other, keep the one known last.

        What is kept depends on all rows ever seen of a key, not on the order of their arrival:
        of a dated table the row that was known last; none where two of those differ, and
        none of an undated table. The rest is set aside, and so is a row accepted earlier.

        Args:
            held: the table of rows accepted earlier.
            aside: query for the rows that contradicted another row earlier.
        """
        self._judge(held, aside)
        repeated = self.engine.execute(
            f"SELECT line // {_FILE}, count(*) FROM claims JOIN verdicts USING ({self.key})"
            " WHERE line > kept AND line >= 0 AND said = winner GROUP BY 1"
        ).fetchall()
        for number, count in repeated:
            self.arrivals[number].duplicate += count
        lost = (
            f"SELECT line, reason FROM claims JOIN verdicts USING ({self.key})"
            " WHERE line >= 0 AND said IS DISTINCT FROM winner"
        )
        self._set_aside(lost, held, aside)
        found = self.engine.execute(lost).fetchall()
        self._note([(line, self.key, reason) for line, reason in found])
        self.engine.execute(
            f"DELETE FROM {self.place} WHERE line IN (SELECT line FROM claims"
            f" JOIN verdicts USING ({self.key}) WHERE kept IS NULL OR line <> kept)"
        )

    @property
    def key(self) -> str:
        """The key columns, as a query lists them."""
        return ", ".join(self.contract.key)

    @property
    def content(self) -> str:
        """The contract's columns, as a query lists them."""
        return ", ".join(c.name for c in self.contract.columns)

    @property
    def outvoted(self) -> str:
        """Query for the keys of rows accepted earlier that no longer stand, and why."""
        return f"SELECT {self.key}, reason FROM verdicts WHERE outvoted"

    def _judge(self, held: str | None, aside: str | None) -> None:
        """Into ``claims`` the rows of every key said twice, into ``verdicts`` which of them stands.

        A staged row has its line; one accepted earlier has -1, one set aside earlier has -2.
        """
        known = self.contract.clocks[1] if self.contract.dated else "0"
        said = f"{known} AS known, hash({self.content}) AS said"
        rows = f"SELECT {self.key}, line, {said} FROM {self.place}"
        for line, earlier in ((_HELD, held), (_ASIDE, aside)):
            if earlier:
                rows += (
                    f" UNION ALL SELECT {self.key}, {line}, {said} FROM {earlier}"
                    f" SEMI JOIN {self.place} USING ({self.key})"
                )
        self.engine.execute(
            f"CREATE OR REPLACE TEMP TABLE claims AS SELECT * FROM ({rows}) SEMI JOIN (SELECT"
            f" {self.key} FROM ({rows}) GROUP BY {self.key} HAVING count(*) > 1) USING ({self.key})"
        )
        self.engine.execute(
            f"""CREATE OR REPLACE TEMP TABLE verdicts AS
            WITH newest AS (SELECT {self.key}, max(known) AS known FROM claims GROUP BY ALL),
            best AS (
                SELECT {self.key}, CASE WHEN min(said) = max(said) THEN min(said) END AS winner
                FROM claims JOIN newest USING ({self.key}, known) GROUP BY ALL
            )
            SELECT {self.key}, winner,
                min(line) FILTER (said = winner AND line <> {_ASIDE}) AS kept,
                bool_or(line = {_HELD} AND said IS DISTINCT FROM winner) AS outvoted,
                CASE WHEN winner IS NULL THEN '{_CONTRADICTED}' ELSE '{_OUTDATED}' END AS reason
            FROM claims JOIN best USING ({self.key}) GROUP BY ALL"""
        )

    def _set_aside(self, lost: str, held: str | None, aside: str | None) -> None:
        """Into ``aside.NAME`` what lost and is not there yet, so that it is heard again."""
        rows = f"SELECT {self.content} FROM {self.place} SEMI JOIN ({lost}) USING (line)"
        if held:
            rows += (
                f" UNION SELECT {self.content} FROM {held} SEMI JOIN ({self.outvoted})"
                f" USING ({self.key})"
            )
        if aside:
            rows += f" EXCEPT SELECT {self.content} FROM {aside}"
        self.engine.execute("CREATE SCHEMA IF NOT EXISTS aside")
        self.engine.execute(
            f"CREATE TABLE aside.{self.contract.name} AS SELECT DISTINCT * FROM ({rows})"
        )

    def drop(self, condition: str, reason: str) -> int:
        """Set aside the rows that meet a condition."""
        lines = self._lines(f"SELECT line FROM {self.place} WHERE {condition}")
        self._take_out(lines)
        return self._note([(line, "", reason) for line in lines])

    def accounts(self) -> list[SourceFile]:
        """The reconciliation of every file, counted in the engine."""
        counted = dict(
            self.engine.execute(
                f"SELECT line // {_FILE}, count(*) FROM {self.place} GROUP BY 1"
            ).fetchall()
        )
        return [a.accounted(counted.get(number, 0)) for number, a in enumerate(self.arrivals)]

    def _type(self, arrival: Arrival, rows: pa.Table, clock: Clock, base: int) -> None:
        checked(self.engine, rows, self.contract, clock)
        self.engine.execute(
            f"INSERT INTO {self.place} SELECT {self.content}, line + {base} FROM checked"
            " WHERE faults IS NULL"
        )
        faulty = self.engine.execute(
            "SELECT line, unnest(faults, recursive := true) FROM checked WHERE faults IS NOT NULL"
        ).fetchall()
        arrival.faults += [(line, sys.intern(c), sys.intern(why)) for line, c, why in faulty]

    def _lines(self, query: str) -> list[int]:
        return [line for (line,) in self.engine.execute(query).fetchall()]

    def _take_out(self, lines: list[int]) -> None:
        if lines:
            self.engine.register("gone", pa.table({"line": pa.array(lines, pa.int64())}))
            self.engine.execute(f"DELETE FROM {self.place} WHERE line IN (SELECT line FROM gone)")
            self.engine.unregister("gone")

    def _note(self, faults: list[tuple[int, str, str]]) -> int:
        for line, column, reason in faults:
            number, own = divmod(line, _FILE)
            self.arrivals[number].faults.append((own, column, reason))
        return len(faults)


def shown(path: Path, folder: Path) -> str:
    """A file's name in its folder, fit to be printed and stored: nothing in it is invisible."""
    name = path.relative_to(folder).as_posix()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
