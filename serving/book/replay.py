"""Work one customer's scores out again from the audit record of their book."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.database import Database
from data.errors import UnknownCustomer
from serving.book.folder import Book
from serving.book.parts import Parts, matrix
from serving.book.reading import book_of
from serving.book.standing import exposures_in
from serving.scoring import Model
from training.release import of_digest


@dataclass(frozen=True)
class Replayed:
    """One model's answer to a customer: as the book holds it, and as worked out again."""

    model: str
    kept: pa.Table
    anew: pa.Table

    @property
    def same(self) -> bool:
        """Whether they are the same in every bit."""
        return self.kept.column_names == self.anew.column_names and all(
            _bits(self.kept[name]) == _bits(self.anew[name]) for name in self.kept.column_names
        )


def replay(database: Database, sequence: int, customer_id: str) -> list[Replayed]:
    """Every model's answer to a customer of a book, from its snapshot and its releases.

    Raises:
        NotReady: the record is not that of a book, or a file of the book is damaged.
        FeatureError, ReleaseError: the snapshot or a release is gone or damaged.
        UnknownCustomer: the book does not have the customer.
    """
    book, output = book_of(database, sequence)
    releases = book.inputs.releases
    models = {name: Model.of(of_digest(name, releases[name])) for name in releases}
    parts = Parts(book, models, threads=1)
    number, row = _place(book, parts, customer_id)
    profile = parts.profiles(number).slice(row, 1)
    standing = parts.standing(number).slice(row, 1)
    values, owed = matrix(profile), exposures_in(standing)
    return [
        Replayed(
            model=name,
            kept=pq.read_table(book.verified(output, number, name)).slice(row, 1),
            anew=parts.answered(name, standing, values, owed),
        )
        for name in models
    ]


def _place(book: Book, parts: Parts, customer_id: str) -> tuple[int, int]:
    """The part that a customer is in, and which row of it."""
    for number in range(len(book.spans)):
        row = pc.index(parts.standing(number)["customer_id"], customer_id).as_py()
        if row >= 0:
            return number, row
    raise UnknownCustomer("the book has no customer with this identifier; check the identifier.")


def _bits(column: Any) -> object:
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), dtype="<f8").tobytes()
    return column.to_pylist()
