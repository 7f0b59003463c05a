"""Immutable Parquet batches behind one manifest that is replaced in one move."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from data.contracts import Table, typed_nulls
from data.errors import WarehouseError
from data.settings import settings
from data.tables import CANONICAL

ROW_GROUP = 122_880
_DRAFT = ".draft-"
# What identification derives: which record is whose, and each customer's best known attributes.
CROSSWALK, GOLDEN_RECORDS = "crosswalk", "golden_records"
CONTRIBUTIONS = "contributions"
_engines = count(1)


class Batch(BaseModel):
    """One Parquet file of one table, as the manifest vouches for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    file: str
    rows: int
    sha256: str


class SourceFile(BaseModel):
    """What became of one delivered file: rows_in = accepted + rejected + duplicate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    rows_in: int
    accepted: int
    rejected: int
    duplicate: int


class Withdrawal(BaseModel):
    """How many rows accepted earlier a load took out of a table again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows: int


class Day(BaseModel):
    """A day of a table that is delivered in daily files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    day: date


class Manifest(BaseModel):
    """All that is visible in the warehouse; its digest is the lineage of what is built on it.

    Attributes:
        batches: what can be read; rows of a table = accepted by ``files`` - ``withdrawn``.
        aside: rows that contradict another row of their key; they are heard when it comes again.
        gaps: days between the first and the last daily file of a table that are missing.
        late: days that came only after a later day had been loaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = ""
    zone: str = "UTC"
    batches: tuple[Batch, ...] = ()
    rejects: tuple[Batch, ...] = ()
    files: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()
    aside: tuple[Batch, ...] = ()
    withdrawn: tuple[Withdrawal, ...] = ()
    gaps: tuple[Day, ...] = ()
    late: tuple[Day, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's canonical JSON."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """Canonical JSON: sorted keys, no blanks."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def of(self, table: str) -> tuple[Batch, ...]:
        """The batches of one table, oldest first."""
        return tuple(batch for batch in self.batches if batch.table == table)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that have rows."""
        return tuple(sorted({batch.table for batch in self.batches}))


class Warehouse:
    """The warehouse in a folder; readers need no lock, writers queue on one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings().warehouse
        self._verified: set[str] = set()

    @property
    def manifest(self) -> Manifest:
        """What is visible now; an empty manifest before the first load.

        Raises:
            WarehouseError: the manifest cannot be read.
        """
        return self._visible[0]

    @property
    def digest(self) -> str:
        """Digest of the manifest that is visible now; costs a look at the file's stamp.

        Raises:
            WarehouseError: the manifest cannot be read.
        """
        return self._visible[1]

    @property
    def _visible(self) -> tuple[Manifest, str]:
        path = self.folder / "manifest.json"
        try:
            told = path.stat()
        except FileNotFoundError:
            return _NOTHING
        return _manifest(path, (told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns))

    def commit(self, manifest: Manifest) -> str:
        """Make ``manifest`` the visible one, keeping it under its digest; returns the digest."""
        text = manifest.text.encode()
        kept = self.folder / "manifests" / f"{manifest.digest}.json"
        replace_file(kept, text)
        replace_file(self.folder / "manifest.json", text)
        return manifest.digest

    def write(
        self, table: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Batch | None:
        """Write rows as one immutable file, not visible until a manifest names it.

        The same rows give the same bytes, however they are cut into batches.

        Returns:
            The batch, or None when there were no rows.
        """
        folder = self.folder / "batches" / table
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{_DRAFT}{os.getpid()}-{table}.parquet"
        rows = 0
        try:
            with pq.ParquetWriter(
                draft, schema, compression="zstd", write_page_checksum=True
            ) as writer:
                for group in _row_groups(batches, schema):
                    writer.write_table(group, row_group_size=ROW_GROUP)
                    rows += group.num_rows
            if not rows:
                return None
            digest = file_digest(draft)
            name = f"{digest[:24]}.parquet"
            flush(draft)
            draft.replace(folder / name)
            flush(folder)
        finally:
            draft.unlink(missing_ok=True)
        return Batch(table=table, file=f"batches/{table}/{name}", rows=rows, sha256=digest)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Hold the warehouse's one write lock; gives a folder for what does not fit in memory.

        What a writer that was killed has left behind is removed first.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        spill = self.folder / ".spill"
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(spill, ignore_errors=True)
            for draft in self.folder.glob(f"batches/*/{_DRAFT}*"):
                draft.unlink(missing_ok=True)
            try:
                yield spill
            finally:
                shutil.rmtree(spill, ignore_errors=True)

    def connect(
        self, manifest: Manifest | None = None, *, resolved: bool = True
    ) -> duckdb.DuckDBPyConnection:
        """An engine of this process with one view per table; one without rows is empty.

        Args:
            manifest: the state to read; the visible one by default.
            resolved: show persons instead of the records of source systems, where identified.

        Raises:
            WarehouseError: there is nothing loaded, or a file is not what the manifest vouches for.
        """
        manifest = manifest or self.manifest
        if not manifest.batches:
            raise WarehouseError(
                f"the warehouse {self.folder} is empty. Load something first:"
                " ./zhike data load --source canonical DIR"
            )
        connection = engine(self.folder / f".spill-{os.getpid()}-{next(_engines)}")
        self.show(connection, manifest, resolved=resolved)
        return connection

    def show(
        self, connection: duckdb.DuckDBPyConnection, manifest: Manifest, *, resolved: bool
    ) -> None:
        """Define the views of a state; a table without rows is empty.

        Resolved, ``customer_id`` is the person's wherever the crosswalk knows the record, a fact
        counts as known no sooner than whose it is, and ``customers`` are the golden records.

        Raises:
            WarehouseError: a file is not what the manifest vouches for.
        """
        views = {c.name: _nothing(c) for c in CANONICAL}
        for table in manifest.tables:
            views[table] = f"SELECT * FROM {self.scan(manifest.of(table))}"
        if resolved and CROSSWALK in views:
            views = _of_persons(views)
        connection.execute(
            ";".join(f"CREATE VIEW {name} AS {rows}" for name, rows in views.items())
        )

    def scan(self, batches: Iterable[Batch], options: str = "") -> str:
        """The rows of some batches as a table function of the engine.

        Raises:
            WarehouseError: a file is not what the manifest vouches for.
        """
        files = [str(self._verify(batch)) for batch in batches]
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        return f"read_parquet([{listed}]{options and ', ' + options})"

    def frame(self, query: str, **tables: pd.DataFrame) -> pd.DataFrame:
        """The answer to a query over the visible tables and the frames given by name."""
        connection = self.connect()
        for name, rows in tables.items():
            connection.register(name, pa.Table.from_pandas(rows, preserve_index=False))
        answer: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
        return answer

    def unidentified(self) -> int:
        """Records that no run of identification has seen, where several systems keep them."""
        manifest = self.manifest
        if "customers" not in manifest.tables:
            return 0
        known = (
            f"SELECT record_id FROM {CROSSWALK}" if CROSSWALK in manifest.tables else "SELECT ''"
        )
        [(records,)] = (
            self.connect(manifest, resolved=False)
            .sql(
                "SELECT CASE WHEN count(DISTINCT system) > 1 THEN count(DISTINCT customer_id)"
                f" FILTER (customer_id NOT IN ({known})) ELSE 0 END FROM customers"
            )
            .fetchall()
        )
        return int(records)

    def rejects(self, limit: int) -> list[tuple[str, int, str, str]]:
        """The newest rows set aside: file, line, column, reason."""
        found: list[tuple[str, int, str, str]] = []
        for batch in reversed(self.manifest.rejects):
            for row in pq.read_table(self._verify(batch)).to_pylist():
                if len(found) < limit:
                    found.append((row["file"], row["line"], row["column"], row["reason"]))
        return found

    def _verify(self, batch: Batch) -> Path:
        path = self.folder / batch.file
        if batch.sha256 in self._verified:
            return path
        if not path.exists() or file_digest(path) != batch.sha256:
            state = "damaged" if path.exists() else "missing"
            raise WarehouseError(
                f"{path} is {state}: the manifest vouches for SHA-256 {batch.sha256[:12]}…."
                " Restore it from a backup or load its source again."
            )
        self._verified.add(batch.sha256)
        return path


_NOTHING = (Manifest(), Manifest().digest)


@lru_cache(maxsize=8)
def _manifest(path: Path, stamp: tuple[int, ...]) -> tuple[Manifest, str]:
    """A manifest and its digest; a file is replaced, never altered, so its stamp tells it."""
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise WarehouseError(
            f"{path} is damaged ({type(error).__name__}). The last good one is the newest"
            f" file in {path.parent / 'manifests'}; copy it back."
        ) from None
    return manifest, manifest.digest


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch]).cast(schema)])
        while waiting.num_rows >= ROW_GROUP:
            yield waiting.slice(0, ROW_GROUP).combine_chunks()
            waiting = waiting.slice(ROW_GROUP)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _nothing(contract: Table) -> str:
    days = ", CAST(NULL AS INTEGER) AS event_day, CAST(NULL AS INTEGER) AS known_day"
    return f"SELECT {typed_nulls(contract)}{days if contract.dated else ''} WHERE false"


