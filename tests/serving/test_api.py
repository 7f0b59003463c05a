"""The API: nobody without a key, every question for a known customer, every answer recorded."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from data import errors
from data.audit import first_broken
from data.database import Database
from data.errors import NotReady, ZhikeError
from data.schema import API_KEYS, AUDIT
from serving.access import keys
from serving.access.keys import PREFIX, make_key
from serving.api.app import application
from serving.scoring import MODELS, Scorer
from tests.serving.conftest import knocking
from training.labels import EXTRAPOLATED, OFFERED, SCORABLE
from training.recipes import QUESTIONS

OPEN = {"/healthz", "/readyz", "/metrics"}
SCORES = "/v1/scores"
Standings = dict[str, dict[str, str]]


@pytest.fixture
def stranger(store: Database) -> TestClient:
    return knocking(Scorer({}, {}), store)


def expired_key(database: Database) -> str:
    key = make_key(database, "somebody who left")
    yesterday = datetime.now(UTC) - timedelta(1)
    with database.writing() as connection:
        connection.execute(sa.update(API_KEYS).values(expires_at=yesterday))
    return key


def records(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()


def ask(client: TestClient, customer: str, *questions: str) -> Any:
    asked = {"customer_id": customer} | ({"questions": questions} if questions else {})
    answered = client.post(SCORES, json=asked)
    assert answered.status_code == 200, answered.text
    return answered.json()


def each(answer: Any) -> dict[str, Any]:
    """Model -> score."""
    told = dict(answer["scores"])
    offers = told.pop("propensity", {})
    return told | {f"propensity.{family}": score for family, score in offers.items()}


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer marker",
        "Basic bWFya2VyOm1hcmtlcg==",
        "zhike.0123456789abcdef.marker",
        f"Bearer {PREFIX}.0123456789abcdef.{'m' * 43}",
        f"Bearer {PREFIX}.0123456789abcdef.{'m' * 60_000}",
        f"Bearer {PREFIX}.' OR 1=1 --.{'m' * 43}",
        f"Bearer {PREFIX}.0123456789abcde\x00.{'m' * 43}",
        f"Bearer {PREFIX}.0123456789abcdef.{'é' * 43}",
        "expired",
        "of another secret",
    ],
)
def test_the_stranger_is_refused(
    stranger: TestClient, store: Database, credentials: str | None
) -> None:
    if credentials == "expired":
        credentials = f"Bearer {expired_key(store)}"
    if credentials == "of another secret":
        credentials = f"Bearer {make_key(store, 'marker')[:-43]}{'m' * 43}"
    headers = {} if credentials is None else {b"Authorization": credentials.encode("latin-1")}
    refused = stranger.post(SCORES, content=b"not read at all", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
    assert problem(refused) == REFUSAL


def problem(refused: httpx2.Response) -> dict[str, Any]:
    """What is told of an error, but for the identifier of the request."""
    told: dict[str, Any] = refused.json()
    assert told.pop("instance") == refused.headers["X-Request-Id"]
    return told


REFUSAL = {
    "type": "about:blank",
    "title": "Not authorised",
    "status": 401,
    "code": "unauthorised",
    "detail": keys.REFUSAL,
}


def test_every_route_but_those_that_watch_the_service_asks_for_a_key(stranger: TestClient) -> None:
    asked = []
    for method, path in routes(stranger):
        if path not in OPEN:
            asked.append(path)
            refused = stranger.request(method, path)
            assert (refused.status_code, problem(refused)) == (401, REFUSAL), path
    assert SCORES in asked


def routes(client: TestClient) -> list[tuple[str, str]]:
    """Method and path of everything the service answers to, of whatever kind."""
    return [pair for route in client.app.routes for pair in pairs(route)]  # type: ignore[attr-defined]


def pairs(route: BaseRoute) -> list[tuple[str, str]]:
    inner = getattr(route, "routes", None)
    if inner is None and hasattr(route, "original_router"):
        prefix = route.include_context.prefix  # type: ignore[attr-defined]
        inner = route.original_router.routes
        return [(m, prefix + p) for r in inner for m, p in pairs(r)]
    if inner is not None:
        return [pair for one in inner for pair in pairs(one)]
    methods = getattr(route, "methods", None) or {"GET"}
    return [(method, getattr(route, "path", "")) for method in sorted(methods)]


def test_a_route_without_the_rule_would_be_found(store: Database) -> None:
    app = application(Scorer({}, {}), store)

    def careless_route() -> None:
        return None

    app.get("/v1/careless")(careless_route)
    careless = TestClient(app)
    assert ("GET", "/v1/careless") in routes(careless)
    assert careless.get("/v1/careless").status_code == 200


def test_the_health_check_needs_no_key_and_tells_nothing(stranger: TestClient) -> None:
    assert stranger.get("/healthz").json() == {"status": "ok"}


def test_the_description_is_for_those_who_have_a_key(quick_client: TestClient) -> None:
    described = quick_client.get("/v1/openapi.json").json()
    assert SCORES in described["paths"]
    assert "customer_id" in json.dumps(described["paths"][SCORES]["post"]["requestBody"])


def test_a_known_customer_gets_all_four(client: TestClient, customer: str) -> None:
    answer = ask(client, customer)
    assert answer["customer_id"] == customer
    beside = {"churn.run_off", "lifetime_value.five_years", "credit_risk.acquisition"}
    assert set(answer["scores"]) == {*QUESTIONS, *beside}
    assert set(answer["scores"]["propensity"]) == set(OFFERED)


def test_the_value_of_a_year_has_an_interval_and_that_of_five_says_it_is_extrapolated(
    client: TestClient, customer: str
) -> None:
    told = ask(client, customer, "lifetime_value")["scores"]
    year, five = told["lifetime_value"], told["lifetime_value.five_years"]
    low, high = year["interval"]
    assert low < year["value"] < high
    assert (year["coverage"], year["horizon"]) == (0.9, 365)
    assert not five.keys() & {"interval", "coverage"}
    assert five["horizon"] == 1_826
    assert five["notes"] == [EXTRAPOLATED]
    assert "validated only on simulated banks" in EXTRAPOLATED


@pytest.mark.parametrize("name", [name for names in MODELS.values() for name in names])
def test_any_model_can_be_asked_alone(client: TestClient, customer: str, name: str) -> None:
    assert list(each(ask(client, customer, name))) == MODELS.get(name, [name])


def test_reasons_add_up_to_the_score_and_the_value_is_what_people_read(
    client: TestClient, standings: Standings
) -> None:
    for customer in sorted(standings)[::60]:
        for score in each(ask(client, customer)).values():
            if "margin" in score:
                margin = score["margin"]
                total = score["base_value"] + sum(score["contributions"].values())
                assert total == pytest.approx(margin, rel=1e-9, abs=1e-9)
                read = margin if score["unit"] != "probability" else 1 / (1 + math.exp(-margin))
                assert score["value"] == read


def test_asked_twice_the_answer_is_the_same_to_the_last_bit(
    client: TestClient, customer: str
) -> None:
    first, second = ask(client, customer), ask(client, customer)
    assert (first.pop("audit"), first) == (second.pop("audit") - 1, second)


def test_whom_a_question_does_not_fit_gets_the_reason_and_no_number(
    client: TestClient, standings: Standings
) -> None:
    seen = set()
    for customer in sorted(standings)[::30]:
        for name, score in each(ask(client, customer)).items():
            why = standings[customer].get(name, SCORABLE)
            if why != SCORABLE:
                seen.add(why)
                assert (score["status"], score["reason"]) == ("not_scorable", why)
                assert not score.keys() & {"value", "margin", "contributions", "reasons"}
    assert {"no_open_account", "holds_it_already", "no_exposure"} <= seen


def test_a_model_that_was_not_trained_says_why(client: TestClient, customer: str) -> None:
    scores = each(ask(client, customer))
    untrained = [s for s in scores.values() if s.get("reason", "").startswith("no model: ")]
    assert all(score["status"] == "not_scorable" for score in untrained)
    assert {s["model"] for s in untrained}.isdisjoint(client.app.state.scorer.current.models)  # type: ignore[attr-defined]


def test_every_answer_leaves_one_record_and_a_refused_request_none(
    client: TestClient, served: Database, customer: str
) -> None:
    before = records(served)
    answer = ask(client, customer)
    assert (records(served), answer["audit"]) == (before + 1, before + 1)
    client.post(SCORES, json={"customer_id": "nobody"})
    client.post(SCORES, json={"customer_id": customer, "questions": ["weather"]})
    client.post(SCORES, json={"customer_id": customer, "mood": 1})
    client.post(SCORES, json={"customer_id": customer}, headers={"Authorization": "Bearer x"})
    assert records(served) == before + 1
    assert first_broken(served) is None


def test_an_unknown_customer_is_not_found(client: TestClient) -> None:
    assert refusal(client, {"customer_id": "marker-nobody"}) == 404


@pytest.mark.parametrize("name", ["weather", "propensity.current", "propensity.", "churn.churn"])
def test_an_unknown_question_is_not_found_and_the_known_are_named(
    client: TestClient, customer: str, name: str
) -> None:
    asked = {"customer_id": customer, "questions": [name]}
    assert refusal(client, asked) == 404
    assert "propensity.fund" in client.post(SCORES, json=asked).json()["detail"]


def refusal(client: TestClient, asked: Any) -> int:
    refused = client.post(SCORES, json=asked)
    assert refused.headers["content-type"] == "application/problem+json"
    assert "marker" not in refused.text
    return refused.status_code


def test_before_the_first_book_the_service_is_not_ready(quick_client: TestClient) -> None:
    assert refusal(quick_client, {"customer_id": "C1"}) == 503


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("GET", SCORES, 405),
        ("DELETE", SCORES, 405),
        ("POST", "/healthz", 405),
        ("GET", "/marker", 404),
        ("GET", "/v1/marker", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/docs", 404),
        ("POST", f"{SCORES}/", 404),
        ("GET", "/v1/../../etc/passwd", 404),
    ],
)
def test_a_wrong_door_is_told_as_a_problem(
    quick_client: TestClient, method: str, path: str, status: int
) -> None:
    refused = quick_client.request(method, path, follow_redirects=False)
    assert (refused.status_code, refused.json()["status"]) == (status, status)
    assert refused.headers["content-type"] == "application/problem+json"
    assert "marker" not in refused.text
    assert status != 405 or refused.headers["allow"]


@pytest.mark.parametrize("port", [1, 99_999_999])
def test_without_its_database_the_service_says_so_and_shows_a_stranger_nothing(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Database(f"postgresql+psycopg://marker:marker@127.0.0.1:{port}/marker")
    key = f"{PREFIX}.0123456789abcdef.{'m' * 43}"
    refused = knocking(Scorer({}, {}), gone, key).post(SCORES, json={"customer_id": "C1"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.headers["content-type"] == "application/problem+json"
    assert "marker" not in refused.text
    assert "does not answer" in caplog.text  # the operator is told


def test_an_error_of_ours_is_told_without_its_words(store: Database) -> None:
    app = application(Scorer({}, {}), store)

    def fails() -> None:
        raise RuntimeError("marker")

    app.get("/fails")(fails)
    refused = TestClient(app, raise_server_exceptions=False).get("/fails")
    assert refused.json()["detail"] == "internal error"
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_request_that_a_route_cannot_read_is_not_echoed(store: Database) -> None:
    app = application(Scorer({}, {}), store)

    def counted(number: int) -> int:
        return number

    app.get("/counted")(counted)
    refused = TestClient(app).get("/counted", params={"number": "marker"})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert "marker" not in refused.text


def test_every_error_has_a_status_and_only_a_clients_own_is_spelled_out(store: Database) -> None:
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, ZhikeError)]
    for kind in kinds:
        app = application(Scorer({}, {}), store)
        app.get("/raises")(raising(kind))
        told = TestClient(app).get("/raises").json()
        assert 400 <= told["status"] < 600
        assert ("marker" in told["detail"]) == (told["status"] < 500 or kind is NotReady)


def raising(kind: type[ZhikeError]) -> Any:
    def route() -> None:
        raise kind("marker")

    return route


def test_nothing_but_what_is_listed_here_is_offered(
    quick_client: TestClient,
) -> None:
    offered = {path for _, path in routes(quick_client)}
    jobs = {f"/v1/jobs{tail}" for tail in ("", *(f"/{{job_id}}{t}" for t in JOB))}
    feedback = {"/v1/outcomes", "/v1/overrides", "/v1/overrides/{override_id}/approval"}
    customers = {f"/v1/customers/{what}" for what in ("lookup", "profile", "history")}
    models = {"/v1/models", "/v1/models/{name}", "/v1/models/{name}/{version}/card"}
    records = {f"/v1/audit/{{number}}{tail}" for tail in ("", "/payload", "/replay")}
    scores = {SCORES, f"{SCORES}/batch", f"{SCORES}/inline", "/v1/refusals"}
    explained = {"/v1/changes", "/v1/movements", "/v1/features", "/v1/openapi.json"}
    answered = scores | explained | customers | models
    assert offered == answered | jobs | feedback | records | OPEN


JOB = ("", "/results", "/result")
