"""The files of a simulated bank as canonical tables, with every record's true person in its place."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data.sources.systems import EXTRACTS, canonical_queries
from data.tables import CANONICAL
from data.warehouse import CROSSWALK, GOLDEN_RECORDS, Warehouse, engine

OWNED = [t.name for t in CANONICAL if any(c.name == "customer_id" for c in t.columns)]


def true_records(files: Path) -> tuple[pa.Table, dict[str, str]]:
    """The records of persons as delivered, and the person behind each."""
    connection = engine()
    for kind in EXTRACTS:
        if kind.table == "customers":
            rows = f"read_parquet('{files}/{kind.system}/{kind.file}/*.parquet')"
            connection.execute(f"CREATE VIEW {kind.name} AS SELECT *, 0 AS line FROM {rows}")
    names = {kind.name for kind in EXTRACTS if kind.table == "customers"}
    query = canonical_queries(names)["customers"]
    rows = connection.sql(f"SELECT * EXCLUDE (line) FROM ({query}) ORDER BY ALL").to_arrow_table()
    truth = pq.read_table(files / "truth" / "records").to_pydict()
    return rows, dict(zip(truth["record_id"], truth["person_id"], strict=True))


def true_bank(files: Path) -> duckdb.DuckDBPyConnection:
    """The canonical tables as delivered; ``customer_id`` is the person behind the record."""
    connection = engine()
    delivered = [e for e in EXTRACTS if (files / e.system / e.file).is_dir()]
    for kind in delivered:
        rows = f"read_parquet('{files}/{kind.system}/{kind.file}/*.parquet')"
        connection.execute(f"CREATE VIEW {kind.name} AS SELECT *, 0 AS line FROM {rows}")
    for name in ("records", "probabilities", "states"):
        rows = f"read_parquet('{files}/truth/{name}/*.parquet')"
        connection.execute(f"CREATE VIEW {name} AS FROM {rows}")
    for name, query in canonical_queries({kind.name for kind in delivered}).items():
        connection.execute(f"CREATE VIEW {name} AS {of_persons(name, query)}")
    return connection


def of_persons(name: str, query: str) -> str:
    """The rows with the person in the place of the record, where they name one."""
    if name not in OWNED:
        return query
    return (
        f"SELECT r.* REPLACE (person_id AS customer_id) FROM ({query}) r"
        " JOIN records ON record_id = r.customer_id"
    )


def truly_identified(warehouse: Warehouse, files: Path, folder: Path) -> Warehouse:
    """The same warehouse in another folder, its customers identified without an error.

    ``customer_id`` is then the truth's ``person_id``.
    """
    records = pq.read_table(files / "truth" / "records")
    raw = warehouse.connect(resolved=False)
    raw.register("records", records)
    tables = {
        CROSSWALK: raw.sql(
            "SELECT record_id, person_id AS customer_id, 0::INTEGER AS known_day, 1 AS run"
            " FROM records ORDER BY 1"
        ).to_arrow_table(),
        GOLDEN_RECORDS: raw.sql(
            "SELECT c.* REPLACE (person_id AS customer_id) FROM customers c"
            " JOIN records ON record_id = customer_id WHERE system = 'core' ORDER BY ALL"
        ).to_arrow_table(),
    }
    batches = folder / "batches"
    batches.mkdir(parents=True)
    for name in set(warehouse.manifest.tables) - set(tables):
        (batches / name).symlink_to(warehouse.folder / "batches" / name)
    made = Warehouse(folder)
    written = [made.write(name, t.to_batches(), t.schema) for name, t in tables.items()]
    kept = [b for b in warehouse.manifest.batches if b.table not in tables]
    batches_now = (*kept, *(batch for batch in written if batch))
    made.commit(warehouse.manifest.model_copy(update={"batches": batches_now}))
    return made
