"""What the API offers, as OpenAPI: who knocks how, and what an error looks like."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

ABOUT = """\
Scores of a bank's customers with exact reasons, each answer on record before it leaves.

Everything under `/v1` stays: fields and routes are added, never taken away or given another
meaning. What will go is announced by the headers `Deprecation` and `Sunset`. Errors are
`application/problem+json`; their `code` stays the same, their `detail` is for people.
"""
_METHODS = {"get", "put", "post", "delete", "patch"}


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application; the same object until its routes change."""
    if not app.openapi_schema:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=ABOUT,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        bearer = {"type": "http", "scheme": "bearer", "description": "An API key or OIDC token."}
        made.setdefault("components", {})["securitySchemes"] = {"bearer": bearer}
        for path, operation in _operations(made):
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}]
            for status, answer in operation["responses"].items():
                if status >= "4" and "content" in answer:
                    told = answer["content"].pop("application/json")
                    answer["content"]["application/problem+json"] = told
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                yield path, operation
