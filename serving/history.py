"""A customer's past scores, as the books hold them that still stand."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from data import audit
from data.database import Database
from data.errors import NotReady, ReleaseError, UnknownCustomer
from serving.book.folder import Book
from serving.book.reading import book_of
from training.release import of_digest


class PastScore(BaseModel):
    """What a book says: scorable and a value, or why there is none; ``book`` is its audit record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    status: str
    value: float | None = None
    grade: str | None = None
    unit: str | None = None
    version: str | None = None
    book: int


class History(BaseModel):
    """Past scores by model, the oldest first.

    Attributes:
        covers: the days whose books were read, the oldest first.
        gone: days whose books are not there any more, or are damaged.
        scores: model -> scores; under other identifiers that were merged there may be more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: str
    covers: list[date]
    gone: list[date]
    scores: dict[str, list[PastScore]]


def history(
    database: Database, customer_id: str, models: Sequence[str], days: int, *, actor: str
) -> tuple[History, int]:
    """The scores of a customer in the newest books, and the number of the reading's audit record.

    Args:
        models: by name.
        days: how many as-of days at most; of each its newest book.

    Raises:
        NotReady: the database does not answer.
        UnknownCustomer: no book that still stands has the customer.
    """
    covers, gone, known = [], [], False
    scores: dict[str, list[PastScore]] = {name: [] for name in models}
    for sequence, as_of in reversed(_books(database, days)):
        try:
            book, output = book_of(database, sequence)
            place = _place(book, customer_id)
            known |= place is not None
            for name, score in _of_book(book, output, sequence, place, models):
                scores[name].append(score)
        except NotReady:
            gone.append(as_of)
        else:
            covers.append(as_of)
    if not known:
        raise UnknownCustomer("no book that still stands has this customer; check the identifier.")
    record = audit.append(
        database,
        kind="history_read",
        actor=actor,
        body={"models": list(models), "days": [day.isoformat() for day in covers]},
        payload={"customer_id": customer_id},
        person=customer_id,
    )
    told = History(customer_id=customer_id, covers=covers, gone=gone, scores=scores)
    return told, record.sequence


def _books(database: Database, days: int) -> list[tuple[int, date]]:
    """The newest book of each of the last days: its audit record and its day, newest first."""
    newest: dict[date, int] = {}
    for record in audit.records(database, ("book",)):
        newest[date.fromisoformat(json.loads(record.body)["as_of"])] = record.sequence
    return [(newest[day], day) for day in sorted(newest, reverse=True)[:days]]


def _of_book(
    book: Book,
    output: str,
    sequence: int,
    place: tuple[int, int] | None,
    models: Sequence[str],
) -> Iterator[tuple[str, PastScore]]:
    if place is None:
        return
    number, row = place
    as_of, found = date.fromisoformat(book.inputs.as_of), []
    for name in (n for n in models if n in book.inputs.releases):
        path = book.verified(output, number, name)
        columns = [c for c in ("status", "value", "grade") if c in pq.read_schema(path).names]
        (kept,) = pq.read_table(path, columns=columns).slice(row, 1).to_pylist()
        if kept["value"] is None or kept["value"] != kept["value"]:
            kept["value"] = None
        version, unit = _release(name, book.inputs.releases[name])
        score = PastScore(as_of=as_of, unit=unit, version=version, book=sequence, **kept)
        found.append((name, score))
    yield from found


def _place(book: Book, customer_id: str) -> tuple[int, int] | None:
    """The part that a customer is in, and which row of it; None of whom it does not have."""
    standing = pq.ParquetFile(book.standing)
    for number in range(standing.num_row_groups):
        about: Any = standing.metadata.row_group(number).column(0).statistics
        if about is None or about.min <= customer_id <= about.max:
            (column,) = standing.read_row_group(number, ["customer_id"]).columns
            row = pc.index(column, customer_id).as_py()
            if row >= 0:
                return number, row
    return None


@lru_cache(maxsize=512)
def _release(name: str, digest: str) -> tuple[str | None, str | None]:
    """Version and unit of a release; nothing of one that is gone."""
    try:
        card = of_digest(name, digest).card
    except ReleaseError:
        return None, None
    return card.version, card.unit
