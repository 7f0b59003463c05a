"""The description of the API: whole, with examples, and of what was promised nothing is taken back."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.api import customers, models, refusals, scores

PROMISED = Path(__file__).parent / "openapi-v1.json"
AGAIN = "./zhike serving openapi > tests/serving/openapi-v1.json"
WORDS = {"examples", "description", "summary", "title", "default", "required"}
ANSWERS = ("Response", "Models", "Versions")
METHODS = ("get", "post", "put", "delete", "patch")


@pytest.fixture
def described(quick_client: TestClient) -> dict[str, Any]:
    told: dict[str, Any] = quick_client.get("/v1/openapi.json").json()
    return told


def taken_back(before: Any, now: Any, where: str = "") -> Iterator[str]:
    """What a client that relies on ``before`` would miss in ``now``."""
    if isinstance(before, dict) and isinstance(now, dict):
        added = wanted(now) - wanted(before)
        if where.startswith("request") and added:
            yield f"{where}: {sorted(added)} became required"
        for name, part in before.items():
            if name in WORDS and not where.endswith(".properties"):
                continue
            if name not in now:
                yield f"{where}.{name} is gone"
            else:
                yield from taken_back(part, now[name], f"{where}.{name}")
    elif where.endswith(".enum"):
        yield from (f"{where} no longer has {one}" for one in before if one not in now)
    elif isinstance(before, list) and isinstance(now, list):
        for place, part in enumerate(before):
            if part not in now:
                other = now[place] if place < len(now) else None
                yield from taken_back(part, other, f"{where}[{place}]")
    elif before != now:
        yield f"{where} was {before!r} and is {now!r}"


def wanted(schema: dict[str, Any]) -> set[str]:
    """The fields that a schema requires; a body as a whole requires none."""
    required = schema.get("required")
    return set(required) if isinstance(required, list) else set()


def broken(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    found = list(
        taken_back(before["components"]["schemas"], now["components"]["schemas"], "answer")
    )
    for path, methods in before["paths"].items():
        for method, operation in methods.items():
            there = now["paths"].get(path, {}).get(method)
            if there is None:
                found.append(f"{method} {path} is gone")
                continue
            sent, answered = (("requestBody", "request"), ("responses", "answer"))
            for part, side in (sent, answered):
                where = f"{side} {method} {path}"
                found += taken_back(operation.get(part), there.get(part), where)
            found += parameters(operation, there, f"{method} {path}")
    return found


def parameters(before: dict[str, Any], now: dict[str, Any], where: str) -> list[str]:
    was, there = (
        {(p["in"], p["name"]): p for p in one.get("parameters", [])} for one in (before, now)
    )
    gone = [f"{where}: parameter {name} is gone" for _, name in was.keys() - there.keys()]
    new = [
        name for (_, name), p in there.items() if p.get("required") and (p["in"], name) not in was
    ]
    return gone + [f"{where}: parameter {name} became required" for name in new]


def test_of_what_was_promised_nothing_is_taken_back(described: dict[str, Any]) -> None:
    promised = json.loads(PROMISED.read_text("utf-8"))
    assert broken(promised, described) == []
    assert promised == described, f"the API has grown; hold it to that too: {AGAIN}"


def without_path(told: Any) -> None:
    del told["paths"]["/v1/models"]


def without_field(told: Any) -> None:
    del told["components"]["schemas"]["ModelShown"]["properties"]["unit"]


def without_value(told: Any) -> None:
    body(told, "/v1/scores")["properties"]["language"]["enum"].pop()


def with_more_required(told: Any) -> None:
    body(told, "/v1/changes")["required"].append("language")


def without_parameter(told: Any) -> None:
    told["paths"]["/v1/features"]["get"]["parameters"].pop()


def body(told: Any, path: str) -> Any:
    return told["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


@pytest.mark.parametrize(
    "change",
    [without_path, without_field, without_value, with_more_required, without_parameter],
)
def test_what_is_taken_back_is_noticed(described: dict[str, Any], change: Any) -> None:
    changed = deepcopy(described)
    change(changed)
    assert broken(described, changed)
    if change is not with_more_required:
        assert not broken(changed, described)  # what is added is no harm


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    found = list(references(described))
    assert found
    for reference in found:
        part: Any = described
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        assert part


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        yield from ((path, methods[method]) for method in METHODS if method in methods)


def test_every_route_has_words_a_tag_a_key_and_problems(described: dict[str, Any]) -> None:
    for path, operation in operations(described):
        assert operation["description"].endswith("."), path
        if path.startswith("/v1/"):
            assert operation["tags"], path
            assert operation["security"] == [{"bearer": []}]
            errors = {s: r for s, r in operation["responses"].items() if s >= "4"}
            assert {"401", "422", "503"} <= errors.keys()
            assert all(list(r["content"]) == ["application/problem+json"] for r in errors.values())


def test_every_example_of_a_request_is_understood(
    quick_client: TestClient, described: dict[str, Any]
) -> None:
    for path, operation in operations(described):
        if "requestBody" in operation:
            examples = body(described, path)["examples"]
            for example in examples:
                told = quick_client.post(path.format(override_id="0" * 32), json=example)
                refused = told.status_code in (400, 413, 415) or (
                    told.status_code == 422 and told.json()["code"] == "not_valid"
                )
                assert not refused, (path, told.text)


def test_every_example_of_an_answer_is_one() -> None:
    for module in (scores, customers, models, refusals):
        for name, kind in vars(module).items():
            if name.endswith(ANSWERS) and hasattr(kind, "model_config"):
                for example in kind.model_config.get("json_schema_extra", {}).get("examples", []):
                    kind.model_validate(example)
