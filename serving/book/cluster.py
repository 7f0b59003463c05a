"""Score a book on Spark: every worker does some parts, by the same function, to the same bytes.

The driver and every worker must see the home folder under the same path, as for profiles. What
travels are numbers of parts there and digests back; workers read profiles and write answers where
they lie.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.settings import CHECKOUT, settings
from data.terminal import Report
from features.spark import spread
from serving.book.folder import Book
from serving.book.parts import Parts
from serving.scoring import Model
from training.release import read


def on(spark: Any) -> Callable[[Book, Mapping[str, Model], Sequence[int], Report], None]:
    """The engine that scores parts on a Spark session."""
    return partial(_scored, spark)


def _scored(
    spark: Any,
    book: Book,
    models: Mapping[str, Model],
    numbers: Sequence[int],
    report: Report,
) -> None:
    if not numbers:
        return
    report("scores on Spark", 0, len(numbers))
    known = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    home = str(settings().home.resolve())
    folders = {name: str(model.release.folder.resolve()) for name, model in models.items()}
    work = partial(answered, str(book.folder.resolve()), json.dumps(folders), tuple(numbers))
    # Workers have nothing else of the driver's environment.
    spread(spark, len(numbers), work, "part bigint", {"PYTHONPATH": known, "ZHIKE_HOME": home})


def answered(
    folder: str, releases: str, numbers: Sequence[int], places: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Score the parts at some places of ``numbers``; gives back their numbers.

    Args:
        releases: JSON of model -> folder of its release.
    """
    for batch in places:
        asked = [numbers[place] for place in batch.column(0).to_numpy().tolist()]
        for number in asked:
            _parts(folder, releases).score(number)
        yield pa.RecordBatch.from_pydict({"part": pa.array(asked, pa.int64())})


@cache
def _parts(folder: str, releases: str) -> Parts:
    """The models of a book, loaded once a worker; Spark runs a worker on every processor."""
    # The driver has verified the signatures; a worker need not reach the database.
    models = {name: Model.of(read(Path(where))) for name, where in json.loads(releases).items()}
    return Parts(Book(Path(folder)), models, threads=1)
