"""docs/api.md names every route and every error that the service has."""

import re

from starlette.testclient import TestClient

from serving.api.problems import STATUS
from tests.requirements import CHECKOUT

TEXT = (CHECKOUT / "docs" / "api.md").read_text("utf-8")
CODES = {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d+) \|", TEXT, re.M)}
ROUTES = set(re.findall(r"^\| `([A-Z]+) (/\S+)` \|", TEXT, re.M))


def code_of(kind: type[Exception]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def test_every_error_with_a_status_says_whether_to_try_again() -> None:
    for kind, status in STATUS.items():
        for each in (kind, *kind.__subclasses__()):
            assert CODES.get(code_of(each)) == STATUS.get(each, status), each


def test_every_route_is_in_the_table_and_no_other(quick_client: TestClient) -> None:
    described = quick_client.get("/v1/openapi.json").json()["paths"]
    offered = {(m.upper(), path) for path, methods in described.items() for m in methods}
    assert {(m, path) for m, path in offered if path.startswith("/v1/")} == ROUTES


def test_a_post_that_takes_a_key_says_so(quick_client: TestClient) -> None:
    described = quick_client.get("/v1/openapi.json").json()["paths"]
    for method, path in ROUTES:
        sent = described[path][method.lower()].get("parameters", [])
        takes = "idempotency-key" in {parameter["name"].lower() for parameter in sent}
        [line] = [one for one in TEXT.splitlines() if one.startswith(f"| `{method} {path}` |")]
        assert line.endswith("| yes |") == takes, line