def _of_persons(views: dict[str, str]) -> dict[str, str]:
    """The views with each record's person in the place of the record."""
    owned = {t.name for t in CANONICAL if any(c.name == "customer_id" for c in t.columns)}
    shown = {"owners": _OWNERS}
    for name, rows in views.items():
        shown[name] = _RESOLVED.format(rows=rows) if name in owned | {CONTRIBUTIONS} else rows
    shown["customers"] = (
        f"FROM {GOLDEN_RECORDS} UNION ALL BY NAME FROM ({views['customers']}) r"
        " ANTI JOIN owners o ON o.record_id = r.customer_id"
    )
    return {name: shown[name] for name in (CROSSWALK, GOLDEN_RECORDS, "owners", *views)}


_OWNERS = f"""
    SELECT record_id, arg_max(customer_id, run) AS customer_id, arg_max(known_day, run) AS known_day
    FROM {CROSSWALK} GROUP BY record_id
"""
_RESOLVED = """
    SELECT r.* REPLACE (
        coalesce(o.customer_id, r.customer_id) AS customer_id,
        greatest(r.known_day, o.known_day) AS known_day)
    FROM ({rows}) r LEFT JOIN owners o ON o.record_id = r.customer_id
"""


def engine(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB with the settings every query of ours runs under.

    Args:
        spill: folder, made at need, for what does not fit in memory; by default a temporary one.
    """
    folder = spill or Path(gettempdir()) / f"zhike-spill-{os.getpid()}-{next(_engines)}"
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": settings().threads,
            "memory_limit": f"{settings().memory_gb}GB",
            "temp_directory": str(folder),
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    # DuckDB 2.0 loops over the left side of an as-of join that it takes to be small; its guess
    # is wrong for rows made by a join, and 2 seconds become 10 minutes.
    connection.execute("SET asof_loop_join_threshold = 0")
    return connection


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Have the operating system write a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        flush(draft)
        draft.replace(path)
        flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


class JsonText(str):
    """JSON text that is kept as it is."""

    __slots__ = ()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks, the form that digests are taken of."""
    if isinstance(value, JsonText):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
