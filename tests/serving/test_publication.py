"""Published profiles: switched at once, never half of one and half of another."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from data.audit import records
from data.database import Database
from data.errors import NotReady, UnknownCustomer
from data.schema import BOOK_SCORES, PROFILES, PUBLICATIONS
from data.warehouse import Warehouse
from features.batches import build_snapshot
from features.profile import Profiles
from features.snapshot import Lineage, Snapshot
from features.spine import customers_as_of, extent, month_ends
from serving import __main__ as serving
from serving.publication import CHUNK, Entry, chunks, publish, published

DAY = date(2026, 6, 30)
STANDING = {"churn": "scorable"}


def put(database: Database, value: float, customers: int = 3, manifest: str = "now") -> None:
    profiles, snapshot = made(value, customers, manifest)
    found = chunks(profiles, [STANDING] * customers)
    publish(database, snapshot, DAY, found, Entry("publication", "test", {}))


def made(value: float, customers: int, manifest: str) -> tuple[Profiles, Snapshot]:
    frame = pd.DataFrame({"customer_id": [f"C{n}" for n in range(customers)], "as_of": DAY})
    frame["age"] = value
    frame["use"] = -value
    profiles = Profiles(frame, ("age", "use"), {}, manifest)
    told = Lineage(manifest, profiles.features, {}, {})
    return profiles, Snapshot(Path(), f"snapshot of {value}", told)


def count(database: Database, table: sa.Table) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_before_any_publication_nobody_is_unknown_but_the_service_is_not_ready(
    database: Database,
) -> None:
    with pytest.raises(NotReady, match="score-book"):
        published(database, "C1", "now")


@pytest.mark.parametrize("value", [-0.0, 5e-324, 0.1, 1.7976931348623157e308, np.inf, np.nan])
def test_a_profile_comes_back_bit_for_bit(database: Database, value: float) -> None:
    put(database, value)
    profile, snapshot = published(database, "C1", "now")
    assert profile.vector.tobytes() == np.array([value, -value]).tobytes()
    assert (profile.features, profile.as_of) == (("age", "use"), DAY)
    assert (profile.standing, snapshot) == (STANDING, f"snapshot of {value}")


def test_a_new_publication_replaces_the_old_one(database: Database) -> None:
    put(database, 1.0, customers=5)
    put(database, 2.0, customers=3)
    assert (count(database, PUBLICATIONS), count(database, PROFILES)) == (1, 3)
    assert published(database, "C1", "now")[0].vector[0] == 2.0
    with pytest.raises(UnknownCustomer, match="2026-06-30"):
        published(database, "C4", "now")


def test_a_profile_is_stale_once_the_warehouse_has_changed(database: Database) -> None:
    put(database, 1.0, manifest="before")
    assert not published(database, "C1", "before")[0].stale
    assert published(database, "C1", "after the next load")[0].stale


def test_a_book_larger_than_one_chunk_is_published_whole(database: Database) -> None:
    put(database, 1.0, customers=CHUNK + 1)
    assert count(database, PROFILES) == CHUNK + 1
    assert published(database, f"C{CHUNK}", "now")[0].vector[0] == 1.0


def test_a_publication_that_breaks_off_leaves_the_old_one_in_force(database: Database) -> None:
    put(database, 1.0)
    profiles, snapshot = made(2.0, CHUNK + 9, "now")
    too_few = chunks(profiles, [STANDING] * CHUNK)
    with pytest.raises(ValueError, match="zip"):
        publish(database, snapshot, DAY, too_few, Entry("publication", "test", {}))
    assert published(database, "C1", "now")[0].vector[0] == 1.0
    assert (count(database, PUBLICATIONS), count(database, PROFILES)) == (1, 3)
    assert len(records(database, ["publication"])) == 1


def test_what_a_killed_publication_left_is_never_read_and_dropped_by_the_next(
    database: Database,
) -> None:
    put(database, 1.0)
    row = {"as_of": DAY, "snapshot": "s", "manifest": "now", "features": ["age"]}
    left = row | {"published_at": datetime.now(UTC), "current": False}
    with database.writing() as connection:
        number = connection.execute(
            sa.insert(PUBLICATIONS).values(left).returning(PUBLICATIONS.c.publication_id)
        ).scalar_one()
        score = {"publication_id": number, "customer_id": "C1", "model": "churn", "reasons": ""}
        connection.execute(sa.insert(BOOK_SCORES).values(score))
    assert published(database, "C1", "now")[0].vector[0] == 1.0
    put(database, 2.0)
    assert (count(database, PUBLICATIONS), count(database, BOOK_SCORES)) == (1, 0)


def put_each(database: Database, most: int) -> None:
    for number in range(1, most):
        put(database, float(number))


def test_a_reader_during_the_switch_sees_the_old_or_the_new(database: Database) -> None:
    put(database, 0.0)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(put_each, database, 30)
        while not writing.done():
            profile, snapshot = published(database, "C1", "now")
            assert snapshot == f"snapshot of {profile.vector[0]}"
            assert profile.vector[1] == -profile.vector[0]
        writing.result()
    assert published(database, "C1", "now")[0].vector[0] == 29.0


def test_the_newest_snapshot_is_published_without_scoring_anybody(
    trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained_home, home, ignore=shutil.ignore_patterns("books", "mlruns"))
    monkeypatch.setenv("ZHIKE_HOME", str(home))
    warehouse, database = Warehouse(), Database()
    days = month_ends(extent(warehouse)[1], 3)
    spine = customers_as_of(warehouse, days)
    built = build_snapshot(warehouse, spine)
    said = CliRunner().invoke(serving.app, ["publish"])
    assert said.exit_code == 0, said.output
    assert f"as of {days[-1]}" in said.output
    customer = spine["customer_id"].iloc[-1]
    profile, snapshot = published(database, customer, warehouse.manifest.digest)
    assert (snapshot, profile.as_of, profile.stale) == (built.digest, days[-1], False)
    assert "churn" in profile.standing
    last = records(database, ["publication"])[-1]
    assert json.loads(last.body)["snapshot"] == built.digest
    assert not (home / "books").exists()
    database.engine.dispose()
