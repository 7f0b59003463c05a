"""A database that hangs, dies, fills up or is taken away: never a hang, never a lie, and back again."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL
from sqlalchemy.engine.interfaces import ReflectedColumn

from data.audit import append
from data.database import MIGRATIONS, Database
from data.errors import NotReady
from data.schema import AUDIT, metadata
from tests.requirements import (
    demand,
    dsn,
    postgres_programs,
    start_postgres,
    unprivileged_user,
    wait_until_it_answers,
)

PATIENCE = 0.5


def write(database: Database) -> None:
    append(database, kind="test", actor="tests", body={"filling": "x" * 2_000})


def records(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()


def again(work: Callable[[], object]) -> None:
    """Try until it works."""
    for _ in range(200):
        try:
            work()
        except NotReady:
            time.sleep(0.05)
        else:
            return
    pytest.fail("it did not come back")


class Server:
    """A private PostgreSQL that a test may harm."""

    def __init__(self, folder: Path) -> None:
        programs, self.owner = postgres_programs(), unprivileged_user()
        assert programs is not None
        self.programs, self.folder = programs, folder
        if self.owner:
            os.chown(folder, self.owner.pw_uid, self.owner.pw_gid)
        self.url = URL.create(
            "postgresql+psycopg", "zhike", database="postgres", query={"host": str(folder)}
        )
        self.process = start_postgres(programs, folder, self.owner)
        wait_until_it_answers(self.process, self.url, folder / "log")
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.start()  # with commits that last
        wait_until_it_answers(self.process, self.url, folder / "log")

    def start(self, *options: str) -> None:
        owner = self.owner
        user, group = (owner.pw_uid, owner.pw_gid) if owner else (None, None)
        extra: list[int] | None = [] if owner else None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
                 "-c", "listen_addresses=", "-c", "fsync=off", *options],
                stdout=log, stderr=log, cwd=self.folder, user=user, group=group, extra_groups=extra,
            )  # fmt: skip

    def stop(self) -> None:
        """At once, as pg_ctl stop -m immediate does."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def everybody(self) -> list[int]:
        """The server's processes."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]


@pytest.fixture
def server() -> Iterator[Server]:
    demand("postgres")
    with tempfile.TemporaryDirectory(prefix="zhike-pg-", dir="/tmp") as folder:
        made = Server(Path(folder))
        try:
            yield made
        finally:
            for process in made.everybody() if made.process.poll() is None else []:
                os.kill(process, signal.SIGCONT)
            made.stop()


@pytest.mark.postgres
def test_f54_postgresql_that_hangs_dies_or_is_full_is_not_ready_and_comes_back(
    server: Server,
) -> None:
    address = server.url.render_as_string(hide_password=False)
    database = Database(address, patience=PATIENCE)
    database.migrate()
    write(database)

    stopped = server.everybody()
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(NotReady, match="does not answer"):
            write(database)
    for process in stopped:
        os.kill(process, signal.SIGCONT)
    again(lambda: write(database))

    server.stop()
    with pytest.raises(NotReady):
        write(database)
    server.start("-c", "max_connections=5", "-c", "superuser_reserved_connections=0")
    again(lambda: write(database))

    database.engine.dispose()
    others = [psycopg.connect(dsn(server.url)) for _ in range(5)]
    with pytest.raises(NotReady):
        write(database)
    for other in others:
        other.close()
    again(lambda: write(database))
    assert records(database) >= 4
    database.engine.dispose()


def test_f49_a_pool_of_one_and_a_slow_query_refuse_and_do_not_deadlock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_DATABASE_POOL", "1")
    small = Database(database.address, patience=PATIENCE)
    taken, let_go = threading.Event(), threading.Event()

    def slow() -> None:
        with small.reading():
            taken.set()
            let_go.wait(60)

    holder = threading.Thread(target=slow)
    holder.start()
    assert taken.wait(60)
    with pytest.raises(NotReady):
        records(small)
    let_go.set()
    holder.join()
    assert records(small) == 0
    small.engine.dispose()


@pytest.mark.postgres
def test_f54_a_statement_that_takes_too_long_is_given_up_by_both_sides(
    postgres_database: str,
) -> None:
    database = Database(postgres_database, patience=PATIENCE)
    with pytest.raises(NotReady), database.reading() as connection:
        connection.execute(sa.text("SELECT pg_sleep(30)"))
    with database.reading() as connection:
        busy = sa.text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)'"
                       " AND state = 'active' AND pid <> pg_backend_pid()")  # fmt: skip
        again(lambda: _none(connection.execute(busy).scalar_one()))
    database.engine.dispose()


def _none(count: int) -> None:
    if count:
        raise NotReady


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    yield database
    database.engine.dispose()


def test_f54_a_file_that_was_taken_away_takes_no_record(embedded: Database) -> None:
    path = Path(str(embedded.engine.url.database))
    write(embedded)
    path.rename(path.with_suffix(".away"))
    for _ in range(2):
        with pytest.raises(NotReady):
            write(embedded)
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    write(embedded)
    assert records(embedded) == 2


def test_f54_a_file_that_somebody_else_locks_is_not_ready(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'zhike.db'}"
    database, other = Database(address, patience=PATIENCE), Database(address)
    other.migrate()
    with other.reading() as connection:
        connection.rollback()
        connection.connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotReady):
            write(database)
        connection.connection.execute("ROLLBACK")
    write(database)
    assert records(database) == 1
    for one in (database, other):
        one.engine.dispose()


def test_f56_a_full_disk_takes_no_record_and_recovers(embedded: Database) -> None:
    write(embedded)
    path = Path(f"{embedded.engine.url.database}-wal")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 8_192, kept[1]))
    try:
        with pytest.raises(NotReady):
            fill(embedded)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    written = records(embedded)
    write(embedded)
    assert records(embedded) == written + 1
    with embedded.reading() as connection:
        assert connection.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"


def fill(database: Database) -> None:
    for _ in range(100):
        write(database)


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from data.database import Database
database = Database(sys.argv[1])
sa.event.listen(database.engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
database.migrate()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without a schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'zhike.db'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


def test_f81_a_migration_that_is_killed_leaves_nothing_and_runs_again(empty: str) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, empty], check=False)
    assert ended.returncode == -signal.SIGKILL
    database = Database(empty)
    with database.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}
    database.migrate()
    write(database)
    assert records(database) == 1
    database.engine.dispose()


def test_f81_the_code_before_works_on_the_schema_of_now(empty: str) -> None:
    """What the code before knew still stands, and nothing is demanded that it would leave out."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_revision("head")
    database = Database(empty)
    database.migrate(str(newest.down_revision))
    before = columns(database)
    database.migrate()
    now = columns(database)
    for table, known in before.items():
        assert known.keys() <= now[table].keys()
        fresh = [now[table][name] for name in now[table].keys() - known.keys()]
        assert [c["name"] for c in fresh if not c["nullable"] and c["default"] is None] == []
    assert metadata.tables.keys() <= now.keys()
    database.engine.dispose()


def columns(database: Database) -> dict[str, dict[str, ReflectedColumn]]:
    """Table -> name -> column, as the database has them."""
    with database.reading() as connection:
        looked = sa.inspect(connection)
        return {
            table: {column["name"]: column for column in looked.get_columns(table)}
            for table in looked.get_table_names()
        }
