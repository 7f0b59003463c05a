"""However a customer is named, the same one answers; whom a name no longer tells, nobody scores."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.database import Database
from data.schema import AUDIT, PROFILES, PUBLICATIONS
from features.identity.reviews import decide
from features.identity.telephones import telephone_digest
from serving.publication import published_of
from serving.scoring import Scorer
from tests.features.systems import EMBOSSED, HSIAO_MING, Systems
from tests.serving.conftest import key_of, knocking

KEY = "of the bank, and nobody else's!"
NAMED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/scores", {}),
    ("/v1/changes", {"question": "churn", "threshold": 0.1}),
    ("/v1/movements", {"question": "churn", "since": "2026-05-31", "until": "2026-06-30"}),
    ("/v1/refusals", {"cut_off": 0.1}),
    ("/v1/customers/profile", {}),
    ("/v1/customers/history", {}),
]


@pytest.fixture
def systems(home: Path, store: Database) -> Systems:
    """One person of two systems, K1, published."""
    bank = Systems(home, store)
    bank.record("K1", "core", **HSIAO_MING)
    bank.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    bank.identify()
    publish(store, ["K1"])
    return bank


@pytest.fixture
def client(store: Database) -> TestClient:
    return knocking(Scorer({}, {}), store, key_of(store, "a test"))


def publish(database: Database, customers: list[str]) -> None:
    about = {
        "as_of": date(2026, 6, 30),
        "snapshot": "5" * 64,
        "manifest": "m" * 64,
        "features": ["age_years"],
        "published_at": datetime.now(UTC),
        "current": True,
    }
    with database.writing() as connection:
        made = sa.insert(PUBLICATIONS).values(about).returning(PUBLICATIONS.c.publication_id)
        number = connection.execute(made).scalar_one()
        vector = np.array([40.0]).tobytes()
        rows = [
            {"publication_id": number, "customer_id": who, "vector": vector, "standing": {}}
            for who in customers
        ]
        connection.execute(sa.insert(PROFILES), rows)


def test_a_source_key_names_the_customer_whose_record_it_is(
    client: TestClient, systems: Systems
) -> None:
    by_key = {"source": {"source_system": "cards", "source_key": "C1"}}
    told = client.post("/v1/scores", json=by_key)
    assert (told.status_code, told.json()["customer_id"]) == (200, "K1")
    assert "superseded_by" not in told.json()


@pytest.mark.parametrize("path, more", NAMED)
def test_a_split_identifier_is_a_conflict_everywhere_and_leaves_no_record(
    client: TestClient, store: Database, systems: Systems, path: str, more: dict[str, Any]
) -> None:
    decide(systems.warehouse, store, "K1", "C1", "different", "Lin")
    systems.identify()
    before = records(store)
    refused = client.post(path, json={"customer_id": "K1"} | more)
    assert (refused.status_code, refused.json()["code"]) == (409, "split_customer")
    assert [one["customer_id"] for one in refused.json()["candidates"]] == ["C1", "K1"]
    assert records(store) == before


def records(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()


@pytest.mark.parametrize("path, more", NAMED)
@pytest.mark.parametrize(
    "name",
    [
        {},
        {"customer_id": ""},
        {"customer_id": "K1", "source": {"source_system": "core", "source_key": "K1"}},
        {"source": {"source_system": "core"}},
        {"source": {"source_system": "core", "source_key": "marker\nK1"}},
        {"source": {"source_system": "core", "source_key": "K1", "marker": 1}},
    ],
)
def test_a_customer_is_named_in_one_way(
    quick_client: TestClient, path: str, more: dict[str, Any], name: dict[str, Any]
) -> None:
    refused = quick_client.post(path, json=name | more)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_valid")
    assert "marker" not in refused.text


def test_who_was_merged_is_answered_as_the_surviving_customer(
    client: TestClient, systems: Systems, store: Database
) -> None:
    systems.record("T9", "call_centre", on="2021-02-01", name="陳大文", phone="0987000222")
    systems.identify()
    decide(systems.warehouse, store, "T9", "K1", "same", "Lin")
    assert systems.identify().merged == 1
    told = client.post("/v1/customers/profile", json={"customer_id": "T9"}).json()
    assert (told["customer_id"], told["superseded_by"]) == ("K1", "K1")


@pytest.mark.parametrize("value", ["'OR'1'='1", "../../etc", "C1%", "{{7*7}}"])
def test_f40_a_source_key_is_a_value_and_nothing_else(
    client: TestClient, systems: Systems, value: str
) -> None:
    source = {"source_system": "cards", "source_key": value}
    refused = client.post("/v1/scores", json={"source": source})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_customer")
    assert value not in refused.text


def test_the_call_centre_gets_one_customer_or_candidates_and_never_a_score(
    client: TestClient, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_TELEPHONE_KEY", KEY)
    asked = {"telephone_sha256": telephone_digest(KEY, "0912345678")}
    one = client.post("/v1/customers/lookup", json=asked).json()
    assert one == {"match": "one", "customer_id": "K1", "candidates": [], "audit": one["audit"]}
    systems.record("K2", "core", name="陳大文", phone="+886 912-345-678")
    systems.identify()
    several = client.post("/v1/customers/lookup", json=asked).json()
    assert several.keys() == {"match", "candidates", "audit"}
    assert several["candidates"] == ["K1", "K2"]
    none = client.post("/v1/customers/lookup", json={"telephone_sha256": "0" * 64}).json()
    assert (none["match"], none["candidates"]) == ("none", [])


def test_telephones_are_looked_up_by_digest_only_and_only_where_the_bank_has_a_key(
    client: TestClient, systems: Systems
) -> None:
    for sent in ("0912345678", "A" * 64, "0" * 63):
        refused = client.post("/v1/customers/lookup", json={"telephone_sha256": sent})
        assert (refused.status_code, sent in refused.text) == (422, False)
    off = client.post("/v1/customers/lookup", json={"telephone_sha256": "0" * 64})
    assert (off.status_code, off.json()["code"]) == (404, "not_offered")


def test_profiles_of_many_are_read_at_once_on_every_database(database: Database) -> None:
    publish(database, [f"C{number}" for number in range(1_000)])
    asked = [f"C{number}" for number in range(500, 1_500)]
    found = published_of(database, asked, "m" * 64)
    assert sorted(found.profiles) == sorted(f"C{number}" for number in range(500, 1_000))
    assert not found.profile("C501").stale
    assert published_of(database, ["nobody"], "other").profiles == {}
