"""Hidden fields: marketing sees a band of credit risk, and cannot find out more."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from data.audit import payload_of
from data.database import Database
from data.errors import Forbidden
from data.warehouse import Warehouse
from features.catalogue import CATALOGUE
from features.reason_groups import GROUP_OF, GROUPS
from serving.access.fields import (
    LOSS,
    RISK_FEATURES,
    RISK_GROUPS,
    hidden_from,
    of_risk,
    shown,
    visible,
)
from serving.access.gate import NOT_YOURS
from serving.access.keys import make_key
from serving.access.portfolio import Portfolio
from serving.access.roles import ROLES, Role
from serving.access.rules import RULES
from serving.credit import CreditRisk
from serving.inline import InlineAnswer
from serving.reasons import Reason
from serving.scoring import Answer, AtHorizon, Score, Scorer
from tests.serving.conftest import knocking
from tests.serving.test_api import Standings, ask, each

MARKETING = frozenset({Role.MARKETING})
BANNED = {
    "margin", "base_value", "contributions", "contribution", "impact", "points", "grade", "scale",
    "ead", "lgd", "expected_loss", "parts", "shown", "cost", "moved",
}  # fmt: skip


@pytest.fixture
def marketing(served: Database, scorer: Scorer) -> TestClient:
    return knocking(scorer, served, make_key(served, "marketing", roles=MARKETING))


@pytest.fixture
def borrower(standings: Standings) -> str:
    """A customer whom churn, value and credit risk fit."""
    asked = ("churn", "lifetime_value", "credit_risk")
    return next(c for c, s in sorted(standings.items()) if {s[q] for q in asked} == {"scorable"})


def fields(told: Any) -> Iterator[str]:
    """Every name in an answer, however deep."""
    if isinstance(told, dict):
        for name, one in told.items():
            yield name
            yield from fields(one)
    elif isinstance(told, list):
        for one in told:
            yield from fields(one)


def said(refused: httpx2.Response) -> str:
    """What is told, but for the identifier of the request."""
    return json.dumps(refused.json() | {"instance": ""})


def reasons(told: Any) -> list[Any]:
    return [reason for score in each(told).values() for reason in score.get("reasons", [])]


def of_credit(told: Any) -> str:
    """All that an answer says of credit risk."""
    return json.dumps({n: s for n, s in each(told).items() if n.startswith("credit")})


def test_f77_marketing_sees_of_credit_risk_the_band_and_nothing_beside_it(
    marketing: TestClient, client: TestClient, standings: Standings
) -> None:
    seen: dict[tuple[str, ...], set[str]] = {}
    defaulted = [c for c, s in sorted(standings.items()) if s.get("credit_risk") == "in_default"]
    for customer in [*sorted(standings)[::75], *defaulted[:3]]:
        told, whole = ask(marketing, customer), ask(client, customer)
        assert BANNED.isdisjoint(fields(told))
        bands = tuple(
            score["credit"]["band"] if "credit" in score else ""
            for name, score in each(whole).items()
            if name.startswith("credit")
        )
        seen.setdefault(bands, set()).add(of_credit(told))
        assert not [one for one in reasons(told) if of_risk(one["feature"])]
        assert {n: s.get("value") for n, s in each(told).items() if "credit" not in n} == {
            n: s.get("value") for n, s in each(whole).items() if "credit" not in n
        }
    assert defaulted
    assert len(seen) > 1
    # Whoever has the same band gets the same words to the letter: there is nothing to compare.
    assert {len(words) for words in seen.values()} == {1}


def reason(group: str) -> Reason:
    feature = next(one for one in GROUPS if one.name == group).features[0]
    return Reason(
        group=group, feature=feature, text=group, value=1.0, typical=0.0,
        contribution=0.4, impact=0.1, direction="raises",
    )  # fmt: skip


def test_f77_what_is_left_out_cannot_be_added_up() -> None:
    """A chance of leaving that arrears raise: neither they nor the weights around them are shown."""
    churn = Score(
        status="scored", value=0.5, unit="probability", margin=0.0, base_value=-0.8, model="churn",
        contributions={"assets": 0.4, "loan_days_past_due": 0.4},
        reasons=[reason("arrears"), reason("assets")],
        horizons=[AtHorizon(
            horizon=365, value=0.5, margin=0.0, base_value=-0.8, contributions={}, reasons=[],
        )],
    )  # fmt: skip
    default = Score(
        status="not_scorable", reason="in_default", model="credit_risk",
        credit=CreditRisk(grade="D", band="high", scale="1"),
    )  # fmt: skip
    risky = Score(
        status="scored", value=0.4, unit="probability", margin=-0.4, model="credit_risk",
        credit=CreditRisk(grade="8", band="high", scale="1", ead=1.0, lgd=0.4, expected_loss=0.2),
    )  # fmt: skip
    day, told = date(2026, 6, 30), []
    for credit in (default, risky):
        whole = Answer(customer_id="C1", as_of=day, scores={"churn": churn, "credit_risk": credit})
        told.append(shown(whole, MARKETING).model_dump(mode="json", exclude_none=True))
        assert shown(whole, frozenset({Role.RISK_OFFICER})) is whole
    assert told[0] == told[1]
    assert BANNED.isdisjoint(fields(told[0]))
    assert [one["group"] for one in told[0]["scores"]["churn"]["reasons"]] == ["assets"]
    assert told[0]["scores"]["credit_risk"] == {
        "status": "scored",
        "model": "credit_risk",
        "credit": {"band": "high"},
    }


def test_f77_asking_otherwise_tells_marketing_no_more(marketing: TestClient, borrower: str) -> None:
    told = of_credit(ask(marketing, borrower, "credit_risk"))
    for questions in (["credit_risk"], ["credit_risk", "churn"], ["propensity", "credit_risk"]):
        assert of_credit(ask(marketing, borrower, *questions)) == told
    sent = {"customer_id": borrower, "questions": ["credit_risk"]}
    for language in ("zh-TW", "zh-CN"):
        again = marketing.post("/v1/scores", json=sent | {"language": language}).json()
        assert of_credit(again) == told
    for more in ({"version": "1"}, {"threshold": 0.1}, {"as_of": "2020-01-01"}):
        assert marketing.post("/v1/scores", json=sent | more).status_code == 422


def test_f77_bisection_finds_nothing(
    marketing: TestClient, client: TestClient, borrower: str
) -> None:
    """By threshold, by days, by version, by features: each is closed for credit risk."""
    asked: dict[str, Any] = {"customer_id": borrower, "question": "credit_risk"}
    days = {"since": "2026-03-31", "until": "2026-06-30"}
    words = set()
    for model in ("credit_risk", "credit_risk.acquisition"):
        for threshold in (0.5, 0.25, 0.125):
            sent = asked | {"question": model, "threshold": threshold}
            words.add(said(marketing.post("/v1/changes", json=sent)))
        assert client.post("/v1/changes", json=asked | {"threshold": 0.5}).status_code == 200
        for more in ({}, {"old_version": "1", "new_version": "2"}):
            sent = asked | days | more | {"question": model}
            words.add(said(marketing.post("/v1/movements", json=sent)))
    inline = {"model": "table.loans", "features": {"income": 1}}
    words.add(said(marketing.post("/v1/scores", json=inline)))
    assert len(words) == 1
    assert json.loads(words.pop())["status"] == 403
    for path in ("/v1/refusals", "/v1/scores/inline"):
        assert Role.MARKETING not in RULES["POST", path].roles


def test_f77_what_moves_or_would_change_another_question_comes_without_weights(
    marketing: TestClient, borrower: str
) -> None:
    for threshold in (0.9, 0.01, 0.0001):
        sent = {"customer_id": borrower, "question": "churn", "threshold": threshold}
        changed = marketing.post("/v1/changes", json=sent)
        assert changed.status_code == 200
        assert BANNED.isdisjoint(fields(changed.json()))
    days = {"since": "2026-03-31", "until": "2026-06-30"}
    worth = {"customer_id": borrower, "question": "lifetime_value"} | days
    moved = marketing.post("/v1/movements", json=worth)
    assert moved.status_code == 200
    assert BANNED.isdisjoint(fields(moved.json()))
    risky = {group.name for group in GROUPS} & RISK_GROUPS
    assert risky.isdisjoint(line["name"] for line in moved.json()["lines"])


def test_the_record_holds_the_whole_answer(
    marketing: TestClient, served: Database, borrower: str
) -> None:
    number = ask(marketing, borrower, "credit_risk")["audit"]
    payload = payload_of(served, number)
    assert payload["answer"]["scores"]["credit_risk"]["margin"] is not None


def test_an_answer_without_a_form_for_marketing_is_not_shown_at_all() -> None:
    told = InlineAnswer(scores={"table.x": Score(status="scored", model="table.x")}, remarks=[])
    with pytest.raises(Forbidden):
        shown(told, MARKETING)
    assert shown(told, frozenset({Role.SYSTEM})) is told


def test_who_has_no_role_sees_least_and_who_has_two_sees_what_either_does() -> None:
    assert hidden_from(()) == hidden_from(MARKETING)
    assert hidden_from({Role.MARKETING, Role.RELATIONSHIP_MANAGER}) == {LOSS}
    assert hidden_from(ROLES) == frozenset()


def test_every_feature_that_tells_of_arrears_debts_or_refusals_is_hidden() -> None:
    words = [
        "arrears",
        "past_due",
        "overdrawn",
        "loans_outstanding",
        "instalment",
        "debt",
        "minimum_payments",
        "losses",
        "penalties",
        "refusals",
        "limit_use",
        "loan_to_value",
        "credit_applications",
    ]
    telling = {name for name in CATALOGUE if any(word in name for word in words)}
    assert telling
    assert [name for name in telling if not of_risk(name)] == []
    assert {group.name for group in GROUPS} >= RISK_GROUPS
    assert set(GROUP_OF) >= RISK_FEATURES
    kept = visible(CATALOGUE, MARKETING)
    assert telling.isdisjoint(kept)
    assert {"assets", "tenure_days"} <= set(kept)
    assert visible(CATALOGUE, ROLES) == list(CATALOGUE)


def test_a_manager_has_the_customers_of_the_newest_hand_over(bank: Warehouse) -> None:
    handed = bank.frame("SELECT customer_id, staff_id, branch_id, event_at FROM assignments")
    newest = handed.sort_values("event_at").groupby("customer_id").tail(1)
    gone = handed.merge(newest, on="customer_id").query("staff_id_x != staff_id_y").dropna()
    staff = str(gone.iloc[0]["staff_id_x"])
    desk = bank.frame("SELECT staff_id, branch_id FROM staff").set_index("staff_id")["branch_id"]
    theirs = newest[
        (newest["staff_id"] == staff)
        | (newest["staff_id"].isna() & (newest["branch_id"] == desk[staff]))
    ]
    portfolio = Portfolio()
    assert portfolio.of(staff) == set(theirs["customer_id"])
    assert str(gone.iloc[0]["customer_id"]) not in portfolio.of(staff)
    assert portfolio.of("") == portfolio.of("nobody") == frozenset()


def test_before_the_first_load_nobody_has_customers(home: object) -> None:
    assert Portfolio().of("S0001") == frozenset()


def test_f52_a_manager_sees_their_own_customers_and_nobody_elses(
    served: Database, scorer: Scorer, standings: Standings
) -> None:
    handed = Warehouse().frame("SELECT customer_id, staff_id FROM assignments")
    staff = str(handed["staff_id"].dropna().iloc[0])
    key = make_key(served, "Ann", roles=[Role.RELATIONSHIP_MANAGER], employee=staff)
    manager = knocking(scorer, served, key)
    theirs = Portfolio().of(staff)
    mine = next(
        c for c, s in sorted(standings.items()) if c in theirs and s["credit_risk"] == "scorable"
    )
    credit = ask(manager, mine)["scores"]["credit_risk"]["credit"]
    assert {"grade", "ead"} <= credit.keys()
    assert not credit.keys() & {"lgd", "expected_loss", "parts"}
    foreign = next(c for c in sorted(standings) if c not in theirs)
    told = set()
    for customer in (foreign, "C-NOBODY"):
        refused = manager.post("/v1/scores", json={"customer_id": customer})
        assert (refused.status_code, refused.json()["detail"]) == (403, NOT_YOURS)
        told.add(said(refused))
    assert len(told) == 1
