"""Fixtures of the features floor: an empty bank to write by hand, a simulated one to spoil."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data.database import Database
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse
from features.spine import customers_as_of, extent, month_ends
from tests.features.dated_bank import DatedBank
from tests.features.systems import Systems


@pytest.fixture
def hand(tmp_path: Path) -> DatedBank:
    """A bank with customer C1 and current account A1."""
    return DatedBank(tmp_path)


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[Systems]:
    """An empty bank of several systems, with a database."""
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    yield Systems(tmp_path, database)
    database.engine.dispose()


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A hundred simulated customers over three years; read only."""
    folder = tmp_path_factory.mktemp("little")
    simulate(folder / "files", customers=100, months=36, seed=11)
    warehouse = Warehouse(folder / "warehouse")
    load(open_source("simulated", folder / "files"), warehouse)
    return warehouse


@pytest.fixture(scope="session")
def spine(little: Warehouse) -> pd.DataFrame:
    """Every customer at two month-ends, half a year before the data end."""
    days = month_ends(extent(little)[1], 8)[:2]
    return customers_as_of(little, days)
