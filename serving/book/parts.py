"""Score the parts of a book, one after the other: what runs here and on every worker of Spark."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import ReleaseError
from features.definition import Array
from serving.book.folder import Book, Span
from serving.book.scoring import scored
from serving.book.standing import exposures_in, texts
from serving.scoring import Model
from training.losses import Exposure


class Parts:
    """The parts of a book, and the models that answer them.

    One part's profiles and the answers of as many models as there are threads are in memory.

    Raises:
        ReleaseError: the models are not those that the book names.
    """

    def __init__(self, book: Book, models: Mapping[str, Model], threads: int) -> None:
        given = {name: model.release.digest for name, model in models.items()}
        if given != book.inputs.releases:
            raise ReleaseError(f"the models are not those of the book in {book.folder}.")
        self.book, self.models, self._threads = book, models, threads
        self._profiles = pq.ParquetFile(book.profiles)
        self._standing = pq.ParquetFile(book.standing)
        self._held: tuple[int, pa.Table] | None = None

    def profiles(self, number: int) -> pa.Table:
        """The profiles of a part."""
        span: Span = self.book.spans[number]
        if self._held is None or self._held[0] != span.group:
            self._held = None
            self._held = span.group, self._profiles.read_row_group(span.group)
        return self._held[1].slice(span.offset, span.rows)

    def standing(self, number: int) -> pa.Table:
        """Where the customers of a part stand."""
        return self._standing.read_row_group(number)

    def score(self, number: int) -> None:
        """Score a part with every model and write it."""
        profiles, standing = self.profiles(number), self.standing(number)
        answer = partial(self._written, number, standing, matrix(profiles), exposures_in(standing))
        with ThreadPoolExecutor(self._threads) as pool:
            digests = dict(zip(self.models, pool.map(answer, self.models), strict=True))
        self.book.stand(number, digests)

    def answered(
        self, name: str, standing: pa.Table, values: Array, owed: Mapping[str, Exposure]
    ) -> pa.Table:
        """A model's answers to customers of a part; ``values`` are all features of theirs."""
        model, known = self.models[name], self.book.snapshot.features
        wanted = model.release.card.profiled
        if set(wanted) <= set(known):
            rows = values[:, [known.index(feature) for feature in wanted]]
        else:  # the standing says so of everybody
            rows = np.full((len(values), len(wanted)), np.nan)
        return scored(model, texts(standing["customer_id"]), rows, texts(standing[name]), owed)

    def _written(
        self,
        number: int,
        standing: pa.Table,
        values: Array,
        owed: Mapping[str, Exposure],
        name: str,
    ) -> str:
        return self.book.put(name, number, self.answered(name, standing, values, owed))


def matrix(profiles: pa.Table) -> Array:
    """The features of profiles, shape (customers, features)."""
    names = profiles.column_names[2:]
    values = np.empty((profiles.num_rows, len(names)))
    for place, name in enumerate(names):
        values[:, place] = profiles[name].to_numpy()
    return values
