"""A made-up book and the facts that lists read, of any size: numbers drawn, not simulated lives."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data import audit, contribution
from data.contracts import Kind
from data.database import Database
from data.settings import settings
from data.tables import CANONICAL, PRODUCT_FAMILIES
from data.warehouse import Manifest, Warehouse, canonical_json, file_digest, replace_file
from features.calendar import day_number
from serving.book.folder import DIGESTS, STANDING, Book, Inputs
from training.grades import BOUNDS, GRADES

DAY = date(2026, 7, 1)
OFFERED = tuple(family for family in PRODUCT_FAMILIES if family != "current")
_MICROSECONDS = 86_400_000_000
_ARROW: Mapping[Kind, pa.DataType] = {
    "identifier": pa.string(),
    "text": pa.string(),
    "code": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "money": pa.int64(),
    "count": pa.int64(),
    "ratio": pa.int64(),
    "flag": pa.bool_(),
}
_RISK = {"wealth_management": "R4", "fund": "R3", "insurance": "R2"}


def write_book(
    database: Database,
    customers: Sequence[str],
    answers: Mapping[str, Mapping[str, Any]],
    part: int,
) -> Book:
    """A book of these customers that stands as the newest, with its audit record.

    Args:
        answers: model -> column -> values in the customers' order; ``value``, and ``grade`` where
            there is one.
    """
    folder = settings().books
    folder.mkdir(parents=True, exist_ok=True)
    names = pa.table({"customer_id": pa.array(customers, pa.string())})
    starts = range(0, len(customers), part)
    draft = folder / ".made.parquet"
    with pq.ParquetWriter(draft, names.schema) as file:
        for start in starts:
            file.write_table(names.slice(start, part))
    made = dict.fromkeys(answers, "made")
    inputs = Inputs(DAY.isoformat(), "made", "made", file_digest(draft), "made", made, part)
    book = Book.begun(inputs, draft)
    parts = []
    for number, start in enumerate(starts):
        theirs = names.slice(start, part)
        digests = {}
        for model, columns in answers.items():
            rows = theirs
            for name, values in columns.items():
                rows = rows.append_column(name, pa.array(values[start : start + part]))
            digests[model] = book.put(model, number, rows)
        parts.append(digests)
    content = canonical_json({**asdict(inputs), "parts": parts}).encode()
    replace_file(book.folder / DIGESTS, content)
    assert (book.folder / STANDING).is_file()
    output = hashlib.sha256(content).hexdigest()
    body = {"book": book.folder.name, "output": output}
    audit.append(database, kind="book", actor="made", body=body)
    return book


def drawn_answers(count: int, seed: int) -> dict[str, dict[str, Any]]:
    """Answers of every propensity, of credit risk and of lifetime value to so many customers."""
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, Any]] = {}
    for family in OFFERED:
        value = rng.beta(0.6, 14.0, count)
        value[rng.random(count) < 0.1] = np.nan
        found[f"propensity.{family}"] = {"value": value}
    pd = rng.beta(0.5, 20.0, count)
    pd[rng.random(count) < 0.4] = np.nan
    places = np.searchsorted(BOUNDS, pd, side="right")
    known = (~np.isnan(pd)).tolist()
    grades = [GRADES[at] if told else None for at, told in zip(places.tolist(), known, strict=True)]
    found["credit_risk"] = {"value": pd, "grade": grades}
    found["lifetime_value"] = {"value": rng.lognormal(9.0, 1.2, count)}
    return found


def load_drawn(warehouse: Warehouse, customers: Sequence[str], seed: int) -> None:
    """Facts of these customers, about as many a customer as a bank's three months."""
    batches = []
    for name, columns in _drawn(customers, np.random.default_rng(seed)):
        schema = _schema(name)
        rows = pa.table({**_nothing(schema, columns), **columns}).select(schema.names).cast(schema)
        batch = warehouse.write(name, rows.to_batches(), schema)
        assert batch is not None
        batches.append(batch)
    warehouse.commit(Manifest(source="drawn", batches=tuple(batches)))


def _schema(name: str) -> pa.Schema:
    if name == "contributions":
        return contribution.schema()
    contract = next(table for table in CANONICAL if table.name == name)
    columns = [pa.field(column.name, _ARROW[column.kind]) for column in contract.columns]
    days = [pa.field("event_day", pa.int32()), pa.field("known_day", pa.int32())]
    return pa.schema([*columns, *(days if contract.dated else [])])


def _nothing(schema: pa.Schema, columns: Mapping[str, Any]) -> dict[str, Any]:
    rows = len(next(iter(columns.values())))
    return {field.name: pa.nulls(rows, field.type) for field in schema}


def _clocks(days: Any) -> dict[str, Any]:
    days = np.asarray(days, np.int64)
    moments = pa.array(days * _MICROSECONDS, pa.timestamp("us", "UTC"))
    kept = pa.array(days.astype(np.int32))
    return {"event_at": moments, "known_at": moments, "event_day": kept, "known_day": kept}


def _named(names: Sequence[str], rng: np.random.Generator, count: int) -> Any:
    places: Any = pa.array(rng.integers(0, len(names), count))
    return pa.array(names, pa.string()).take(places)


def _numbered(prefix: str, count: int) -> Any:
    return pa.array([f"{prefix}{number:08}" for number in range(count)], pa.string())


