"""A private PostgreSQL cluster, durable as in production, reachable through its own socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from data.database import Database
from data.errors import ConfigurationError, NotReady
from data.schema import metadata

PATIENCE = 30.0  # seconds until it answers
COPIED = 2_000  # rows at once


def programs() -> Path:
    """The folder of PostgreSQL's server programs, the newest where there are several.

    Raises:
        ConfigurationError: they are not installed.
    """
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(installed, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ConfigurationError(
        "PostgreSQL's server programs (initdb) are not installed; apt install postgresql, or ask"
        " for --database sqlite."
    )


@contextmanager
def cluster() -> Iterator[str]:
    """The address of an empty database; the cluster is stopped and deleted afterwards."""
    found, owner = programs(), _owner()
    user, group = (owner.pw_uid, owner.pw_gid) if owner else (None, None)
    extra: list[int] | None = [] if owner else None
    # A socket's path may have 107 bytes: not under a long folder name.
    with tempfile.TemporaryDirectory(prefix="zhike-pg-", dir="/tmp") as name:
        folder = Path(name)
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [found / "initdb", "--pgdata", folder / "data", "--username", "zhike", "--auth",
             "trust", "--encoding", "UTF8", "--locale", "C"],
            check=True, capture_output=True, cwd=folder, user=user, group=group, extra_groups=extra,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [found / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="],
                stdout=log, stderr=log, cwd=folder, user=user, group=group, extra_groups=extra,
            )  # fmt: skip
        try:
            address = f"postgresql+psycopg://zhike@/postgres?host={folder}"
            _wait(server, address, folder / "log")
            yield address
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
            server.wait(timeout=30)


def _owner() -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as: it refuses root."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]


def _wait(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    database = Database(address)
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                with database.reading():
                    return
            except NotReady:
                time.sleep(0.05)
    finally:
        database.engine.dispose()
    raise NotReady(f"PostgreSQL did not start: {log.read_text()[-500:]}")


def copied(source: Database, target: Database) -> None:
    """Copy every row of a migrated database, but its audit, into another that is empty."""
    target.migrate()
    tables = [table for table in metadata.sorted_tables if not table.name.startswith("audit")]
    with source.reading() as read, target.writing() as write:
        for table in tables:
            rows = read.execution_options(yield_per=COPIED).execute(sa.select(table)).mappings()
            for some in rows.partitions():
                write.execute(sa.insert(table), [dict(row) for row in some])
            counted = table.autoincrement_column
            if counted is not None and target.engine.dialect.name == "postgresql":
                _count_on(write, table.name, counted.name)


def _count_on(connection: sa.Connection, table: str, column: str) -> None:
    """Have the sequence behind a column go on after the highest number that was copied."""
    sequence = sa.func.pg_get_serial_sequence(table, column)
    numbers: sa.ColumnClause[int] = sa.column(column)
    highest = sa.select(sa.func.max(numbers)).select_from(sa.table(table))
    found = connection.execute(sa.select(sequence, highest.scalar_subquery())).one()
    if None not in tuple(found):
        connection.execute(sa.select(sa.func.setval(*found)))
