"""Score the whole book in parts: of the whole bank, memory holds standing and exposures alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.database import Database
from data.errors import FeatureError, NotReady
from data.settings import settings
from data.terminal import Report
from data.warehouse import Warehouse, file_digest
from features import catalogue
from features.batches import build_snapshot
from features.profile import planned
from features.reason_groups import version
from features.snapshot import Snapshot, newest_snapshot, read_snapshot
from features.spine import customers_as_of, newest_as_of
from serving.book.folder import PART, Book, Inputs, Span, spans
from serving.book.parts import Parts, matrix
from serving.book.standing import counted, exposures_in, standing_of, standing_of_profiles, texts
from serving.publication import Chunk, Entry, alone, chunks, publish
from serving.scoring import Model, Scorer
from training.losses import as_json, exposures, loss_rates
from training.release import champions
from training.trees import cores

Engine = Callable[[Book, Mapping[str, Model], Sequence[int], Report], None]


@dataclass(frozen=True)
class BookRun:
    """A finished book run.

    Attributes:
        scored: model -> customers scored.
        aside: model -> reason -> customers for whom the question does not fit.
        resumed: parts of the book that an earlier run had finished.
    """

    as_of: date
    customers: int
    scored: dict[str, int]
    aside: dict[str, dict[str, int]]
    folder: Path
    audit_sequence: int
    parts: int
    resumed: int


def here(book: Book, models: Mapping[str, Model], numbers: Sequence[int], report: Report) -> None:
    """Score parts of a book in this process, on all its processors."""
    parts = Parts(book, models, threads=cores())
    for done, number in enumerate(numbers):
        report("scores", done, len(numbers))
        parts.score(number)


def score_book(
    warehouse: Warehouse,
    database: Database,
    *,
    as_of: date | None = None,
    actor: str = "command line",
    report: Report | None = None,
    engine: Engine = here,
    part: int = PART,
) -> BookRun:
    """Profile, score and publish every customer as of a day.

    The output holds, for each model, customer_id, status, value, margin, base_value, reasons (their
    codes) and one contribution a feature; of the other horizons of a model the same, named margin@91
    and so on; for money also low and high, the ends of its interval; for credit risk also grade,
    band, EAD, LGD, EL and what they stand on.

    A run that was killed is taken up where it stood by the next one with the same inputs; the bytes
    are the same as if it had not been.

    Args:
        engine: what scores the parts; here by default.
        part: customers in a part.

    Raises:
        NotReady: no model is champion, or something was loaded while the run began.
        FeatureError: the day lies outside the data.
    """
    say = report or (lambda *_: None)
    models = Scorer.load().models
    day = as_of or newest_as_of(warehouse)
    with alone(settings().books / ".lock"):
        snapshot = snapshot_of(warehouse, day, say)
        book, standing = begin(warehouse, snapshot, models, day, say, part)
        missing = [number for number in range(len(book.spans)) if not book.stands(number)]
        engine(book, models, missing, say)
        entry = Entry("book", actor, _body(book, book.sealed(), standing.num_rows))
        found = _chunks(book, models, say)
        record = publish(database, snapshot, day, found, entry, book.inputs.releases)
    counts = {name: counted(standing, name) for name in models}
    return BookRun(
        as_of=day,
        customers=standing.num_rows,
        scored={name: fits for name, (fits, _) in counts.items()},
        aside={name: others for name, (_, others) in counts.items()},
        folder=book.folder,
        audit_sequence=record.sequence,
        parts=len(book.spans),
        resumed=len(book.spans) - len(missing),
    )


def snapshot_of(warehouse: Warehouse, day: date, report: Report) -> Snapshot:
    """The snapshot of every customer as of a day: the one there is of this warehouse, or a new one.

    Raises:
        FeatureError: the day lies outside the data.
    """
    spine = customers_as_of(warehouse, [day])
    customers = names(spine)
    for path in sorted(settings().snapshots.glob("*/lineage.json")):
        found = read_snapshot(path.parent)
        if _serves(found, warehouse, customers, day):
            return found
    return build_snapshot(warehouse, spine, progress=report)


def _serves(snapshot: Snapshot, warehouse: Warehouse, customers: list[str], day: date) -> bool:
    """Whether a snapshot is what would be built."""
    told, manifest = snapshot.lineage, warehouse.manifest
    wanted = (manifest.digest, catalogue.version(), planned(manifest, None).present)
    if (told.manifest, told.catalogue, told.features) != wanted:
        return False
    try:
        rows = pq.read_table(snapshot.path, columns=["customer_id", "as_of"])
    except FeatureError:
        return False
    days = pc.unique(rows["as_of"]).to_pylist()
    return days == [day] and texts(rows["customer_id"]) == customers


def names(spine: pd.DataFrame) -> list[str]:
    """The customers of a spine in order."""
    return sorted(spine["customer_id"].tolist())


def begin(
    warehouse: Warehouse,
    snapshot: Snapshot,
    models: Mapping[str, Model],
    day: date,
    report: Report,
    part: int = PART,
) -> tuple[Book, pa.Table]:
    """The book of a snapshot, as far as an earlier run came, and where its customers stand.

    Raises:
        NotReady: the warehouse is not the snapshot's any more.
    """
    customers = texts(pq.read_table(snapshot.path, columns=["customer_id"])["customer_id"])
    rows = standing_of(warehouse, models, customers, day, snapshot.features, report)
    if warehouse.manifest.digest != snapshot.manifest:
        raise NotReady("the warehouse was loaded while the book began; score it again.")
    draft = _written(rows, spans(snapshot.path, part))
    inputs = Inputs(
        as_of=day.isoformat(),
        snapshot=snapshot.digest,
        manifest=snapshot.manifest,
        standing=file_digest(draft),
        reasons=version(),
        releases={name: model.release.digest for name, model in models.items()},
        part=part,
    )
    return Book.begun(inputs, draft), rows


def _written(standing: pa.Table, parts: Sequence[Span]) -> Path:
    """The standing as a file with a row group a part."""
    draft = settings().books / ".standing.parquet"
    draft.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(
        draft, standing.schema, compression="zstd", write_page_checksum=True
    ) as file:
        start = 0
        for span in parts:
            file.write_table(standing.slice(start, span.rows).combine_chunks())
            start += span.rows
    return draft


def _body(book: Book, output: str, customers: int) -> dict[str, Any]:
    inputs = book.inputs
    return {
        "as_of": inputs.as_of,
        "snapshot": inputs.snapshot,
        "manifest": inputs.manifest,
        "releases": inputs.releases,
        "reasons": inputs.reasons,
        "book": book.folder.name,
        "customers": customers,
        "output": output,
    }


def _chunks(book: Book, models: Mapping[str, Model], report: Report) -> Iterator[Chunk]:
    """What the database holds of a book, read back from its parts."""
    parts = Parts(book, models, threads=1)
    for number in range(len(book.spans)):
        report("publish", number, len(book.spans))
        standing = parts.standing(number)
        customers = texts(standing["customer_id"])
        owed = exposures_in(standing)
        told = [texts(standing[name]) for name in models]
        yield Chunk(
            customers=customers,
            vectors=matrix(parts.profiles(number)),
            standing=[dict(zip(models, words, strict=True)) for words in zip(*told, strict=True)],
            exposures=[as_json(owed.get(customer)) for customer in customers],
            scores=[row for name in models for row in _scores(book, name, number)],
        )


def _scores(book: Book, model: str, number: int) -> Iterator[dict[str, Any]]:
    path = book.part(model, number)
    wanted = ["customer_id", "value", "grade", "reasons"]
    rows = pq.read_table(path, columns=[n for n in wanted if n in pq.read_schema(path).names])
    told = [rows[n].to_pylist() if n in rows.column_names else [None] * len(rows) for n in wanted]
    for customer, value, grade, reasons in zip(*told, strict=True):
        if reasons is not None or grade is not None:
            scored = value if reasons is not None else None
            yield {
                "customer_id": customer,
                "model": model,
                "value": scored,
                "grade": grade,
                "reasons": reasons or "",
            }


def publish_newest(
    warehouse: Warehouse, database: Database, *, actor: str = "command line"
) -> tuple[Snapshot, date, int]:
    """Publish the last as-of day of the snapshot that was built last, without scoring it.

    Returns:
        The snapshot, the day and how many customers have a profile of it.

    Raises:
        FeatureError: there is no snapshot, or its file is damaged.
    """
    snapshot = newest_snapshot()
    profiles = snapshot.latest()
    day = max(profiles.frame["as_of"])
    models = Scorer.load().models if champions() else {}
    standing = standing_of_profiles(warehouse, models, profiles)
    owed = exposures(warehouse, day, loss_rates(warehouse, day))
    body = {"as_of": day.isoformat(), "snapshot": snapshot.digest, "manifest": snapshot.manifest}
    entry = Entry("publication", actor, body)
    publish(database, snapshot, day, chunks(profiles, standing, owed), entry)
    return snapshot, day, len(standing)
