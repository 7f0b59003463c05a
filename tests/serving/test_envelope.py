"""What surrounds every answer: an identifier, headers, a bound, a deadline, a line, counts."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from data.database import Database
from serving.api.app import application
from serving.logs import start_logging
from serving.scoring import Scorer
from tests.serving.conftest import key_of, knocking
from tests.serving.running import Address, running, told

MARKER = "Q7marker8Z"
HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/nowhere"]
)
def test_every_answer_has_its_headers_and_identifier(quick_client: TestClient, path: str) -> None:
    answered = quick_client.get(path)
    assert answered.headers.items() >= HEADERS.items()
    assert re.fullmatch("[0-9a-f]{32}", answered.headers["x-request-id"])


@pytest.mark.parametrize(
    "given, kept",
    [
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", True),
        ("110101199003077758", False),
        (f"{MARKER}\t", False),
        ("a" * 5_000, False),
    ],
)
def test_a_request_keeps_its_callers_identifier_if_it_is_one(
    quick_client: TestClient, given: str, kept: bool
) -> None:
    answered = quick_client.get("/healthz", headers={"X-Request-Id": given})
    assert (answered.headers["x-request-id"] == given) is kept


@contextmanager
def slow_service(store: Database) -> Iterator[tuple[Address, threading.Event, threading.Event]]:
    """A service with a route that works until it is let go: its address, begun, go on."""
    app, routes = application(Scorer({}, {}), store), APIRouter()
    begun, let_go = threading.Event(), threading.Event()

    @routes.get("/slow")
    def slow() -> str:
        begun.set()
        let_go.wait(60)
        return "done"

    @routes.get("/broken/{who}")
    def broken(who: str) -> str:
        raise KeyError(who)

    app.include_router(routes)
    try:
        with running(app) as address:
            try:
                yield address, begun, let_go
            finally:
                let_go.set()
    finally:
        let_go.set()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def test_f49_what_is_more_than_can_be_answered_is_refused_at_once(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_CONCURRENCY", "1")
    answers: list[bytes] = []
    with slow_service(store) as (address, begun, let_go):
        first = threading.Thread(target=lambda: answers.append(told(address, get("/slow"))))
        first.start()
        assert begun.wait(60)
        refused = told(address, get("/slow"))
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in refused
        assert told(address, get("/healthz")).startswith(b"HTTP/1.1 200")
        let_go.set()
        first.join(60)
        assert told(address, get("/slow")).startswith(b"HTTP/1.1 200")
    assert answers[0].startswith(b"HTTP/1.1 200")


def test_f54_work_that_hangs_is_answered_503_and_held_against_the_bound(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_CONCURRENCY", "1")
    monkeypatch.setenv("ZHIKE_REQUEST_SECONDS", "0.2")
    with slow_service(store) as (address, _, let_go):
        late = told(address, get("/slow"))
        assert late.startswith(b"HTTP/1.1 503")
        assert b"no answer in time" in late
        assert b"more requests wait" in told(address, get("/slow"))
        let_go.set()


def test_a_line_tells_of_a_request_what_is_nobodys_business_left_out(
    store: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging()
    client = knocking(Scorer({}, {}), store, key_of(store, MARKER))
    client.post(f"/v1/scores?{MARKER}=1", json={"customer_id": MARKER})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/scores", 503)
    assert line["ms"] > 0
    assert {len(line["request"]), len(line["client"])} == {32, 16}


def everything(client: TestClient) -> Iterator[str]:
    """Answers of every route to requests whose every field is marked."""
    marked = {"X-Request-Id": MARKER, "User-Agent": MARKER, "X-Forwarded-For": MARKER}
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    bodies = [
        f'{{"customer_id": "{MARKER}"}}',
        f'{{"customer_id": "{MARKER} {MARKER}", "{MARKER}": "{MARKER}"}}',
        f'{{"model": "{MARKER}", "features": {{"{MARKER}": "{MARKER}"}}}}',
        f'["{MARKER}"',
        MARKER,
    ]
    for path, methods in paths.items():
        filled = re.sub(r"{\w+}", MARKER, path)
        for method in methods:
            for body in bodies:
                yield client.request(
                    method, f"{filled}?{MARKER}={MARKER}", content=body,
                    headers={**marked, "Content-Type": "application/json"},
                ).text  # fmt: skip
    for headers in (
        {"Authorization": f"Bearer {MARKER}"},
        {"Content-Type": MARKER},
        {"Cookie": f"{MARKER}={MARKER}"},
    ):
        yield client.post("/v1/scores", content=MARKER, headers=headers).text
    yield client.get(f"/{MARKER}/{MARKER}").text
    yield client.request(MARKER, "/v1/scores").text


def test_f76_what_is_sent_stands_in_no_answer_log_or_metric(
    store: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    start_logging()
    client = knocking(Scorer({}, {}), store, key_of(store, MARKER))
    answers = [*everything(client), client.get("/metrics").text]
    written = capfd.readouterr()
    assert '"event": "request"' in written.err
    assert [text for text in (*answers, written.err, written.out) if MARKER in text] == []


def test_f76_an_error_that_nobody_foresaw_is_logged_without_its_message(
    store: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with slow_service(store) as (address, _, _go):
        start_logging()
        answer = told(address, get(f"/broken/{MARKER}"))
    assert answer.startswith(b"HTTP/1.1 500")
    written = capfd.readouterr().err
    assert '"error": "KeyError"' in written
    assert "test_envelope.py" in written
    assert MARKER not in written + answer.decode()


def test_requests_are_counted_by_the_routes_template(quick_client: TestClient) -> None:
    quick_client.post("/v1/scores", json={"customer_id": "C1"})
    counted = quick_client.get("/metrics").text
    assert 'zhike_request_seconds_count{method="POST",route="/v1/scores",status="503"}' in counted


def test_readiness_tells_what_is_degraded(quick_client: TestClient) -> None:
    quick_client.get("/readyz")
    quick_client.app.state.watch.wait()  # type: ignore[attr-defined]
    told_now = quick_client.get("/readyz")
    assert told_now.status_code == 200
    assert told_now.json() == {
        "status": "ready",
        "degraded": ["no model is loaded", "no profiles are published"],
        "models": {},
    }


@pytest.mark.slow
def test_readiness_of_a_trained_bank_names_its_models_and_profiles(client: TestClient) -> None:
    client.get("/readyz")
    client.app.state.watch.wait()  # type: ignore[attr-defined]
    ready = client.get("/readyz").json()
    assert ready["models"].keys() == client.app.state.scorer.current.models.keys()  # type: ignore[attr-defined]
    assert ready["profiles"].keys() == {"as_of", "published_at"}
