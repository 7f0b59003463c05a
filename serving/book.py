"""Score the whole book: every customer, every model, all contributions, one audit record."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data import audit
from data.database import Database
from data.settings import settings
from data.warehouse import Warehouse, canonical_json, file_digest, replace_file
from features.definition import Array
from features.profile import Profiles, build
from features.snapshot import Snapshot, write_snapshot
from features.spine import customers_as_of, newest_as_of
from serving.publication import publish
from serving.scoring import Model, Scorer
from training.labels import SCORABLE, LabelContract, statuses
from training.recipes import recipes

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
    contribution a feature; for money also low and high, the ends of its interval.

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
    labels = {r.name: r.label for r in recipes(warehouse.manifest.tables)}
    standing: dict[str, list[str]] = {}
    outputs: dict[str, pa.Table] = {}
    for number, (name, model) in enumerate(scorer.models.items()):
        say(name, number + 1, steps)
        standing[name] = _standing(warehouse, labels[name], model, profiles)
        outputs[name] = _scored(model, profiles, standing[name])
    say("publish", steps - 1, steps)
    folder, digests = _write(outputs)
    rows = [dict(zip(standing, told, strict=True)) for told in zip(*standing.values(), strict=True)]
    publish(database, profiles, snapshot, day, rows)
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


def _standing(
    warehouse: Warehouse, label: LabelContract, model: Model, profiles: Profiles
) -> list[str]:
    missing = [f for f in model.release.card.features if f not in profiles.features]
    if missing:
        return [f"the profile lacks {', '.join(missing[:3])}"] * len(profiles.frame)
    return statuses(warehouse, label, profiles.frame)


def _scored(model: Model, profiles: Profiles, standing: list[str]) -> pa.Table:
    card = model.release.card
    fits = np.array([told == SCORABLE for told in standing])
    empty = np.full(len(standing), np.nan)
    ends = ("low", "high") if card.spread else ()
    columns = dict.fromkeys(("margin", "value", *ends), empty) | dict.fromkeys(card.features, empty)
    if fits.any():
        rows = profiles.frame.loc[fits, list(card.features)].to_numpy(np.float64)
        margins, contributions = model.explain(rows)
        found = {"margin": margins, "value": np.array([model.value(m) for m in margins.tolist()])}
        found |= {f: contributions[:, i] for i, f in enumerate(card.features)}
        if card.spread:
            found["low"], found["high"] = card.spread.intervals(margins)
        columns = {name: _placed(values, fits) for name, values in found.items()}
    return pa.table(
        {
            "customer_id": pa.array(profiles.frame["customer_id"], pa.string()),
            "status": pa.array(standing, pa.string()),
            "base_value": pa.array(np.where(fits, model.explainer.base_value, np.nan)),
            **{name: pa.array(values) for name, values in columns.items()},
        }
    )


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
    together = hashlib.sha256(canonical_json(digests).encode()).hexdigest()
    folder = settings().books / together[:24]
    folder.mkdir(exist_ok=True)
    for name in outputs:
        (draft / f"{name}.parquet").replace(folder / f"{name}.parquet")
    replace_file(folder / "digests.json", canonical_json(digests).encode())
    return folder, digests


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
