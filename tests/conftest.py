"""Fixtures that every test may ask for."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.database import Database, migrated
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse
from features.identity.run import identify

pytest_plugins = ["pytester", "tests.requirements"]
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="session")
def bank_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a small simulated bank, made once a session; read only."""
    folder = tmp_path_factory.mktemp("bank")
    simulate(folder, customers=1_500, months=48, seed=7)
    return folder


@pytest.fixture(scope="session")
def loaded_home(bank_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose warehouse holds the small bank, its customers identified; read only."""
    home = tmp_path_factory.mktemp("loaded")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(home))
        load(open_source("simulated", bank_files), Warehouse())
        database = migrated()
        identify(Warehouse(), database, actor="tests")
        database.engine.dispose()
    return home


@pytest.fixture(scope="session")
def trained_home(loaded_home: Path) -> Path:
    """The same home with every question trained, promoted and the book scored; read only."""
    from serving.book import score_book
    from training import actors, life
    from training.run import Trained, train

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(loaded_home))
        database = migrated()
        trainer, approver = (actors.available(database, name) for name in ("ann", "ben"))
        for outcome in train(Warehouse(), trainer=trainer.name):
            if isinstance(outcome, Trained):
                life.vouch(database, outcome.name, outcome.version, trainer, approver)
                life.promote(database, outcome.name, outcome.version, actor="tests")
        score_book(Warehouse(), database, actor="tests")
    return loaded_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of the test's own."""
    monkeypatch.setenv("ZHIKE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bank(loaded_home: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The small bank's warehouse; read only."""
    monkeypatch.setenv("ZHIKE_HOME", str(loaded_home))
    return Warehouse()


@pytest.fixture
def served(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The small bank with champions and a published book; its database."""
    monkeypatch.setenv("ZHIKE_HOME", str(trained_home))
    database = Database()
    yield database
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """An empty, migrated database, on SQLite and on PostgreSQL; its keys in the test's own home."""
    if "ZHIKE_HOME" not in os.environ:
        monkeypatch.setenv("ZHIKE_HOME", str(tmp_path / "home"))
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'zhike.db'}"
    else:
        address = request.getfixturevalue("postgres_database")
    made = Database(address)
    made.migrate()
    yield made
    made.engine.dispose()


_status: list[int] = []


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remember how the session went."""
    _status.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave at once: DuckDB 2.0 would list "leaked" types below pytest's summary."""
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[-1])
