"""A customer's profile and past scores, and the refusal notice: what is known, on record."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.database import Database
from data.schema import AUDIT, BOOK_SCORES
from features.catalogue import CATALOGUE
from serving.scoring import Profile, Scorer

PROFILE, HISTORY, REFUSALS = "/v1/customers/profile", "/v1/customers/history", "/v1/refusals"
Standings = dict[str, dict[str, str]]


def ask(client: TestClient, path: str, **asked: Any) -> Any:
    told = client.post(path, json=asked)
    assert told.status_code == 200, told.text
    return told.json()


def test_the_profile_is_what_was_published_with_unit_group_and_words(
    client: TestClient, published_profiles: list[Profile]
) -> None:
    whose = published_profiles[7]
    told = ask(client, PROFILE, customer_id=whose.customer_id, language="zh-TW")
    shown = {value["name"]: value for value in told["features"]}
    for name, value in zip(whose.features, whose.vector.tolist(), strict=True):
        if CATALOGUE[name].data_class == "protected":
            assert name not in shown
        else:
            assert shown[name]["value"] == (None if value != value else value)
            assert shown[name]["unit"] == CATALOGUE[name].unit
            assert shown[name]["text"].startswith(CATALOGUE[name].reasons.zh_tw)
    assert "is_female" in whose.features
    assert (told["stale"], told["standing"]) == (False, dict(whose.standing))


@pytest.mark.parametrize("path, kind", [(PROFILE, "profile_read"), (HISTORY, "history_read")])
def test_whoever_reads_about_a_customer_leaves_a_record(
    client: TestClient, served: Database, customer: str, path: str, kind: str
) -> None:
    told = ask(client, path, customer_id=customer)
    with served.reading() as connection:
        row = connection.execute(sa.select(AUDIT).where(AUDIT.c.sequence == told["audit"])).one()
    assert (row.kind, row.actor) == (kind, "a test")
    assert customer not in row.body


@pytest.mark.parametrize("path", [PROFILE, HISTORY])
def test_f33_nothing_is_known_of_a_stranger(client: TestClient, path: str) -> None:
    told = client.post(path, json={"customer_id": "marker-nobody"})
    assert (told.status_code, told.json()["code"]) == (404, "unknown_customer")


def test_the_history_is_what_the_books_hold(
    client: TestClient, served: Database, customer: str
) -> None:
    told = ask(client, HISTORY, customer_id=customer)
    with served.reading() as connection:
        rows = connection.execute(
            sa.select(BOOK_SCORES).where(BOOK_SCORES.c.customer_id == customer)
        ).all()
        book = connection.execute(sa.select(AUDIT.c.body).where(AUDIT.c.kind == "book")).scalar()
    assert rows
    for row in rows:
        (past,) = told["scores"][row.model]
        assert (past.get("value"), past.get("grade"), past["version"]) == (
            row.value,
            row.grade,
            "1",
        )
    assert told["covers"] == [json.loads(str(book))["as_of"]]
    assert told["gone"] == []
    one = ask(client, HISTORY, customer_id=customer, questions=["churn.run_off"])
    assert one["scores"] == {"churn.run_off": told["scores"]["churn.run_off"]}


def test_of_a_bank_without_a_book_there_is_no_history(quick_client: TestClient) -> None:
    told = quick_client.post(HISTORY, json={"customer_id": "C1", "questions": ["credit_risk"]})
    assert (told.status_code, told.json()["code"]) == (404, "unknown_customer")


def test_a_refusal_names_reasons_that_each_lower_the_risk(
    client: TestClient, scorer: Scorer, standings: Standings
) -> None:
    fits = (who for who in sorted(standings) if standings[who]["credit_risk"] == "scorable")
    told = ask(client, REFUSALS, customer_id=next(fits), cut_off=1e-6, jurisdiction="us")
    assert told["notice"].startswith("Your application for credit was not approved.")
    assert told["manual_review"] == (not told["reasons"])
    for one in told["reasons"]:
        assert one["rescored"] < told["value"]
        assert one["reason"]["text"] in told["notice"]


def test_whom_nothing_refuses_gets_no_notice(client: TestClient, standings: Standings) -> None:
    by = {standings[who]["credit_risk"]: who for who in sorted(standings)}
    for standing, code in (("scorable", "not_refusable"), ("no_exposure", "not_scorable")):
        asked = {"customer_id": by[standing], "cut_off": 1.0}
        refused = client.post(REFUSALS, json=asked)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
