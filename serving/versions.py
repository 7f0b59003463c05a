"""Which version of a model answered on a day."""

import json
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal

from data import audit
from data.database import Database
from data.errors import ReleaseError, UnknownQuestion, UnknownVersion
from data.settings import settings
from data.warehouse import file_digest
from serving.scoring import NAMES, Model, Scorer
from training.release import of_digest

Grounds = Literal["book", "asked for", "answers now"]
LOADED = 8  # models beside the champions that stay in memory


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
        return _loaded(scorer, named, folder_of(named, wanted)), "asked for"
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
    if now is not None and now.release.folder.resolve() == folder.resolve():
        return now
    digests = folder / "digests.json"
    return _kept(folder, file_digest(digests)) if digests.is_file() else Model.load(folder)


def _digest_of_book(database: Database, named: str, day: date) -> str | None:
    """The release by which the newest book of a day was scored."""
    for record in reversed(audit.records(database, ("book",))):
        body = json.loads(record.body)
        if body["as_of"] == day.isoformat() and named in body["releases"]:
            return str(body["releases"][named])
    return None


def pinned(scorer: Scorer, versions: Mapping[str, str]) -> Scorer:
    """The scorer with some models in the versions that are asked for.

    Args:
        versions: model -> version.

    Raises:
        UnknownQuestion: there is no such model.
        UnknownVersion: there is no such version of it.
        ReleaseError: it is damaged.
    """
    if not versions:
        return scorer
    wanted = {named: _loaded(scorer, named, folder_of(named, v)) for named, v in versions.items()}
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


@lru_cache(maxsize=LOADED)
def _kept(folder: Path, digests: str) -> Model:
    """A model that is asked for again and again; another release in its place is another key."""
    return Model.load(folder)
