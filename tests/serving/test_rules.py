"""Roles and rules: deny by default, role x route x owner, and what the docs say of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from data.audit import records
from data.database import Database
from data.errors import ConfigurationError
from data.settings import CHECKOUT
from serving.__main__ import app as commands
from serving.access.gate import NOT_OPEN, NOT_YOURS, Gate
from serving.access.keys import make_key
from serving.access.roles import ROLES, Role, roles_of
from serving.access.rules import PUBLIC, RULES, matrix, standing
from serving.api.app import application
from serving.api.shared import visiting
from serving.scoring import Scorer
from tests.serving.test_api import pairs

OWN, OTHERS = "C1", "C2"
EVERYBODYS = {"all", "part", "own"}


@pytest.fixture
def app(store: Database) -> FastAPI:
    """An empty bank whose one manager has one customer."""
    made = application(Scorer({}, {}), store)
    made.state.gate = Gate(store, owned=lambda staff: frozenset({OWN} if staff == "S1" else ()))
    return made


def somebody(app: FastAPI, *roles: Role, **more: Any) -> TestClient:
    key = make_key(app.state.database, "somebody", roles=roles, employee="S1", **more)
    return TestClient(
        app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=False
    )


def offered(app: FastAPI) -> list[tuple[str, str]]:
    return [pair for route in app.routes for pair in pairs(route)]


def without_a_rule(app: FastAPI) -> list[tuple[str, str]]:
    return [pair for pair in offered(app) if pair not in RULES and pair not in PUBLIC]


def ask(client: TestClient, method: str, path: str, customer: str = OWN) -> Any:
    """Call a route with the example of its description, about a customer and churn."""
    described = client.app.openapi()["paths"].get(path, {}).get(method.lower(), {})  # type: ignore[attr-defined]
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = body.get("schema", {}).get("examples", [{}])
    sent = examples[0] | {"customer_id": customer} if examples[0] else {}
    sent |= {"question": "churn"} if "question" in sent else {}
    if isinstance(sent.get("source"), dict):
        sent.pop("source")
    if "customers" in sent:
        sent.pop("customer_id")
        sent["customers"] = [customer]
    filled = path.replace("{", "").replace("}", "")
    return client.request(method, filled, json=sent or None)


def refusals(answered: Any) -> list[dict[str, Any]]:
    """What was refused: the request, or the one item of a batch."""
    if answered.status_code == 403:
        return [answered.json()]
    told = answered.json() if "json" in answered.headers.get("content-type", "") else {}
    return [one["problem"] for one in told.get("items", ()) if one["status"] == 403]


def test_every_route_has_a_rule(app: FastAPI) -> None:
    assert without_a_rule(app) == []
    assert set(RULES) - set(offered(app)) == set()


def test_f52_a_new_route_without_a_rule_is_found_and_open_to_nobody(app: FastAPI) -> None:
    careless = APIRouter(prefix="/v1", dependencies=[Depends(visiting)])
    careless.add_api_route("/careless", lambda: "secret")
    app.include_router(careless)
    assert without_a_rule(app) == [("GET", "/v1/careless")]
    refused = somebody(app, *ROLES).get("/v1/careless")
    assert (refused.status_code, refused.json()["detail"]) == (403, NOT_OPEN)


@pytest.mark.parametrize("role", Role)
def test_f52_role_by_route_by_owner(app: FastAPI, role: Role) -> None:
    client = somebody(app, role)
    for method, path in set(offered(app)) & set(RULES):
        may = standing(RULES[method, path], role)
        for customer in (OWN, OTHERS):
            answered = ask(client, method, path, customer)
            let_in = may in EVERYBODYS and (may != "own" or customer == OWN)
            refused = refusals(answered)
            assert answered.status_code != 401
            assert (not refused) == let_in, (role, method, path, customer)
            for refusal in refused:
                assert refusal["detail"] == (NOT_YOURS if may == "own" else NOT_OPEN)
                assert OTHERS not in answered.text


def test_f52_every_refusal_is_recorded_without_whom_it_was_about(app: FastAPI) -> None:
    ask(somebody(app, Role.RELATIONSHIP_MANAGER), "POST", "/v1/scores", OTHERS)
    ask(somebody(app, Role.AUDITOR), "POST", "/v1/scores")
    kept = [json.loads(record.body) for record in records(app.state.database, ["denied"])]
    assert [(one["route"], one["why"]) for one in kept] == [
        ("POST /v1/scores", "customer"),
        ("POST /v1/scores", "route"),
    ]
    assert OTHERS not in str(kept)


def test_f52_nobody_makes_themselves_more_than_they_are(app: FastAPI) -> None:
    client = somebody(app, Role.MARKETING)
    for more in ({"roles": ["administrator"]}, {"employee": "S2"}, {"audit": 1}):
        refused = client.post("/v1/scores", json={"customer_id": OWN} | more)
        assert (refused.status_code, refused.json()["detail"]) == (422, "an unknown field was sent")
    for header in ("X-Role", "X-Roles", "X-Forwarded-User"):
        refused = client.post("/v1/overrides", json={}, headers={header: "risk_officer"})
        assert refused.status_code in (403, 404)


def test_a_key_without_roles_may_do_nothing(app: FastAPI) -> None:
    client = somebody(app)
    for method, path in set(offered(app)) & set(RULES):
        assert ask(client, method, path).status_code == 403


def test_within_a_route_a_caller_is_no_more_than_what_let_them_in(app: FastAPI) -> None:
    client = somebody(app, Role.RELATIONSHIP_MANAGER, Role.AUDITOR, Role.MODELLER)
    assert ask(client, "POST", "/v1/scores", OTHERS).status_code == 403
    client = somebody(app, Role.RELATIONSHIP_MANAGER, Role.RISK_OFFICER)
    assert ask(client, "POST", "/v1/scores", OTHERS).status_code != 403


@pytest.mark.parametrize(
    "scopes,asked,let_in",
    [
        (["/v1/scores"], ["churn", "credit_risk"], True),
        (["/v1/changes"], ["churn"], False),
        (["churn"], ["churn", "churn.run_off"], True),
        (["churn"], ["churn", "credit_risk"], False),
        (["churn.run_off"], ["churn"], False),
        (["/v1/scores", "propensity"], ["propensity.fund"], True),
        (["/v1/scores", "propensity"], ["churn"], False),
    ],
)
def test_a_key_may_be_cut_down_to_routes_and_questions(
    app: FastAPI, scopes: list[str], asked: list[str], let_in: bool
) -> None:
    client = somebody(app, Role.SYSTEM, scopes=scopes)
    answered = client.post("/v1/scores", json={"customer_id": OWN, "questions": asked})
    assert (answered.status_code != 403) == let_in
    assert client.get("/v1/openapi.json").status_code == 403


def test_a_manager_without_customers_is_no_managers_key(store: Database) -> None:
    with pytest.raises(ConfigurationError, match="--employee"):
        make_key(store, "Ann", roles=[Role.RELATIONSHIP_MANAGER])
    with pytest.raises(ConfigurationError, match="no role king"):
        roles_of(["king"])


def test_the_printed_roles_and_the_documented_ones_are_the_rules() -> None:
    printed = CliRunner().invoke(commands, ["roles"]).output
    documented = Path(CHECKOUT / "docs" / "access.md").read_text()
    for route, *marks in matrix():
        assert f"| `{route}` | {' | '.join(marks)} |" in documented
        assert route in printed
    assert documented.count("| `") >= len(RULES)
