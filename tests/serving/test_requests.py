"""Requests that are not plainly right: each gets a small, plain refusal that echoes nothing."""

import json
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from serving.api.scores import ScoreRequest
from serving.strict import MOST_BYTES, BadRequest, parse, strict
from tests.serving.raw_corpus import DIGITS, MARKERS, NO_JSON

NOT_ALLOWED = {
    "nothing": b"{}",
    "null": b"null",
    "a list": b'["marker"]',
    "a string": b'"marker"',
    "1e999": b'{"customer_id": 1e999, "marker": 1}',
    "1e999 alone": b"1e999",
    "-1e999 in the list": b'{"customer_id": "C1", "questions": [-1e999]}',
    "no customer": b'{"questions": ["churn"]}',
    "a number for the customer": b'{"customer_id": 4242}',
    "400 digits as a number": b'{"customer_id": %s}' % DIGITS.encode(),
    "400 digits as text": b'{"customer_id": "%s"}' % DIGITS.encode(),
    "a boolean for the customer": b'{"customer_id": true}',
    "null for the customer": b'{"customer_id": null}',
    "a list for the customer": b'{"customer_id": ["marker"]}',
    "an empty customer": b'{"customer_id": ""}',
    "a customer with a blank": b'{"customer_id": "marker 1"}',
    "a customer with a line break": b'{"customer_id": "marker\\n"}',
    "an escaped NUL": b'{"customer_id": "marker\\u0000"}',
    "a customer written right to left": '{"customer_id": "marker\u202e1"}'.encode(),
    "a customer of letters that look alike": '{"customer_id": "marker\u0421"}'.encode(),
    "a customer of four bytes": '{"customer_id": "marker\U0001f600"}'.encode(),
    "a customer of 65 characters": b'{"customer_id": "%s"}' % (b"marker" + b"m" * 59),
    "an unknown field": b'{"customer_id": "C1", "marker": 1}',
    "prototype": b'{"customer_id": "C1", "__proto__": {"marker": 1}}',
    "a string for the questions": b'{"customer_id": "C1", "questions": "marker"}',
    "an object for the questions": b'{"customer_id": "C1", "questions": {"marker": 1}}',
    "null for the questions": b'{"customer_id": "C1", "questions": null}',
    "no questions": b'{"customer_id": "C1", "questions": []}',
    "a number among the questions": b'{"customer_id": "C1", "questions": [4242]}',
    "a boolean among the questions": b'{"customer_id": "C1", "questions": [false]}',
    "a question in capitals": b'{"customer_id": "C1", "questions": ["MARKER"]}',
    "a path for a question": b'{"customer_id": "C1", "questions": ["../../marker"]}',
    "21 questions": json.dumps({"customer_id": "C1", "questions": ["churn"] * 21}).encode(),
    "5,000 questions": json.dumps({"customer_id": "C1", "questions": ["churn"] * 5_000}).encode(),
    "nested 500 deep": b'{"customer_id":' + b"[" * 500 + b'"marker"' + b"]" * 500 + b"}",
}
TOO_LARGE = {
    "65 KB of blanks": b'{"customer_id": "C1"}' + b" " * MOST_BYTES,
    "one byte too many": b'{"customer_id": "C1"}'.ljust(MOST_BYTES + 1),
    "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "a megabyte of text": b'{"customer_id": "%s"}' % (b"marker" * 200_000),
}


def cases(corpus: dict[str, bytes]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("body", corpus.values(), ids=corpus.keys())


def refusal(client: TestClient, body: bytes, kind: str = "application/json") -> int:
    """The status; whatever it is, the answer is a small problem that echoes nothing."""
    refused = client.post("/v1/scores", content=body, headers={"Content-Type": kind})
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == refused.status_code
    assert len(refused.content) < 1_000
    assert not [m for m in MARKERS if m in refused.text.lower()]
    return refused.status_code


@cases(NO_JSON)
def test_what_is_no_strict_json_is_refused(quick_client: TestClient, body: bytes) -> None:
    assert refusal(quick_client, body) == 400


@cases(NOT_ALLOWED)
def test_what_the_request_does_not_allow_is_refused(quick_client: TestClient, body: bytes) -> None:
    assert refusal(quick_client, body) == 422


@cases(TOO_LARGE)
def test_a_body_of_more_than_64_kilobytes_is_refused(quick_client: TestClient, body: bytes) -> None:
    assert refusal(quick_client, body) == 413


def test_a_body_that_comes_in_drips_is_refused_at_the_limit(quick_client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * MOST_BYTES:
            sent += 1024
            yield b" " * 1024

    refused = quick_client.post(
        "/v1/scores", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 413


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/xml", "multipart/form-data; boundary=marker", "marker"]
)
def test_another_content_type_is_refused(quick_client: TestClient, kind: str) -> None:
    assert refusal(quick_client, b'{"customer_id": "C1"}', kind) == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_plain_request_is_read(quick_client: TestClient, kind: str) -> None:
    body = b'{"customer_id": "C1"}'.ljust(MOST_BYTES)
    assert refusal(quick_client, body, kind) == 503  # understood; this bank has published nothing


@pytest.mark.parametrize(
    "name", ["' OR 1=1 --", "%27%20OR%201=1", "{{7*7}}", "../../etc/passwd", "${jndi:ldap://m}"]
)
def test_a_customer_that_is_an_attack_is_just_unknown(quick_client: TestClient, name: str) -> None:
    asked = json.dumps({"customer_id": name}).encode()
    assert refusal(quick_client, asked) == (422 if " " in name else 503)


def test_a_wrong_field_is_named_but_not_its_value() -> None:
    with pytest.raises(BadRequest) as told:
        parse(ScoreRequest, b'{"customer_id": 4242, "questions": ["marker 1"], "secret": 1}')
    assert told.value.status == 422
    assert "customer_id" in str(told.value)
    assert "questions" in str(told.value)
    assert "an unknown field was sent" in str(told.value)
    assert not any(m in str(told.value) for m in ("4242", "marker", "secret"))


async def hangs_up() -> dict[str, str]:
    return {"type": "http.disconnect"}


def test_a_caller_who_hangs_up_midway_is_no_error_of_ours() -> None:
    header = (b"content-type", b"application/json")
    request = Request({"type": "http", "headers": [header]}, hangs_up)
    reading = strict(ScoreRequest)(request)
    with pytest.raises(BadRequest, match="ended early"):
        reading.send(None)  # type: ignore[attr-defined]
