"""The files of a simulated bank as canonical tables, with every record's true person in its place."""

from pathlib import Path

import duckdb

from data.sources.systems import EXTRACTS, canonical_queries
from data.tables import CANONICAL
from data.warehouse import engine

OWNED = [t.name for t in CANONICAL if any(c.name == "customer_id" for c in t.columns)]


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
