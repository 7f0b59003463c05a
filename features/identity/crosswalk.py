"""Whose each record is: identifiers that outlive new records, and what changes from run to run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from data.warehouse import CROSSWALK
from features.identity.clusters import Place

_MOMENT = pa.timestamp("us", "UTC")
_COLUMNS: dict[str, pa.DataType] = {
    "record_id": pa.string(),
    "customer_id": pa.string(),
    "probability": pa.float64(),
    "rule": pa.string(),
    "event_at": _MOMENT,
    "known_at": _MOMENT,
    "known_day": pa.int32(),
    "run": pa.int32(),
}
SCHEMA = pa.schema([pa.field(name, kind) for name, kind in _COLUMNS.items()])


@dataclass(frozen=True)
class Entry:
    """Whose a record is, since the run that last changed it."""

    customer_id: str
    probability: float
    rule: str
    known_us: int


def current(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, Entry], int]:
    """The assignment in force by record, and the number of the last run; none before the first."""
    tables = connection.sql("SELECT view_name FROM duckdb_views()").fetchall()
    if (CROSSWALK,) not in tables:
        return {}, 0
    rows = connection.sql(
        f"SELECT record_id, customer_id, probability, rule, epoch_us(known_at), run"
        f" FROM {CROSSWALK} ORDER BY run, record_id"
    ).fetchall()
    entries = {record: Entry(*entry) for record, *entry, _ in rows}
    return entries, max(row[-1] for row in rows)


def named(groups: Sequence[Sequence[str]], before: Mapping[str, Entry]) -> list[str]:
    """The customer_id of every group of records.

    A person is called after their oldest record. Whoever was called something already keeps that:
    of several names the one that the oldest record bore. Where one person turns out to be several,
    the name stays with the record it was taken from.

    Args:
        groups: identifiers of records, in each group the oldest first; the groups in the order
            of their oldest records.
        before: the assignment in force.
    """
    owners = _owners(groups, before)
    borne = [[before[r].customer_id for r in group if r in before] for group in groups]
    kept = [
        next((name for name in names if owners[name] == number), None)
        for number, names in enumerate(borne)
    ]
    taken = {name for name in kept if name}
    for number, group in enumerate(groups):
        if kept[number] is None:
            left = (name for name in borne[number] if name not in taken)
            kept[number] = next(left, None) or _unused(group, (taken, owners.keys()))
            taken.add(str(kept[number]))
    return [str(name) for name in kept]


def _owners(groups: Sequence[Sequence[str]], before: Mapping[str, Entry]) -> dict[str, int]:
    """Name in force -> the group that may keep it."""
    home = {record: number for number, group in enumerate(groups) for record in group}
    owners: dict[str, int] = {}
    for number, group in enumerate(groups):
        for record in group:
            if record in before:
                owners.setdefault(before[record].customer_id, number)
    return owners | {
        name: home[name]
        for name in owners
        if name in home and name in before and before[name].customer_id == name
    }


def _unused(group: Sequence[str], taken: Sequence[Set[str]]) -> str:
    numbered = (f"{group[0][:58]}.{n}" for n in count(2))
    return next(
        name for name in chain(group, numbered) if not any(name in names for names in taken)
    )


@dataclass(frozen=True)
class Changes:
    """What a run changes.

    Attributes:
        rows: of the crosswalk, for the records whose customer_id is new.
        merged: customer_id -> those in force before that it takes in.
        split: customer_id in force before -> those that its records have now, if several.
        joined: records that come to an older one.
    """

    rows: pa.Table
    merged: dict[str, list[str]]
    split: dict[str, list[str]]
    joined: int


def changes(
    assigned: Mapping[str, tuple[str, Place]], before: Mapping[str, Entry], run: int, zone: str
) -> Changes:
    """The rows that a run adds, and what they mean for customers already known.

    Args:
        assigned: record -> customer_id and how it came to it.
        zone: time zone of the bank's business days.
    """
    now: dict[str, set[str]] = defaultdict(set)
    former: dict[str, set[str]] = defaultdict(set)
    fresh = []
    for record, (customer, place) in sorted(assigned.items()):
        known = before.get(record)
        if known:
            now[known.customer_id].add(customer)
            former[customer].add(known.customer_id)
        if known is None or known.customer_id != customer:
            fresh.append((record, customer, place))
    return Changes(
        rows=_rows(fresh, run, zone),
        merged={c: sorted(ids - {c}) for c, ids in sorted(former.items()) if len(ids) > 1},
        split={c: sorted(ids) for c, ids in sorted(now.items()) if len(ids) > 1},
        joined=sum(place.rule != "single" for _, _, place in fresh),
    )


def _rows(fresh: Sequence[tuple[str, str, Place]], run: int, zone: str) -> pa.Table:
    moments = [place.known_us for *_, place in fresh]
    values: dict[str, list[Any]] = {
        "record_id": [record for record, *_ in fresh],
        "customer_id": [customer for _, customer, _ in fresh],
        "probability": [place.probability for *_, place in fresh],
        "rule": [place.rule for *_, place in fresh],
        "event_at": moments,
        "known_at": moments,
        "known_day": business_days(moments, zone),
        "run": [run] * len(fresh),
    }
    return pa.table({n: pa.array(values[n], kind) for n, kind in _COLUMNS.items()})


def business_days(moments_us: Sequence[int], zone: str) -> list[int]:
    """The bank's day of each moment, in days since 1970."""
    local = pd.to_datetime(pd.Series(moments_us, dtype="int64"), unit="us", utc=True)
    days = local.dt.tz_convert(zone).dt.tz_localize(None).dt.floor("D")
    return [int(day) for day in days.to_numpy().astype("datetime64[D]").astype("int64")]
