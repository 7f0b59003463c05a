"""Every route meets the same corpus: one small refusal that echoes nothing, and never a 5xx."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from data.audit import first_broken
from data.database import Database
from serving.api.jobs import MOST_BYTES as MOST_OF_A_JOB
from serving.api.scores import MOST_BYTES as MOST_OF_A_BATCH
from serving.strict import MOST_BYTES
from tests.serving.raw_corpus import ATTACKS, MARKERS, NEVER, NO_JSON, at, leaves, replaced

BATCH = "/v1/scores/batch"
MOST = {"/v1/jobs": MOST_OF_A_JOB, BATCH: MOST_OF_A_BATCH}
JSON = {"Content-Type": "application/json"}
IDENTIFIER = "0" * 32


@pytest.fixture
def described(quick_client: TestClient) -> dict[str, Any]:
    paths: dict[str, Any] = quick_client.get("/v1/openapi.json").json()["paths"]
    return paths


@pytest.fixture
def posts(described: dict[str, Any]) -> dict[str, Any]:
    """Every POST route that reads a body, with an example of it."""
    return {
        filled(path): example
        for path, methods in described.items()
        if "requestBody" in methods.get("post", {})
        for example in examples(methods["post"]["requestBody"])[:1]
    }


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", IDENTIFIER, path)


def examples(request_body: Any) -> list[Any]:
    content = request_body["content"]["application/json"]
    stated = [one["value"] for one in content.get("examples", {}).values()]
    return stated or content["schema"]["examples"]


def refused(client: TestClient, path: str, content: bytes, kind: str = JSON["Content-Type"]) -> int:
    """The status; if it is a refusal, it is a small problem that echoes nothing."""
    told = client.post(path, content=content, headers={"Content-Type": kind})
    assert told.status_code < 500 or told.status_code == 503, (path, content[:200])
    if told.status_code >= 400:
        assert told.headers["content-type"] == "application/problem+json"
        assert len(told.content) < 1_000
        assert not [m for m in MARKERS if m in told.text.lower()], (path, content[:200])
    assert not [name for name in told.headers if "cookie" in name.lower()]
    return told.status_code


def test_f34_what_is_no_strict_json_is_refused_by_every_route(
    quick_client: TestClient, posts: dict[str, Any]
) -> None:
    assert len(posts) >= 7
    for path in posts:
        for name, content in NO_JSON.items():
            assert refused(quick_client, path, content) == 400, (path, name)
        for kind in ("", "text/plain", "multipart/form-data; boundary=marker", "marker"):
            assert refused(quick_client, path, b"{}", kind) == 415, (path, kind)
        for content in (b"{}", b"[]", b"null", b'"marker"', b"1e999", b'[{"marker": 1}]'):
            assert refused(quick_client, path, content) == 422, (path, content)


def test_f37_a_body_that_is_too_large_is_refused_by_every_route(
    quick_client: TestClient, posts: dict[str, Any]
) -> None:
    for path, example in posts.items():
        most = MOST.get(path, MOST_BYTES)
        larger = json.dumps(example).encode().ljust(most + 1)
        assert refused(quick_client, path, larger) == 413, path
        assert refused(quick_client, path, b"[" * (most + 1)) == 413, path


def test_f36_an_unknown_field_is_refused_by_every_route(
    quick_client: TestClient, posts: dict[str, Any]
) -> None:
    for path, example in posts.items():
        for name in ("marker", "__proto__", "customer_id "):
            told = json.dumps({**example, name: {"marker": 1}}).encode()
            assert refused(quick_client, path, told) == 422, (path, name)


def test_f35_f36_a_value_of_another_kind_is_refused_in_every_field(
    quick_client: TestClient, posts: dict[str, Any]
) -> None:
    for path, example in posts.items():
        for where in leaves(example):
            if path == BATCH and where[0] == "customers":
                continue  # told item by item: see test_api_batch
            for name, value in NEVER.items():
                if isinstance(at(example, where), str):
                    told = json.dumps(replaced(example, where, value)).encode()
                    assert refused(quick_client, path, told) in (400, 422), (path, where, name)
            for raw in (b"1e999", b"-1e999", b"NaN", b"1e400", b'"\\ud800"'):
                told = json.dumps(replaced(example, where, "@@")).encode().replace(b'"@@"', raw)
                assert refused(quick_client, path, told) in (400, 422), (path, where, raw)


def test_f39_f40_a_text_is_refused_or_inert_in_every_field(
    quick_client: TestClient, posts: dict[str, Any], store: Database
) -> None:
    for path, example in posts.items():
        for where in leaves(example):
            for value in ATTACKS.values():
                refused(quick_client, path, json.dumps(replaced(example, where, value)).encode())
    assert quick_client.get("/v1/jobs").status_code == 200
    assert first_broken(store) is None


def test_f39_f40_what_stands_in_an_address_is_refused_or_inert(
    quick_client: TestClient, described: dict[str, Any]
) -> None:
    for path, methods in described.items():
        for method in methods:
            for value in ATTACKS.values():
                placed = re.sub(r"\{\w+\}", quote(value[:2_000], safe=""), path)
                for query in ({}, dict.fromkeys(("cursor", "limit", "marker"), value[:2_000])):
                    told = quick_client.request(
                        method, placed, params=query, follow_redirects=False
                    )
                    assert told.status_code < 500, (method, placed, query)
                    assert told.status_code < 400 or not [m for m in MARKERS if m in told.text]


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e3", "1.5", "true", "7" * 400, "NaN", ""])
def test_a_page_has_a_size_of_1_to_100(quick_client: TestClient, limit: str) -> None:
    for path in ("/v1/jobs", "/v1/overrides"):
        assert quick_client.get(path, params={"limit": limit}).status_code == 422
