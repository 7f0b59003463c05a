"""Many customers at once: in order, each as alone, each on record, one bad one alone."""

from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.audit import first_broken
from data.database import Database
from data.schema import AUDIT

BATCH = "/v1/scores/batch"
Standings = dict[str, dict[str, str]]


def ask(client: TestClient, **asked: Any) -> Any:
    told = client.post(BATCH, json=asked)
    assert told.status_code == 200, told.text
    return told.json()["items"]


def test_each_is_answered_as_alone_to_the_last_bit_and_in_order(
    client: TestClient, standings: Standings
) -> None:
    whose = [*sorted(standings)[::97], sorted(standings)[0]][::-1]
    items = ask(client, customers=whose)
    assert [item["customer_id"] for item in items] == whose
    for who, item in zip(whose, items, strict=True):
        alone = client.post("/v1/scores", json={"customer_id": who}).json()
        assert (item.pop("status"), item.pop("audit") < alone.pop("audit")) == (200, True)
        assert item == alone


def test_one_bad_item_never_fails_the_others(
    client: TestClient, served: Database, customer: str
) -> None:
    before = records(served)
    items = ask(
        client,
        customers=[
            customer,
            "marker-nobody",
            {"source": {"source_system": "marker", "source_key": "marker"}},
            {"customer_id": "marker blank"},
            ["marker"],
            None,
            {"customer_id": customer},
        ],
        questions=["churn"],
    )
    assert [item["status"] for item in items] == [200, 404, 404, 422, 422, 422, 200]
    codes = [item["problem"]["code"] for item in items[1:-1]]
    assert codes == ["unknown_customer"] * 2 + ["not_valid"] * 3
    assert not any({"scores", "audit"} & item.keys() for item in items[1:-1])
    assert "marker" not in str(items)
    assert items[0]["scores"] == items[-1]["scores"]
    assert records(served) == before + 2
    assert {items[0]["audit"], items[-1]["audit"]} == {before + 1, before + 2}
    assert first_broken(served) is None


def records(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()


def test_without_reasons_the_numbers_stay_the_same(client: TestClient, customer: str) -> None:
    (whole,), (bare,) = (
        ask(client, customers=[customer], questions=["churn"], reasons=reasons)
        for reasons in (True, False)
    )
    explains = {"base_value", "contributions", "reasons"}
    full, less = (item["scores"]["churn"] for item in (whole, bare))
    assert less == {k: v for k, v in full.items() if k not in {*explains, "horizons"}} | {
        "horizons": [{k: v for k, v in at.items() if k not in explains} for at in full["horizons"]]
    }
    single = client.post(
        "/v1/scores", json={"customer_id": customer, "questions": ["churn"], "reasons": False}
    )
    assert single.json()["scores"]["churn"] == less


@pytest.mark.parametrize("count, told", [(0, "customers"), (1_001, "/v1/jobs")])
def test_too_many_and_none_are_refused(quick_client: TestClient, count: int, told: str) -> None:
    refused = quick_client.post(BATCH, json={"customers": ["C1"] * count})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_valid")
    assert told in refused.json()["detail"]


def test_a_body_of_a_thousand_long_names_is_read_and_a_larger_one_is_not(
    quick_client: TestClient,
) -> None:
    source = {"source_system": "s" * 64, "source_key": "k" * 64}
    read = quick_client.post(BATCH, json={"customers": [{"source": source}] * 1_000})
    assert read.status_code == 503  # understood; this bank has published nothing
    refused = quick_client.post(BATCH, content=b'"' + b"x" * 600_000, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


JSON = {"content-type": "application/json"}


def test_a_version_is_pinned_and_one_that_is_not_there_is_not_found(
    client: TestClient, customer: str
) -> None:
    asked = {"customer_id": customer, "questions": ["churn"]}
    usual = client.post("/v1/scores", json=asked).json()["scores"]
    pinned = client.post("/v1/scores", json=asked | {"versions": {"churn": "1"}}).json()["scores"]
    assert pinned == usual
    for versions, code in (
        ({"churn": "999"}, "unknown_version"),
        ({"weather": "1"}, "unknown_question"),
        ({"..": "outbox"}, "unknown_question"),
    ):
        for path, body in (("/v1/scores", asked), (BATCH, {"customers": [customer]})):
            refused = client.post(path, json=body | {"versions": versions})
            assert (refused.status_code, refused.json()["code"]) == (404, code)
    refused = client.post("/v1/scores", json=asked | {"versions": {"churn": "../1"}})
    assert refused.status_code == 422
