"""A bank of hand-written facts, each with the day it happened and the day it was learnt."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data import contribution
from data.contracts import Kind
from data.tables import CANONICAL, PRODUCT_FAMILIES
from data.warehouse import Batch, Manifest, Warehouse
from features.profile import build, day_number

AS_OF = date(2024, 7, 1)
ARROW: dict[Kind, pa.DataType] = {
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
EXTREME = {pa.int64(): "CAST(987654321012 AS BIGINT)", pa.date32(): "DATE '1904-02-29'"}
USUAL = {"customer_id": "C1", "account_id": "A1", "loan_id": "L1", "district_id": None}


def schemas() -> dict[str, pa.Schema]:
    """Arrow schema of every table of the warehouse."""
    days: list[pa.Field[Any]] = [
        pa.field("event_day", pa.int32()),
        pa.field("known_day", pa.int32()),
    ]
    found = {}
    for table in CANONICAL:
        columns = [pa.field(c.name, ARROW[c.kind]) for c in table.columns]
        found[table.name] = pa.schema([*columns, *days] if table.dated else columns)
    found["contributions"] = contribution.schema()
    return found


SCHEMAS = schemas()


class DatedBank:
    """A bank whose every product family has a product of the same name.

    Customer C1 with current account A1 is there from 2020 on unless ``empty``.
    """

    def __init__(self, folder: Path, *, empty: bool = False) -> None:
        self.warehouse = Warehouse(folder / "warehouse")
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._written: dict[str, int] = {}
        for family in PRODUCT_FAMILIES:
            self.rows["products"].append({"product_id": family, "family": family})
        if not empty:
            self.customer("C1", "A1", on="2020-01-01")

    def customer(self, customer: str, account: str, on: str = "2020-01-01") -> None:
        """A customer and their current account."""
        self.add("customers", on=on, customer_id=customer)
        self.add("accounts", on=on, customer_id=customer, account_id=account)

    def add(self, table: str, *, on: str, known: str = "", **values: Any) -> None:
        """A fact that happened ``on`` a day (or moment) and was ``known`` then or later."""
        if table != "contributions":
            values = self._completed(table, values)
        event, learnt = _moment(on), _moment(known or on)
        clocks = {"event_at": event, "known_at": learnt}
        days = {"event_day": day_number(event.date()), "known_day": day_number(learnt.date())}
        self.rows[table].append({**values, **clocks, **days})

    def add_undated(self, table: str, **values: Any) -> None:
        """A row of reference data."""
        self.rows[table].append(values)

    def _completed(self, table: str, values: dict[str, Any]) -> dict[str, Any]:
        contract = next(t for t in CANONICAL if t.name == table)
        usual: dict[str, Any] = {}
        for column in contract.columns:
            if column.required:
                number = f"{table}-{len(self.rows[table])}"
                nothing = {"identifier": number, "flag": False, "code": (column.values or ("",))[0]}
                usual[column.name] = nothing.get(column.kind, column.minimum or 0)
        usual |= {name: value for name, value in USUAL.items() if name in usual}
        if table == "accounts":
            usual["product_id"] = "current"
        unknown = set(values) - {column.name for column in contract.columns}
        assert not unknown, f"{table} has no {unknown}"
        return usual | values

    def load(self) -> Warehouse:
        """The warehouse with all facts written so far."""
        batches = []
        for table, rows in self.rows.items():
            names = SCHEMAS[table].names
            shaped = [{name: row.get(name) for name in names} for row in rows]
            content = pa.Table.from_pylist(shaped, schema=SCHEMAS[table])
            batch = self.warehouse.write(table, content.to_batches(), SCHEMAS[table])
            assert batch is not None
            batches.append(batch)
        self.warehouse.commit(Manifest(source="by hand", batches=tuple(batches)))
        return self.warehouse

    def value(self, feature: str, as_of: date = AS_OF, customer: str = "C1") -> float:
        """One feature of one customer."""
        return self.values([feature], as_of, customer)[0]

    def values(
        self, features: Sequence[str], as_of: date = AS_OF, customer: str = "C1"
    ) -> list[float]:
        """Features of one customer, in the order asked for."""
        spine = pd.DataFrame({"customer_id": [customer], "as_of": [as_of]})
        built = build(self.load(), spine, features)
        return [float(built.frame[name].iloc[0]) for name in features]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spoilt(warehouse: Warehouse, folder: Path, columns: str, tables: Sequence[str]) -> Warehouse:
    """The same bank with every row of some tables once more, altered by SQL ``columns``.

    The added rows hold extreme amounts, counts and dates of birth.
    """
    copied = Warehouse(folder)
    before = warehouse.manifest
    added: list[Batch] = []
    connection = warehouse.connect()
    (folder / "batches").parent.mkdir(parents=True, exist_ok=True)
    (folder / "batches").symlink_to(warehouse.folder / "batches")
    spoils = Warehouse(folder / "spoils")
    for table in tables:
        schema = SCHEMAS[table]
        wild = [
            f"{EXTREME[field.type]} AS {field.name}" for field in schema if field.type in EXTREME
        ]
        altered = ", ".join([*wild, columns])
        content = connection.sql(f"SELECT * REPLACE ({altered}) FROM {table}").to_arrow_table()
        batch = spoils.write(table, content.to_batches(), content.schema)
        assert batch is not None, f"{table} has no rows"
        added.append(batch.model_copy(update={"file": f"spoils/{batch.file}"}))
    copied.commit(before.model_copy(update={"batches": (*before.batches, *added)}))
    return copied


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Whether two frames of profiles hold the same rows and the same 64 bits a number."""
    keys = ["customer_id", "as_of"]
    if list(left.columns) != list(right.columns) or not left[keys].equals(right[keys]):
        return False
    one, other = (
        np.ascontiguousarray(frame.drop(columns=keys).to_numpy(np.float64)).view(np.uint64)
        for frame in (left, right)
    )
    return bool((one == other).all())
