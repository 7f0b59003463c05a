"""The specification and the service agree: schemathesis asks everything that is described."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans
from schemathesis import APIOperation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from data.audit import first_broken
from data.database import Database
from serving.api.app import application
from serving.scoring import Scorer

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def without_credentials(described: dict[str, Any]) -> dict[str, Any]:
    """The description of what a caller with a key may send."""
    for methods in described["paths"].values():
        for one in methods.values():
            sent = one.get("parameters", [])
            one["parameters"] = [p for p in sent if p["name"].lower() != "authorization"]
    return described


SCHEMA = schemathesis.openapi.from_dict(
    without_credentials(application(Scorer({}, {}), Database("sqlite://")).openapi())
)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
NAMES = [operation.label for operation in OPERATIONS]


def ask(
    client: TestClient, operation: APIOperation[Any, Any, Any, Any], count: int, customer: str = ""
) -> Counter[int]:
    """Statuses of what schemathesis makes up for an operation; each answer is as described.

    Args:
        count: of requests as described, and of requests that are not.
        customer: somebody known, of whom half of the requests as described ask.
    """
    seen: Counter[int] = Counter()
    key = {"Authorization": client.headers["Authorization"]}

    def each(case: schemathesis.Case[Any], known: bool) -> None:
        positive = case.meta is None or case.meta.generation.mode.is_positive
        if customer and known and positive and isinstance(case.body, dict):
            case.body |= {"customer_id": customer} if "customer_id" in case.body else {}
        told = case.call(app=client.app, headers=key, timeout=60)
        case.validate_response(told, checks=CHECKS)
        assert told.status_code < 500 or told.status_code == 503
        seen[told.status_code] += 1

    for mode in schemathesis.GenerationMode:
        made = operation.as_strategy(generation_mode=mode)
        bounded = settings(
            max_examples=count, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        with suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
            bounded(given(case=made, known=booleans())(each))()
    return seen


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_f36_whatever_is_asked_the_answer_is_as_described(
    quick_client: TestClient, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    seen = ask(quick_client, operation, 8)
    assert seen.total() > seen[415] + seen[503]


@pytest.mark.slow
def test_f36_over_a_trained_bank_hundreds_of_requests_are_answered_as_described(
    client: TestClient, served: Database, customer: str
) -> None:
    # What moved a score builds profiles of two days: seconds each.
    told = {
        each.label: ask(client, each, 20, "" if "movements" in each.label else customer)
        for each in OPERATIONS
    }
    for label, seen in told.items():
        print(label, dict(sorted(seen.items())))
    assert {404, 422} <= set(told["POST /v1/scores"])
    assert {200, 404, 422} <= set(told["POST /v1/customers/history"])
    assert first_broken(served) is None