def _drawn(
    customers: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[str, dict[str, Any]]]:
    count, day = len(customers), day_number(DAY)
    everybody = pa.array(customers, pa.string())
    born = rng.integers(day - 85 * 365, day - 16 * 365, count).astype(np.int32)
    digits = rng.integers(10_000_000, 99_999_999, count)
    yield (
        "products",
        {
            "product_id": pa.array(PRODUCT_FAMILIES),
            "family": pa.array(PRODUCT_FAMILIES),
            "risk_grade": pa.array([_RISK.get(f, "R1") for f in PRODUCT_FAMILIES]),
        },
    )
    regions = ("north", "middle", "south", "east")
    yield (
        "districts",
        {
            "district_id": pa.array(regions),
            "region": pa.array(regions),
            **_clocks(np.full(len(regions), day - 900)),
        },
    )
    yield (
        "customers",
        {
            "customer_id": everybody,
            "system": pa.array(["core"] * count),
            "name": pa.array([f"={number}" for number in range(count)]),
            "birth_date": pa.array(born, pa.int32()).cast(pa.date32()),
            "phone": pa.array([f"+8869{n}" for n in digits.tolist()]),
            "district_id": _named(regions, rng, count),
            **_clocks(np.full(count, day - 900)),
        },
    )
    accounts = 2 * count
    owners = pa.concat_arrays([everybody, _named(customers, rng, accounts - count)])
    families = pa.concat_arrays(
        [pa.array(["current"] * count), _named(OFFERED, rng, accounts - count)]
    )
    yield (
        "accounts",
        {
            "account_id": _numbered("A", accounts),
            "customer_id": owners,
            "product_id": families,
            "currency": pa.array(["TWD"] * accounts),
            **_clocks(np.full(accounts, day - 800)),
        },
    )
    yield (
        "contributions",
        {
            "customer_id": owners,
            "account_id": _numbered("A", accounts),
            "event_day": pa.array(np.full(accounts, day - 700, np.int32)),
            "known_day": pa.array(np.full(accounts, day - 695, np.int32)),
            "contribution": pa.array(rng.integers(0, 800_000, accounts)),
            "loss": pa.array(np.zeros(accounts, np.int64)),
        },
    )
    yield ("contributions", _last_month(owners, accounts, day))
    lent = [place for place, f in enumerate(families.to_pylist()) if f.endswith(("loan", "gage"))]
    yield (
        "loans",
        {
            "loan_id": _numbered("L", len(lent)),
            "account_id": _numbered("A", accounts).take(pa.array(lent)),
            "amount": pa.array(rng.integers(5_000_000, 60_000_000, len(lent))),
            **_clocks(np.full(len(lent), day - 800)),
        },
    )
    cards = [place for place, f in enumerate(families.to_pylist()) if f == "credit_card"]
    yield (
        "statements",
        {
            "account_id": _numbered("A", accounts).take(pa.array(cards)),
            "credit_limit": pa.array(np.full(len(cards), 10_000_000)),
            "balance": pa.array(rng.integers(0, 5_000_000, len(cards))),
            "days_past_due": pa.array((rng.random(len(cards)) < 0.03) * 20),
            **_clocks(np.full(len(cards), day - 20)),
        },
    )
    consents = pa.concat_arrays([everybody, everybody])
    purposes = pa.array(["marketing"] * count + ["profiling"] * count)
    yield (
        "consents",
        {
            "customer_id": consents,
            "purpose": purposes,
            "granted": pa.array(rng.random(2 * count) < 0.85),
            **_clocks(rng.integers(day - 800, day - 1, 2 * count)),
        },
    )
    yield (
        "suitability",
        {
            "customer_id": everybody,
            "tolerance": _named(("C1", "C2", "C3", "C4", "C5"), rng, count),
            "valid_until": pa.array(
                rng.integers(day - 200, day + 700, count).astype(np.int32)
            ).cast(pa.date32()),
            **_clocks(np.full(count, day - 800)),
        },
    )
    yield (
        "contacts",
        {
            "contact_id": _numbered("K", count),
            "customer_id": _named(customers, rng, count),
            "campaign_id": pa.array(["G1"] * count),
            "family": _named(OFFERED, rng, count),
            "channel": _named(("mobile", "call_centre"), rng, count),
            "arm": pa.array(["treated"] * count),
            "outcome": _named(("delivered", "undelivered", "refused"), rng, count),
            **_clocks(rng.integers(day - 300, day, count)),
        },
    )
    yield (
        "interactions",
        {
            "interaction_id": _numbered("I", 2 * count),
            "customer_id": _named(customers, rng, 2 * count),
            "channel": pa.array(["mobile"] * (2 * count)),
            "kind": _named(("login",) * 49 + ("complaint",), rng, 2 * count),
            **_clocks(rng.integers(day - 90, day, 2 * count)),
        },
    )


def _last_month(owners: Any, accounts: int, day: int) -> dict[str, Any]:
    """One more month of every account, so that the first year of each is over."""
    return {
        "customer_id": owners,
        "account_id": _numbered("A", accounts),
        "event_day": pa.array(np.full(accounts, day - 30, np.int32)),
        "known_day": pa.array(np.full(accounts, day - 25, np.int32)),
        "contribution": pa.array(np.full(accounts, 1_000)),
        "loss": pa.array(np.zeros(accounts, np.int64)),
    }
