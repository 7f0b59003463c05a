"""The database: one schema on SQLite and PostgreSQL, and plain words when it is away."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from data.database import Database
from data.errors import ConfigurationError, NotReady
from data.schema import API_KEYS, AUDIT, metadata


def tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    before = tables(database)
    database.migrate()
    assert tables(database) == before == {*metadata.tables, "alembic_version"}


def test_two_services_that_start_together_migrate_once(database: Database) -> None:
    with database.writing() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    others = [Database(database.address) for _ in range(4)]
    together(*[other.migrate for other in others])
    for other in others:
        other.engine.dispose()
    assert tables(database) == {*metadata.tables, "alembic_version"}


def together(*works: Callable[[], object]) -> None:
    """Run them in threads; the first error is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_migration_that_breaks_off_leaves_nothing_behind(database: Database) -> None:
    with database.writing() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))

    def power_cut(_: Connection, __: object, statement: str, *___: object) -> None:
        if "CREATE TABLE audit " in statement:
            raise KeyboardInterrupt

    sa.event.listen(database.engine, "before_cursor_execute", power_cut)
    with pytest.raises(KeyboardInterrupt):
        database.migrate()
    assert tables(database) == set()
    sa.event.remove(database.engine, "before_cursor_execute", power_cut)
    database.migrate()
    assert tables(database) == {*metadata.tables, "alembic_version"}


def test_what_fails_halfway_is_not_written_at_all(database: Database) -> None:
    row = {"key_id": "a" * 16, "name": "A", "secret_sha256": "", **dict.fromkeys(WHEN, NOW)}
    twice = sa.insert(API_KEYS).values(row)
    with pytest.raises(IntegrityError), database.writing() as connection:
        assert connection.execute(twice).rowcount == connection.execute(twice).rowcount
    with database.reading() as connection:
        assert connection.execute(sa.select(API_KEYS)).all() == []


WHEN = ("created_at", "expires_at")
NOW = sa.func.current_timestamp()


def test_a_reader_sees_one_moment_however_long_it_reads(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    count = sa.select(sa.func.count()).select_from(AUDIT)
    with database.reading() as connection:
        before = connection.execute(count).scalar()
        with database.writing() as other:
            other.execute(sa.insert(AUDIT).values(**RECORD))
        assert connection.execute(count).scalar() == before
    with database.reading() as connection:
        assert connection.execute(count).scalar() == 1
    database.engine.dispose()


RECORD = {
    "sequence": 1,
    "at": NOW,
    "kind": "book",
    "actor": "",
    "body": "{}",
    "previous": "",
    "digest": "",
    "chain": "main",
    "position": 1,
    "form": 2,
}


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://zhike:s3cret@127.0.0.1:1/zhike",  # nobody listens
        "postgresql+psycopg://zhike:s3cret@nowhere.invalid/zhike",
        "postgresql+psycopg://zhike@127.0.0.1:1/zhike?password=s3cret",
        "postgresql+psycopg://zhike:s3cret@127.0.0.1:99999999/zhike",  # no such port
        "postgresql+psycopg://zhike:s3cret@/zhike?host=/no/such/socket",
        "sqlite:////proc/nowhere/zhike.db",
    ],
)
def test_a_database_that_is_away_is_named_without_its_password(address: str) -> None:
    database = Database(address)
    with pytest.raises(NotReady, match="ZHIKE_DATABASE_URL") as told, database.reading():
        pass
    assert "s3cret" not in str(told.value)
    database.engine.dispose()


@pytest.mark.parametrize(
    "address",
    [
        "s3cret",
        "postgresql+psycopg://zhike:s3cret@127.0.0.1:port/zhike",
        "postgresql+nosuchdriver://zhike:s3cret@127.0.0.1/zhike",
        "mysql+pymysql://zhike:s3cret@127.0.0.1/zhike",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="ZHIKE_DATABASE_URL") as told:
        Database(address)
    assert "s3cret" not in str(told.value)


def test_a_folder_that_cannot_be_written_is_told_as_a_missing_database() -> None:
    database = Database("sqlite:////proc/nowhere/zhike.db")
    with pytest.raises(NotReady, match="ZHIKE_DATABASE_URL"):
        database.migrate()


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "zhike.db"
    file.write_bytes(b"holiday photographs" * 1000)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(NotReady, match="does not answer"):
        database.migrate()
    database.engine.dispose()
    assert file.read_bytes() == b"holiday photographs" * 1000


def test_an_error_of_the_database_does_not_show_whom_it_was_about(database: Database) -> None:
    row = {"key_id": "a" * 16, "name": "Marker", "secret_sha256": "", **dict.fromkeys(WHEN, NOW)}
    with pytest.raises(IntegrityError) as told, database.writing() as connection:
        connection.execute(sa.insert(API_KEYS).values(row | {"created_at": None}))
    assert "[parameters" not in str(told.value)


def test_a_moment_comes_back_in_utc_as_it_went_in(database: Database) -> None:
    taipei = timezone(timedelta(hours=8))
    at = datetime(2026, 3, 1, 7, 59, 59, 123456, taipei)
    with database.writing() as connection:
        connection.execute(sa.insert(AUDIT).values(**RECORD | {"at": at}))
        kept = connection.execute(sa.select(AUDIT.c.at)).scalar_one()
    assert kept == at
    assert kept.utcoffset() == timedelta(0)
