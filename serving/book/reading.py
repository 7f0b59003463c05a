"""Read a book: its folder, and one customer's scores with the reasons in words."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from data.database import Database
from data.errors import NotReady, UnknownCustomer
from data.schema import AUDIT, BOOK_SCORES, PROFILES, PUBLICATIONS
from data.settings import settings
from serving.book.folder import Book
from serving.reasons import Direction, Language, Told, text
from training.release import of_digest


@dataclass(frozen=True)
class BookScore:
    """What the newest book says of a customer under one question.

    Attributes:
        value: None where there is a grade alone, of a customer in default.
        reasons: sentences, the strongest first.
    """

    model: str
    version: str
    value: float | None
    unit: str
    grade: str | None
    reasons: list[str]


def newest_book(database: Database) -> Path:
    """The folder of the newest book; a model's answers are the Parquet files in MODEL.parquet.

    Raises:
        NotReady: no book was scored yet, or its files are gone.
    """
    newest = sa.select(AUDIT.c.body).where(AUDIT.c.kind == "book")
    with database.reading() as connection:
        body = connection.execute(newest.order_by(AUDIT.c.sequence.desc()).limit(1)).scalar()
    folder = settings().books / str(json.loads(body or "{}").get("book"))
    if not folder.is_dir():
        raise NotReady("there is no book; ./zhike serving score-book makes one.")
    return folder


def book_of(database: Database, sequence: int) -> tuple[Book, str]:
    """The book of an audit record, and the digest of its output.

    Raises:
        NotReady: the record is not that of a book, or the book is gone or not what it vouches for.
    """
    asked = sa.select(AUDIT.c.body).where(AUDIT.c.kind == "book", AUDIT.c.sequence == sequence)
    with database.reading() as connection:
        body = connection.execute(asked).scalar()
    told = json.loads(body) if body else {}
    if "book" not in told:
        raise NotReady(f"audit record {sequence} is not that of a book run.")
    book = Book(settings().books / told["book"])
    if book.inputs.snapshot != told["snapshot"] or book.inputs.releases != told["releases"]:
        raise NotReady(f"{book.folder} is not the book of audit record {sequence}.")
    return book, told["output"]


def scores_of(
    database: Database, customer_id: str, language: Language = "en"
) -> tuple[date, list[BookScore]]:
    """A customer's scores in the book that is published, worded now.

    Raises:
        NotReady: no book is published.
        UnknownCustomer: the book does not have the customer.
        ReleaseError: a release that scored is gone.
    """
    theirs = (
        sa.select(PUBLICATIONS, PROFILES.c.vector, BOOK_SCORES)
        .outerjoin(
            PROFILES,
            (PROFILES.c.publication_id == PUBLICATIONS.c.publication_id)
            & (PROFILES.c.customer_id == customer_id),
        )
        .outerjoin(
            BOOK_SCORES,
            (BOOK_SCORES.c.publication_id == PROFILES.c.publication_id)
            & (BOOK_SCORES.c.customer_id == PROFILES.c.customer_id),
        )
        .where(PUBLICATIONS.c.current)
        .order_by(BOOK_SCORES.c.model)
    )
    with database.reading() as connection:
        rows = connection.execute(theirs).all()
    if not rows or rows[0].releases is None:
        raise NotReady("no book is published; ./zhike serving score-book makes one.")
    if rows[0].vector is None:
        raise UnknownCustomer(
            f"no customer with this identifier as of {rows[0].as_of}; check the identifier."
        )
    profile = dict(
        zip(rows[0].features, np.frombuffer(rows[0].vector, dtype="<f8").tolist(), strict=True)
    )
    found = [_worded(row, profile, language) for row in rows if row.model is not None]
    return rows[0].as_of, found


def _worded(row: sa.Row[Any], profile: dict[str, float], language: Language) -> BookScore:
    card = of_digest(row.model, row.releases[row.model]).card
    told = Told(card.question, 1.0, language, card.name)
    return BookScore(
        model=card.name,
        version=card.version,
        value=row.value,
        unit=card.unit,
        grade=row.grade,
        reasons=[
            text(name, profile[name], card.typical.get(name), direction, told)
            for direction, name in map(_read_code, row.reasons.split())
        ],
    )


def _read_code(code: str) -> tuple[Direction, str]:
    return "raises" if code[0] == "+" else "lowers", code[1:]
