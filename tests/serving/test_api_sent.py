"""Features that are sent are scored like a profile, held to the release's contract, and marked."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.database import Database
from data.schema import AUDIT
from serving.scoring import Profile, Scorer
from training.labels import SCORABLE

SENT = "/v1/scores/inline"


def ask(client: TestClient, features: Any, question: str = "churn", **more: Any) -> Any:
    return client.post(SENT, json={"question": question, "features": features} | more)


@pytest.mark.parametrize("name", ["churn", "credit_risk", "lifetime_value"])
def test_a_customers_own_features_give_the_customers_own_score(
    client: TestClient, scorer: Scorer, published_profiles: list[Profile], name: str
) -> None:
    whose = next(p for p in published_profiles if p.standing.get(name) == SCORABLE)
    known = dict(zip(whose.features, whose.vector.tolist(), strict=True))
    profiled = scorer.models[name].release.card.profiled
    sent = {n: known[n] for n in profiled if known[n] == known[n]}
    told = ask(client, sent, name)
    assert told.status_code == 200, told.text
    own = client.post("/v1/scores", json={"customer_id": whose.customer_id, "questions": [name]})
    score, usual = told.json()["score"], own.json()["scores"][name]
    assert {k: score[k] for k in ("margin", "value", "contributions", "reasons")} == {
        k: usual[k] for k in ("margin", "value", "contributions", "reasons")
    }
    assert told.json()["not_known"] == [n for n in profiled if n not in sent]


def test_every_published_value_keeps_the_contract(
    client: TestClient, scorer: Scorer, published_profiles: list[Profile]
) -> None:
    profiled = scorer.models["churn"].release.card.profiled
    for whose in published_profiles[::150]:
        known = dict(zip(whose.features, whose.vector.tolist(), strict=True))
        sent = {n: None if known[n] != known[n] else known[n] for n in profiled}
        told = ask(client, sent, reasons=False)
        assert told.status_code == 200, told.text
        assert not {"contributions", "reasons", "base_value"} & told.json()["score"].keys()


def test_what_is_not_sent_is_not_known_and_what_is_far_off_is_remarked_on(
    client: TestClient, served: Database
) -> None:
    told = ask(client, {"age_years": 130, "tenure_days": None}).json()
    assert told["about"] == "sent_features"
    assert "tenure_days" in told["not_known"]
    assert [remark.partition(":")[0] for remark in told["remarks"]] == ["age_years"]
    with served.reading() as connection:
        row = connection.execute(sa.select(AUDIT).where(AUDIT.c.sequence == told["audit"])).one()
    assert (row.kind, json.loads(row.body)["about"]) == ("what_if", "sent_features")


@pytest.mark.parametrize(
    "features, told",
    [
        ({"age_yeras": 40}, "did you mean age_years?"),
        ({"marker": 1}, "a name that was sent is not a feature of churn"),
        ({"is_female": 1}, "is_female is not a feature of churn"),
        ({"age_years": -1}, "age_years must not be below 0"),
        ({"age_years": 40.5}, "age_years must be a whole number"),
        ({"assets": 1e300}, "assets must be within"),
        ({"marketing_consent": 2}, "marketing_consent must be 0 or 1"),
        ({"age_years": "40"}, "features"),
        ({"age_years": True}, "features"),
        ({"age_years": [40]}, "features"),
        ({"age_years": 10**400}, "features"),
    ],
)
def test_f36_what_breaks_the_contract_is_refused_by_name_and_without_its_value(
    client: TestClient, features: dict[str, Any], told: str
) -> None:
    refused = ask(client, features)
    assert refused.status_code == 422, refused.text
    assert told in refused.json()["detail"]
    assert "marker" not in refused.text
    assert "1e+300" not in refused.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_f35_what_is_no_finite_number_is_refused(client: TestClient, number: str) -> None:
    sent = f'{{"question": "churn", "features": {{"age_years": {number}}}}}'
    refused = client.post(SENT, content=sent, headers={"content-type": "application/json"})
    assert refused.status_code in (400, 422)


def test_questions_and_versions_that_are_not_there_are_not_found(client: TestClient) -> None:
    for more in ({"question": "weather"}, {"version": "999"}):
        assert ask(client, {}, **more).status_code == 404


def test_a_model_that_nobody_trained_cannot_be_asked(quick_client: TestClient) -> None:
    refused = ask(quick_client, {})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_scorable")
