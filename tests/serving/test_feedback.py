"""Feedback: what happened is kept and corrected, never changed; an override needs four eyes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data import audit
from data.audit import first_broken
from data.database import Database
from data.errors import Conflict, FourEyes, UnknownScore
from data.schema import AUDIT, OUTCOMES, OVERRIDES
from serving import overrides
from serving.outcomes import Reported, record
from serving.overrides import Override, Proposed
from serving.scoring import Scorer
from tests.serving.conftest import key_of, knocking
from tests.serving.tiny_bank import publish

DAY = date(2026, 6, 30)
NEXT_MONTH = (datetime.now(UTC) + timedelta(days=30)).date()


def reported(**otherwise: Any) -> Reported:
    told = {"customer_id": "C001", "model": "churn", "outcome": "left", "source": "core"}
    return Reported(**{"occurred_on": DAY, **told, **otherwise})


def keep(database: Database, what: Reported) -> tuple[str, bool]:
    with database.writing() as connection:
        outcome, new = record(connection, what, "ann")
    return outcome.outcome_id, new


def payloads(database: Database, kind: str) -> list[Any]:
    found = audit.records(database, (kind,))
    return [audit.payload_of(database, record.sequence) for record in found]


def test_an_outcome_reported_twice_is_kept_once(database: Database) -> None:
    first, again = keep(database, reported()), keep(database, reported())
    assert (first[1], again) == (True, (first[0], False))
    assert len(payloads(database, "outcome")) == 1


def test_a_correction_is_a_new_row_and_the_old_one_stays(database: Database) -> None:
    first, _ = keep(database, reported())
    second, new = keep(database, reported(outcome="stayed", supersedes=first))
    assert new
    with database.reading() as connection:
        rows = connection.execute(sa.select(OUTCOMES.c.outcome_id, OUTCOMES.c.outcome)).all()
    assert {tuple(row) for row in rows} == {(first, "left"), (second, "stayed")}
    told = payloads(database, "outcome")[1]
    assert (told["before"]["outcome"], told["after"]["outcome"]) == ("left", "stayed")
    assert first_broken(database) is None


@pytest.mark.parametrize("otherwise", [{"customer_id": "C002"}, {"model": "churn.run_off"}])
def test_an_outcome_corrects_its_own_customer_and_model_only(
    database: Database, otherwise: dict[str, str]
) -> None:
    first, _ = keep(database, reported())
    with pytest.raises(Conflict, match="another customer or model"):
        keep(database, reported(supersedes=first, **otherwise))


def test_an_outcome_is_corrected_once(database: Database) -> None:
    first, _ = keep(database, reported())
    keep(database, reported(outcome="stayed", supersedes=first))
    with pytest.raises(Conflict, match="supersede the newest"):
        keep(database, reported(source="branch", supersedes=first))


OUTCOME = {
    "customer_id": "C001",
    "model": "churn",
    "outcome": "left",
    "occurred_on": "2026-06-30",
    "source": "core",
}


@pytest.mark.parametrize(
    "otherwise,status",
    [
        ({}, 201),
        ({"customer_id": "C999"}, 404),
        ({"model": "weather"}, 404),
        ({"supersedes": "0" * 32}, 404),
        ({"outcome": "defaulted"}, 422),  # of credit risk
        ({"model": "lifetime_value", "outcome": "left"}, 422),
        ({"model": "propensity.fund", "outcome": "bought"}, 201),
        ({"occurred_on": str(NEXT_MONTH)}, 422),
        ({"occurred_on": "2026-02-30"}, 422),
        ({"source": "core banking"}, 422),
    ],
)
def test_an_outcome_is_read_strictly(
    quick_client: TestClient, store: Database, otherwise: dict[str, Any], status: int
) -> None:
    publish(store, 3)
    told = quick_client.post("/v1/outcomes", json=OUTCOME | otherwise)
    assert told.status_code == status, told.text
    again = quick_client.post("/v1/outcomes", json=OUTCOME | otherwise)
    assert again.status_code == {201: 200}.get(status, status)


def answered(database: Database) -> int:
    """An audit record of a score, as the service writes it."""
    fund = {"model": "propensity.fund", "status": "scored", "value": 0.2, "unit": "probability"}
    risk = {"model": "credit_risk", "status": "scored", "value": 0.04, "unit": "probability"}
    scores = {"credit_risk": risk | {"credit": {"grade": "6"}}, "propensity": {"fund": fund}}
    return audit.append(
        database,
        kind="answer",
        actor="ann",
        body={"releases": {"credit_risk": "r" * 64}},
        payload={"customer_id": "C001", "answer": {"scores": scores}},
    ).sequence


def proposed(score_audit: int, **otherwise: Any) -> Proposed:
    told = {
        "score_audit": score_audit, "model": "credit_risk", "decision": "accept",
        "direction": "favourable", "reason_code": "income_verified", "comment": "薪資單",
        "expires_on": NEXT_MONTH,
    }  # fmt: skip
    return Proposed(**{**told, **otherwise})


def propose(database: Database, what: Proposed, actor: str = "ann") -> Override:
    score = overrides.recorded(database, what.score_audit, what.model)
    with database.writing() as connection:
        return overrides.propose(connection, score, what, actor)


def settle(database: Database, override_id: str, actor: str, approve: bool = True) -> Override:
    with database.writing() as connection:
        return overrides.settle(connection, override_id, approve, actor)


def test_f73_an_override_needs_another_persons_approval_and_leaves_the_score(
    database: Database,
) -> None:
    number = answered(database)
    before = payloads(database, "answer")
    made = propose(database, proposed(number))
    assert (made.status, made.customer_id, made.decided_by) == ("proposed", "C001", "ann")
    for same in ("ann", " Ann "):
        with pytest.raises(FourEyes):
            settle(database, made.override_id, same)
    approved = settle(database, made.override_id, "ben")
    assert (approved.status, approved.approver) == ("approved", "ben")
    assert payloads(database, "answer") == before
    [told] = payloads(database, "override")
    assert told["before"] == {
        "status": "scored", "value": 0.04, "unit": "probability", "grade": "6",
    }  # fmt: skip
    assert told["after"] == {"decision": "accept", "direction": "favourable"}
    with database.reading() as connection:
        kinds = connection.execute(sa.select(AUDIT.c.kind, AUDIT.c.actor, AUDIT.c.body)).all()
    assert [(row.kind, row.actor) for row in kinds] == [
        ("answer", "ann"), ("override", "ann"), ("override_approved", "ben"),
    ]  # fmt: skip
    assert not [row for row in kinds if "C001" in row.body or "薪" in row.body]
    assert first_broken(database) is None


@pytest.mark.parametrize("approve", [True, False])
def test_an_override_is_settled_once(database: Database, approve: bool) -> None:
    made = propose(database, proposed(answered(database)))
    settled = settle(database, made.override_id, "ben", approve)
    assert settled.status == ("approved" if approve else "rejected")
    with pytest.raises(Conflict, match=f"{settled.status} already"):
        settle(database, made.override_id, "cy", not approve)


def test_an_override_ends_on_its_day(database: Database) -> None:
    made = propose(database, proposed(answered(database)))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    with database.writing() as connection:
        connection.execute(sa.update(OVERRIDES).values(expires_on=yesterday))
    assert [o.status for o in overrides.overrides(database)] == ["expired"]
    with pytest.raises(Conflict, match="expired already"):
        settle(database, made.override_id, "ben")


@pytest.mark.parametrize("model", ["churn", "propensity", "propensity.card", "credit_risk.x", ""])
def test_only_a_score_that_is_on_record_is_overridden(database: Database, model: str) -> None:
    number = answered(database)
    with pytest.raises(UnknownScore):
        overrides.recorded(database, number, model)
    with pytest.raises(UnknownScore):
        overrides.recorded(database, number + 1, "credit_risk")
    assert overrides.recorded(database, number, "propensity.fund").score["value"] == 0.2


OVERRIDE = {
    "model": "credit_risk",
    "decision": "accept",
    "direction": "favourable",
    "reason_code": "income_verified",
    "expires_on": str(NEXT_MONTH),
}


@pytest.mark.parametrize(
    "otherwise,status",
    [
        ({}, 201),
        ({"comment": "e\u0301t\u00e9 \U0001f600"}, 201),
        ({"comment": "seen\u202e"}, 422),
        ({"comment": "line\nbreak"}, 422),
        ({"comment": "x" * 501}, 422),
        ({"reason_code": "other"}, 422),
        ({"reason_code": "other", "comment": "the branch knows them"}, 201),
        ({"reason_code": "mood"}, 422),
        ({"expires_on": "2026-06-30"}, 422),
        ({"expires_on": "2099-06-30"}, 422),
        ({"score_audit": 2**31}, 422),
        ({"score_audit": True}, 422),
        ({"score_audit": 999_999}, 404),
        ({"model": "weather"}, 404),
        ({"value": 0.01}, 422),
        ({"approver": "ann"}, 422),
    ],
)
def test_an_override_is_read_strictly(
    quick_client: TestClient, store: Database, otherwise: dict[str, Any], status: int
) -> None:
    asked = {"score_audit": answered(store)} | OVERRIDE | otherwise
    told = quick_client.post("/v1/overrides", json=asked)
    assert told.status_code == status, told.text


def test_over_http_the_decider_cannot_approve_and_another_can(
    quick_client: TestClient, store: Database
) -> None:
    asked = {"score_audit": answered(store), "comment": "slips seen"} | OVERRIDE
    headers = {"Idempotency-Key": "k1"}
    made = [quick_client.post("/v1/overrides", json=asked, headers=headers) for _ in "ab"]
    assert made[0].json() == made[1].json()
    where = f"/v1/overrides/{made[0].json()['override_id']}/approval"
    other = knocking(Scorer({}, {}), store, key_of(store, "ben"))
    assert quick_client.post(where, json={"decision": "approve"}).status_code == 403
    assert other.post(where, json={"decision": "approve"}).json()["status"] == "approved"
    assert other.post(where, json={"decision": "reject"}).status_code == 409
    listed = other.get("/v1/overrides").json()["overrides"]
    assert [(one["comment"], one["approver"]) for one in listed] == [("slips seen", "ben")]
    again = quick_client.post("/v1/overrides", json=asked, headers={"Idempotency-Key": "k2"})
    page = other.get("/v1/overrides", params={"limit": 1}).json()
    rest = other.get("/v1/overrides", params={"limit": 1, "cursor": page["next"]}).json()
    ids = [one["override_id"] for one in page["overrides"] + rest["overrides"]]
    assert ids == [again.json()["override_id"], made[0].json()["override_id"]]


def test_a_served_score_is_overridden_and_served_again_as_it_was(
    client: TestClient, served: Database, customer: str
) -> None:
    asked = {"customer_id": customer, "questions": ["churn"]}
    first = client.post("/v1/scores", json=asked).json()
    made = client.post(
        "/v1/overrides", json=OVERRIDE | {"score_audit": first["audit"], "model": "churn"}
    ).json()
    other = knocking(Scorer({}, {}), served, key_of(served, "ben"))
    other.post(f"/v1/overrides/{made['override_id']}/approval", json={"decision": "approve"})
    again = client.post("/v1/scores", json=asked).json()
    assert again["scores"] == first["scores"]
