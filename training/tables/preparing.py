"""Make a table ready to be learnt from: what it holds, what leaks, what teaches and what judges."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from data.errors import ConfigurationError, ContractBroken
from data.warehouse import canonical_json
from training.fit import require_events
from training.labels import LabelContract
from training.recipes import Recipe
from training.tables import leaks
from training.tables.declaration import Declaration, read_declaration
from training.tables.finding import Found, find, texts_of
from training.tables.reading import Raw, read_table
from training.tables.split import ONE_PERIOD, Apart, days_of, in_folds, in_time, periods_of
from training.tables.target import Target, target_of

Question = Literal["outcome", "churn", "credit_risk", "propensity", "lifetime_value"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
LEAST_EVENTS = 30


@dataclass(frozen=True)
class TableRecipe(Recipe):
    """A recipe whose features a table declares; what is protected was left out before."""

    def __post_init__(self) -> None:
        """No catalogue has a table's columns."""


@dataclass(frozen=True)
class Asked:
    """What is asked of which file.

    Attributes:
        time: the column of the as-of day; empty where the table is of one day.
        out: the folder for the release.
        declared: a TOML file that says more of the columns.
        allowed: columns that are used although they look like leaks or are protected.
    """

    path: Path
    id: str
    target: str
    out: Path
    time: str = ""
    question: Question = "outcome"
    declared: Path | None = None
    allowed: tuple[str, ...] = ()
    name: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """The columns that are no features: identifier, target and time."""
        return tuple(name for name in (self.id, self.target, self.time) if name)


@dataclass(frozen=True)
class Prepared:
    """A table ready to be learnt from: rows by id, period and target, columns found, split."""

    raw: Raw
    said: Declaration
    label: LabelContract
    spine: pd.DataFrame
    found: tuple[Found, ...]
    unused: dict[str, str]
    left_out: dict[str, int]
    apart: Apart


def refuse_full(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(
            f"--out {out} holds something already; name a folder that is empty or not there yet."
        )


def prepare(asked: Asked) -> Prepared:
    said = read_declaration(asked.declared)
    raw = read_table(asked.path, said)
    names = list(raw.columns)
    _require_columns(asked, names)
    said.require_known(asked.path, names)
    others = [name for name in names if name not in (*asked.roles, *said.never)]
    leaks.refuse(leaks.by_name(others, asked.target), asked.allowed)
    target = target_of(raw, asked.target, said, money=asked.question == "lifetime_value")
    ids, days = _ids(raw, asked.id, said), days_of(raw, asked.time, said) if asked.time else []
    _refuse_twice(raw, asked, ids, days)
    spine = pd.DataFrame({"customer_id": ids, "as_of": periods_of(days) if days else ONE_PERIOD})
    spine = spine.iloc[target.known].reset_index(drop=True).assign(target=target.values)
    label = _label(asked, said, target)
    require_events(
        TableRecipe(asked.question, label, ()), target.values, LEAST_EVENTS, f"in {asked.path.name}"
    )
    holds = {name: find(raw, name, said) for name in others}
    found = [one.taken(target.known) for one in holds.values() if isinstance(one, Found)]
    kept = spine["customer_id"].tolist()
    leaks.refuse(leaks.by_guess(found, target.values, kept, label.answer), asked.allowed)
    known_days = [days[place] for place in target.known] if days else []
    apart = (
        in_time(kept, known_days, spine["as_of"].tolist(), said.horizon_days)
        if days
        else in_folds(kept)
    )
    without = len(ids) - len(target.known)
    unused = {name: why for name, why in holds.items() if isinstance(why, str)}
    return Prepared(
        raw=raw,
        said=said,
        label=label,
        spine=spine,
        found=tuple(found),
        unused={**dict.fromkeys(said.never, "declared never to be used"), **unused},
        left_out={**raw.broken, **({"no target": without} if without else {}), **apart.left_out},
        apart=apart,
    )


def _require_columns(asked: Asked, names: list[str]) -> None:
    wanted = {"--id": asked.id, "--target": asked.target, "--time": asked.time}
    absent = [f"{option} {name}" for option, name in wanted.items() if name and name not in names]
    absent += [f"--allow {name}" for name in asked.allowed if name not in names]
    if absent:
        raise ConfigurationError(
            f"{asked.path.name} has no column for {', '.join(absent)}; it has"
            f" {', '.join(names[:12])}{' and more' if len(names) > 12 else ''}."
        )
    if len(set(asked.roles)) < len(asked.roles):
        raise ConfigurationError("--id, --target and --time must name different columns.")


def _ids(raw: Raw, name: str, said: Declaration) -> list[str]:
    ids = texts_of(raw, name, said).to_pylist()
    missing = [line for line, one in zip(raw.lines, ids, strict=True) if one is None]
    if missing:
        raise ContractBroken(
            f"{raw.path.name}, column {name}: {len(missing):,} rows have no identifier (first in"
            f" line {missing[0]}). Every row must say whose it is."
        )
    return [str(one) for one in ids]


def _refuse_twice(raw: Raw, asked: Asked, ids: list[str], days: Sequence[object]) -> None:
    """One row a customer and period; without periods a customer may come again, a copy may not."""
    if days:
        rows = pd.DataFrame({"id": ids, "day": days})
        fault = f"repeat an identifier ({asked.id}) within one period of {asked.time}"
    else:
        columns: dict[str, Any] = raw.columns
        rows = pa.table(columns).to_pandas()
        fault = f"repeat another one from its identifier ({asked.id}) to its last value"
    twice = np.flatnonzero(rows.duplicated(keep="first").to_numpy())
    if len(twice):
        raise ContractBroken(
            f"{raw.path.name}: {len(twice):,} rows {fault} (first in line"
            f" {raw.lines[int(twice[0])]}). Keep one row of each."
        )


def _label(asked: Asked, said: Declaration, target: Target) -> LabelContract:
    outcome = said.outcome or target.sentence
    told = [asked.id, asked.target, asked.time, asked.question, outcome, said.horizon_days]
    return LabelContract(
        question=asked.question,
        version=f"table-{hashlib.sha256(canonical_json(told).encode()).hexdigest()[:12]}",
        population=said.population or f"the rows of {asked.path.name}",
        outcome=outcome,
        answer="money" if asked.question == "lifetime_value" else "probability",
        horizon_days=said.horizon_days,
        status="",
        target="",
        lag_days=0,
    )
