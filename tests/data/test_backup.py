"""A backup brings everything back to an empty place, and a damaged one brings nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import URL

from data.audit import append
from data.backup import MANIFEST, backup, restore
from data.database import Database
from data.errors import ConfigurationError, WarehouseError
from data.schema import AUDIT
from data.settings import settings
from tests.requirements import dsn


@pytest.fixture
def kept(home: Path, database: Database) -> Database:
    """A database with records, and a home with a release."""
    for number in range(5):
        append(database, kind="test", actor="tests", body={"number": number}, payload=[number])
    release = settings().releases / "churn" / "1"
    release.mkdir(parents=True)
    (release / "model.txt").write_text("a model")
    return database


@pytest.fixture
def elsewhere(
    kept: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """An empty place of the same kind."""
    monkeypatch.setenv("ZHIKE_HOME", str(tmp_path / "restored"))
    if kept.engine.dialect.name == "sqlite":
        place = Database(f"sqlite:///{tmp_path / 'restored' / 'zhike.db'}")
        yield place
        place.engine.dispose()
        return
    cluster: URL = request.getfixturevalue("postgres_url")
    with psycopg.connect(dsn(cluster), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored TEMPLATE template0")
        place = Database(cluster.set(database="restored").render_as_string(hide_password=False))
        yield place
        place.engine.dispose()
        connection.execute("DROP DATABASE restored WITH (FORCE)")


def records(database: Database) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(AUDIT).order_by(AUDIT.c.at))]


@pytest.fixture
def copied(kept: Database, tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    backup(kept, folder)
    return folder


def test_f82_what_is_restored_is_what_was_backed_up(
    home: Path, kept: Database, copied: Path, elsewhere: Database
) -> None:
    append(kept, kind="later", actor="tests", body={})
    assert restore(elsewhere, copied) == 2
    assert records(elsewhere) == records(kept)[:5]
    elsewhere.migrate()
    shutil.copytree(home / "keys", settings().home / "keys")  # kept apart from what they lock
    append(elsewhere, kind="after", actor="tests", body={})
    assert len(records(elsewhere)) == 6
    assert (settings().releases / "churn" / "1" / "model.txt").read_text() == "a model"


def test_f82_a_damaged_backup_restores_nothing(copied: Path, elsewhere: Database) -> None:
    (copied / "releases" / "churn" / "1" / "model.txt").write_text("another")
    with pytest.raises(WarehouseError, match="nothing is restored"):
        restore(elsewhere, copied)
    assert not settings().releases.exists()


def test_f82_a_backup_without_its_manifest_is_none(copied: Path, elsewhere: Database) -> None:
    (copied / MANIFEST).unlink()
    with pytest.raises(WarehouseError, match="no whole backup"):
        restore(elsewhere, copied)


def test_f82_nothing_is_written_over(kept: Database, copied: Path, home: Path) -> None:
    with pytest.raises(ConfigurationError, match="not empty"):
        backup(kept, copied)
    with pytest.raises(ConfigurationError, match="exists"):
        restore(kept, copied)
