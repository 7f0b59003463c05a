"""How well are records joined to persons: precision, recall and F1 of pairs, where truth is known?"""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from data.database import Database
from data.errors import SourceError
from data.loading import load
from data.settings import CHECKOUT
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse, engine
from experiments._true_bank import true_records
from features.identity.resolution import resolve
from features.identity.run import identify

PERSONS, MONTHS, SEED = 20_000, 12, 5
QUICK_PERSONS = 1_000
SPEED_PERSONS = 62_000  # about 200,000 records


def run(quick: bool = False) -> dict[str, Any]:
    """Pairs of records found against pairs of records that are one person, by bank."""
    found: dict[str, Any] = {"simulated": simulated_bank(QUICK_PERSONS if quick else PERSONS)}
    for name, file in (("febrl2", "dataset2.csv"), ("febrl3", "dataset3.csv")):
        found[name] = febrl(febrl_folder() / file)
    if not quick:
        found["speed"] = speed(SPEED_PERSONS)
    for name, figures in found.items():
        print(f"{name:10}", "  ".join(f"{k} {v:,}" for k, v in figures.items()))
    return found


def simulated_bank(persons: int) -> dict[str, float]:
    """Identification of the simulated bank, from its files to its crosswalk."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        simulate(home / "files", customers=persons, months=MONTHS, seed=SEED)
        warehouse = Warehouse(home / "warehouse")
        load(open_source("simulated", home / "files"), warehouse)
        database = Database(f"sqlite:///{home / 'zhike.db'}")
        database.migrate()
        start = time.perf_counter()
        identify(warehouse, database)
        seconds = time.perf_counter() - start
        database.engine.dispose()
        rows = warehouse.connect().sql("SELECT record_id, customer_id FROM owners").fetchall()
        truth = pq.read_table(home / "files" / "truth" / "records").to_pydict()
    people = dict(zip(truth["record_id"], truth["person_id"], strict=True))
    return quality(dict(rows), people) | {"seconds": round(seconds, 1)}


def febrl(path: Path) -> dict[str, float]:
    """Identification of a FEBRL data set; ``rec_id`` serves as truth only."""
    if not path.exists():
        raise SourceError(
            f"{path} does not exist. Name the folder of real data with ZHIKE_REAL_DATA."
        )
    connection = engine()
    connection.register("febrl", _febrl_rows(path))
    connection.execute(f"CREATE TABLE customers AS {_FEBRL}")
    truth = dict(connection.sql("SELECT record_id, person FROM febrl").fetchall())
    return resolved(connection, truth)


def febrl_folder() -> Path:
    """Where the real data lie: beside the checkout, or where ZHIKE_REAL_DATA says."""
    named = os.environ.get("ZHIKE_REAL_DATA")
    return (Path(named) if named else CHECKOUT.parent / "shared" / "data") / "febrl"


def _febrl_rows(path: Path) -> pa.Table:
    """The file's columns as text, a number for a record key, and the truth apart."""
    options = pv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    table = pv.read_csv(path, convert_options=options)
    columns = {
        name.strip(): [None if v is None else str(v).strip() or None for v in column.to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    persons = [str(record).split("-")[1] for record in columns.pop("rec_id")]
    columns["person"] = [*persons]
    columns["record_id"] = [f"R{number:05d}" for number in range(len(persons))]
    return pa.table(columns)


_FEBRL = """
    SELECT record_id AS customer_id, TIMESTAMPTZ '2000-01-01' AS event_at,
        TIMESTAMPTZ '2000-01-01' AS known_at, 'febrl' AS system,
        nullif(concat_ws(' ', given_name, surname), '') AS name, CAST(NULL AS VARCHAR) AS latin_name,
        CAST(try_strptime(date_of_birth, '%Y%m%d') AS DATE) AS birth_date,
        CAST(NULL AS VARCHAR) AS sex, 'other' AS identity_type, soc_sec_id AS identity_number,
        CAST(NULL AS VARCHAR) AS phone, CAST(NULL AS VARCHAR) AS email,
        nullif(concat_ws(' ', street_number, address_1, address_2, suburb, state), '') AS address,
        postcode, CAST(NULL AS VARCHAR) AS occupation, CAST(NULL AS VARCHAR) AS district_id
    FROM febrl
"""


def speed(persons: int) -> dict[str, float]:
    """Seconds for the records of many persons, and how well they are joined."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), customers=persons, months=MONTHS, seed=SEED)
        rows, truth = true_records(Path(folder))
    connection = engine()
    connection.register("arriving", rows)
    connection.execute("CREATE TABLE customers AS FROM arriving")
    return resolved(connection, truth)


def resolved(connection: duckdb.DuckDBPyConnection, truth: Mapping[str, Any]) -> dict[str, float]:
    """Quality and seconds of putting the records of ``customers`` together."""
    start = time.perf_counter()
    found = resolve(connection)
    seconds = time.perf_counter() - start
    owners = {record: group[0] for group in found.groups for record in group}
    figures = quality(owners, truth) | {"seconds": round(seconds, 1)}
    return figures | {"pairs_compared": found.blocking.pairs, "reviews": len(found.reviews)}


def quality(found: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, float]:
    """Precision, recall and F1 of the pairs of records held to be one person."""
    agreed = _pairs(Counter((owner, truth[record]) for record, owner in found.items()))
    precision = agreed / max(_pairs(Counter(found.values())), 1)
    recall = agreed / max(_pairs(Counter(truth[record] for record in found)), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {
        "precision": round(precision, 5),
        "recall": round(recall, 5),
        "f1": round(f1, 5),
        "records": len(found),
    }


def _pairs(sizes: Counter[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())
