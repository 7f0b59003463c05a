"""Which version of a model answered on a day, and which one a caller wants."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from data import audit
from data.database import Database
from data.errors import ReleaseError, UnknownQuestion, UnknownVersion
from data.settings import settings
from serving.releases import Served
from serving.scoring import NAMES, Model, Scorer
from training.actors import registered
from training.release import Release, of_digest, read

Grounds = Literal["book", "asked for", "answers now"]


def answering_on(
    scorer: Scorer, database: Database, named: str, day: date, wanted: str
) -> tuple[Model, Grounds]:
    """The version that was asked for, or that the book of the day was scored by, or today's.

    Args:
        wanted: a version, or nothing.

    Raises:
        UnknownVersion: there is no such version.
        ReleaseError: the release that scored the book is gone.
        NotReady: nobody has trained the model.
    """
    if wanted:
        found = read(folder_of(named, wanted), registered(database))
        return _loaded(scorer, named, found), "asked for"
    digest = _digest_of_book(database, named, day)
    if digest is None:
        return scorer.trained(named), "answers now"
    try:
        found = of_digest(named, digest)
    except ReleaseError:
        raise ReleaseError(
            f"the release of {named} that scored the book of {day} is gone; restore it, or name a"
            " version."
        ) from None
    return _loaded(scorer, named, found), "book"


def pinned(served: Served, scorer: Scorer, versions: Mapping[str, str]) -> Scorer:
    """The scorer with some models in the versions that are asked for.

    Args:
        scorer: what answers this request.
        versions: model -> version.

    Raises:
        UnknownQuestion: there is no such model.
        UnknownVersion: there is no such version of it, or it may not answer.
        ReleaseError: it is damaged.
    """
    if not versions:
        return scorer
    wanted = {named: served.pinned(named, version) for named, version in versions.items()}
    return Scorer(scorer.models | wanted, scorer.untrained, scorer.tables)


def folder_of(named: str, version: str) -> Path:
    """Where a version of a model is.

    Raises:
        UnknownQuestion: there is no such model.
        UnknownVersion: there is no such version of it.
    """
    if named not in NAMES:
        raise UnknownQuestion(f"no such model; there are: {', '.join(NAMES)}")
    folder = settings().releases / named / version
    if not version.isalnum() or not folder.is_dir():
        raise UnknownVersion(
            f"there is no such version of {named}; GET /v1/models/{named} lists them."
        )
    return folder


def _loaded(scorer: Scorer, named: str, found: Release) -> Model:
    """The model of a release; the one in memory where it is the same."""
    now = scorer.models.get(named)
    same = now is not None and now.release.digest == found.digest
    return now if now is not None and same else Model.of(found)


def _digest_of_book(database: Database, named: str, day: date) -> str | None:
    """The release by which the newest book of a day was scored."""
    for record in reversed(audit.records(database, ("book",))):
        body = json.loads(record.body)
        if body["as_of"] == day.isoformat() and named in body["releases"]:
            return str(body["releases"][named])
    return None
