"""Models with their versions and cards, and the catalogue of features."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from data.errors import UnknownQuestion
from features.reason_groups import GROUPS
from serving import showing
from serving.api.shared import Known, Scoring, Store, like
from serving.showing import FeatureShown, ModelShown

routes = APIRouter(tags=["models"])
Name = Annotated[str, Path(pattern=r"^[a-z_.]{1,40}$", examples=["churn"])]
OfModel = Annotated[str, Path(pattern=r"^[A-Za-z0-9]{1,64}$", examples=["1"])]
_EXAMPLE = {
    "name": "churn",
    "version": "3",
    "standing": "answers",
    "question": "churn",
    "unit": "probability",
    "horizon": 182,
    "label_version": "churn/2",
    "provisional": False,
    "since": "2026-07-03T08:00:00Z",
    "figures": {"auc": 0.87},
}
# The page is ours, yet it may neither load nor run anything.
_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}


class Models(BaseModel):
    """Models, and of those that nobody has trained why not."""

    model_config = like({"models": [_EXAMPLE], "untrained": {"propensity.fund": "too few events"}})

    models: list[ModelShown]
    untrained: dict[str, str]


class Versions(BaseModel):
    """The versions of a model, the oldest first."""

    model_config = like({"versions": [_EXAMPLE]})

    versions: list[ModelShown]


class Features(BaseModel):
    """Some features; with ``next`` as the cursor come those after."""

    model_config = like({"features": [], "next": None})

    features: list[FeatureShown]
    next: str | None


@routes.get("/models", response_model_exclude_none=True)
def models(who: Known, scorer: Scoring, store: Store) -> Models:
    """The models that answer, each in its version."""
    return Models(models=showing.models(scorer, store), untrained=dict(scorer.untrained))


@routes.get("/models/{name}", response_model_exclude_none=True)
def versions(who: Known, scorer: Scoring, store: Store, name: Name) -> Versions:
    """All versions of a model; any of them can be asked for by name."""
    found = showing.versions(scorer, store, name)
    if not found:
        raise UnknownQuestion("no such model; GET /v1/models lists them.")
    return Versions(versions=found)


@routes.get(
    "/models/{name}/{version}/card",
    response_model=dict[str, Any],
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
def card(
    who: Known, name: Name, version: OfModel, accept: Annotated[str, Header()] = ""
) -> dict[str, Any] | HTMLResponse:
    """The validation report of a version; as a page for who accepts text/html."""
    if "text/html" in accept:
        return HTMLResponse(showing.page(name, version), headers=_PAGE)
    return showing.card(name, version)


@routes.get("/features")
def features(
    who: Known,
    group: Annotated[str, Query(pattern=r"^[a-z_]{0,40}$", examples=["arrears"])] = "",
    cursor: Annotated[str, Query(pattern=r"^[a-z0-9_]{0,64}$")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Features:
    """The features that models may read, with their units and words in three languages."""
    if group and group not in {known.name for known in GROUPS}:
        raise UnknownQuestion(f"no such group; there are: {', '.join(g.name for g in GROUPS)}")
    found = showing.catalogued(group, cursor, limit + 1)
    more = len(found) > limit
    return Features(features=found[:limit], next=found[limit - 1].name if more else None)
