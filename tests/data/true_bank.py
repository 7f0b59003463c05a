"""The simulated bank with every record's true person in the place of the record."""

from pathlib import Path

import duckdb

from data.tables import CANONICAL
from data.warehouse import Warehouse


def true_bank(warehouse: Warehouse, files: Path) -> duckdb.DuckDBPyConnection:
    """The loaded tables, where ``customer_id`` is the person behind the record."""
    connection = warehouse.connect(resolved=False)
    truth = f"read_parquet('{files}/truth/records/*.parquet')"
    connection.execute(f"CREATE TABLE whose AS FROM {truth}; CREATE SCHEMA persons")
    owned = [t.name for t in CANONICAL if any(c.name == "customer_id" for c in t.columns)]
    for name in (*owned, "contributions"):
        connection.execute(
            f"CREATE VIEW persons.{name} AS SELECT r.* REPLACE (person_id AS customer_id)"
            f" FROM main.{name} r JOIN whose ON record_id = r.customer_id"
        )
    connection.execute("SET search_path = 'persons,main'")
    return connection
