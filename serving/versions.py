"""Which version of a model answered on a day."""

import json
from datetime import date
from pathlib import Path
from typing import Literal

from data import audit
from data.database import Database
from data.errors import ReleaseError, UnknownQuestion
from data.settings import settings
from serving.scoring import Model, Scorer
from training.release import of_digest

Grounds = Literal["book", "asked for", "answers now"]


def answering_on(
    scorer: Scorer, database: Database, named: str, day: date, wanted: str
) -> tuple[Model, Grounds]:
    """The version that was asked for, or that the book of the day was scored by, or today's.

    Args:
        wanted: a version, or nothing.

    Raises:
        UnknownQuestion: there is no such version.
        ReleaseError: the release that scored the book is gone.
        NotReady: nobody has trained the model.
    """
    if wanted:
        folder = settings().releases / named / wanted
        if not wanted.isalnum() or not folder.is_dir():
            raise UnknownQuestion(f"there is no such version of {named}.")
        return _loaded(scorer, named, folder), "asked for"
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
    return _loaded(scorer, named, found.folder), "book"


def _loaded(scorer: Scorer, named: str, folder: Path) -> Model:
    """The model of a folder; the one in memory where it is the same."""
    now = scorer.models.get(named)
    same = now is not None and now.release.folder.resolve() == folder.resolve()
    return now if now is not None and same else Model.load(folder)


def _digest_of_book(database: Database, named: str, day: date) -> str | None:
    """The release by which the newest book of a day was scored."""
    for record in reversed(audit.records(database, ("book",))):
        body = json.loads(record.body)
        if body["as_of"] == day.isoformat() and named in body["releases"]:
            return str(body["releases"][named])
    return None
