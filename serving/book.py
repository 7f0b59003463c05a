"""Score the whole book: every customer, every model, all contributions, one audit record."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from data import audit
from data.database import AUDIT, Database
from data.errors import NotReady
from data.settings import settings
from data.warehouse import Warehouse, canonical_json, file_digest, replace_file
from features.definition import Array
from features.profile import Profiles, build
from features.snapshot import Snapshot, newest_snapshot, write_snapshot
from features.spine import customers_as_of, newest_as_of
from serving.credit import with_credit
from serving.publication import publish
from serving.scoring import Model, Scorer
from training.labels import SCORABLE, LabelContract, statuses
from training.losses import exposures, loss_rates
from training.recipes import recipes
from training.release import champions

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BookRun:
    """A finished book run.

    Attributes:
        scored: model -> customers scored.
        aside: model -> reason -> customers for whom the question does not fit.
    """

    as_of: date
    customers: int
    scored: dict[str, int]
    aside: dict[str, dict[str, int]]
    folder: Path
    audit_sequence: int


def score_book(
    warehouse: Warehouse,
    database: Database,
    *,
    as_of: date | None = None,
    actor: str = "command line",
    report: Report | None = None,
) -> BookRun:
    """Profile, publish and score every customer as of a day.

    The output holds, for each model, customer_id, status, value, margin, base_value and one
    contribution a feature; of the other horizons of a model the same, named margin@91 and so on;
    for money also low and high, the ends of its interval; for credit risk also grade, band, EAD,
    LGD, EL and what they stand on.

    Raises:
        NotReady: no model is champion.
        FeatureError: the day lies outside the data.
    """
    say = report or (lambda *_: None)
    scorer = Scorer.load()
    day = as_of or newest_as_of(warehouse)
    steps = len(scorer.models) + 2
    say("profiles", 0, steps)
    spine = customers_as_of(warehouse, [day])
    profiles = build(warehouse, spine)
    snapshot = write_snapshot(profiles)
    owed = exposures(warehouse, day, loss_rates(warehouse, day))
    labels = {r.name: r.label for r in recipes(warehouse.manifest.tables)}
    standing: dict[str, list[str]] = {}
    outputs: dict[str, pa.Table] = {}
    for number, (name, model) in enumerate(scorer.models.items()):
        say(name, number + 1, steps)
        standing[name] = _standing(warehouse, labels.get(name), model, profiles)
        scored = _scored(model, profiles, standing[name])
        outputs[name] = with_credit(model.release.card, scored, owed)
    say("publish", steps - 1, steps)
    folder, digests = _write(outputs)
    rows = [dict(zip(standing, told, strict=True)) for told in zip(*standing.values(), strict=True)]
    publish(database, profiles, snapshot, day, rows, owed)
    record = audit.append(
        database, kind="book", actor=actor, body=_body(day, snapshot, scorer, digests)
    )
    return BookRun(
        as_of=day,
        customers=len(spine),
        scored={name: told.count(SCORABLE) for name, told in standing.items()},
        aside={name: _counts(told) for name, told in standing.items()},
        folder=folder,
        audit_sequence=record.sequence,
    )


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
    labels = {r.name: r.label for r in recipes(warehouse.manifest.tables)}
    models = Scorer.load().models if champions() else {}
    told = {name: _standing(warehouse, labels.get(name), m, profiles) for name, m in models.items()}
    standing = [
        {name: statuses[place] for name, statuses in told.items()}
        for place in range(len(profiles.frame))
    ]
    owed = exposures(warehouse, day, loss_rates(warehouse, day))
    publish(database, profiles, snapshot, day, standing, owed)
    body = {"as_of": day.isoformat(), "snapshot": snapshot.digest, "manifest": snapshot.manifest}
    audit.append(database, kind="publication", actor=actor, body=body)
    return snapshot, day, len(standing)


def _standing(
    warehouse: Warehouse, label: LabelContract | None, model: Model, profiles: Profiles
) -> list[str]:
    if label is None:
        return ["these data are not asked this"] * len(profiles.frame)
    missing = [f for f in model.release.card.profiled if f not in profiles.features]
    if missing:
        return [f"the profile lacks {', '.join(missing[:3])}"] * len(profiles.frame)
    return statuses(warehouse, label, profiles.frame)


def _scored(model: Model, profiles: Profiles, standing: list[str]) -> pa.Table:
    card = model.release.card
    fits = np.array([told == SCORABLE for told in standing])
    rows = profiles.frame.loc[fits, list(card.profiled)].to_numpy(np.float64)
    others = [h for h in card.horizons if h != card.horizon_days]
    found = _explained(model, rows, card.horizon_days)
    for horizon in others:
        beside = _explained(model, rows, horizon)
        found |= {f"{name}@{horizon}": values for name, values in beside.items()}
    columns = {name: _placed(values, fits) for name, values in found.items()}
    return pa.table(
        {
            "customer_id": pa.array(profiles.frame["customer_id"], pa.string()),
            "status": pa.array(standing, pa.string()),
            "base_value": pa.array(np.where(fits, model.explainer.base_value, np.nan)),
            **{name: pa.array(values) for name, values in columns.items()},
        }
    )


def _explained(model: Model, rows: Array, horizon: int) -> dict[str, Array]:
    margins, contributions = model.explain(model.inputs(rows, horizon))
    card = model.release.card
    ends = card.spread.intervals(margins) if card.spread else ()
    return {
        "margin": margins,
        "value": np.array([model.value(m) for m in margins.tolist()], dtype=np.float64),
        **dict(zip(("low", "high"), ends, strict=False)),
        **{f: contributions[:, i] for i, f in enumerate(card.features)},
    }


def _placed(values: Array, fits: NDArray[np.bool_]) -> Array:
    column = np.full(len(fits), np.nan)
    column[fits] = values
    return column


def _write(outputs: dict[str, pa.Table]) -> tuple[Path, dict[str, str]]:
    draft = settings().books / ".draft"
    draft.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, table in outputs.items():
        path = draft / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
        digests[name] = file_digest(path)
    folder = _folder(digests)
    folder.mkdir(exist_ok=True)
    for name in outputs:
        (draft / f"{name}.parquet").replace(folder / f"{name}.parquet")
    replace_file(folder / "digests.json", canonical_json(digests).encode())
    return folder, digests


def newest_book(database: Database) -> Path:
    """The folder of the newest book.

    Raises:
        NotReady: no book was scored yet, or its files are gone.
    """
    newest = sa.select(AUDIT.c.body).where(AUDIT.c.kind == "book")
    with database.reading() as connection:
        body = connection.execute(newest.order_by(AUDIT.c.sequence.desc()).limit(1)).scalar()
    folder = _folder(json.loads(body)["outputs"]) if body else None
    if folder is None or not folder.is_dir():
        raise NotReady("there is no book; ./zhike serving score-book makes one.")
    return folder


def _folder(digests: dict[str, str]) -> Path:
    return settings().books / hashlib.sha256(canonical_json(digests).encode()).hexdigest()[:24]


def _body(
    day: date, snapshot: Snapshot, scorer: Scorer, digests: dict[str, str]
) -> dict[str, object]:
    return {
        "as_of": day.isoformat(),
        "snapshot": snapshot.digest,
        "manifest": snapshot.manifest,
        "releases": {name: model.release.digest for name, model in scorer.models.items()},
        "outputs": digests,
    }


def _counts(standing: list[str]) -> dict[str, int]:
    reasons = sorted(set(standing) - {SCORABLE})
    return {reason: standing.count(reason) for reason in reasons}
