"""A simulated bank whose every customer's facts are spread over several customers."""

from pathlib import Path

from data.warehouse import Batch, Manifest, Warehouse

OWNERS = ("customers", "accounts", "loans", "collateral")
FACTS = (
    "transactions", "balances", "closings", "repayments", "statements", "interactions",
    "applications", "contacts", "consents", "suitability", "contributions",
)  # fmt: skip
REFERENCE = ("products", "districts")
_IDENTIFIERS = ("customer_id", "account_id", "loan_id", "collateral_id")
_ROWS = 122_880


def thinned(bank: Warehouse, folder: Path, copies: int) -> Warehouse:
    """The bank with ``copies`` customers in the place of each.

    Every copy of a customer has the accounts and loans; each fact goes to one copy, in turn.
    """
    thin, batches = Warehouse(folder), []
    kept = set(bank.manifest.tables)
    for table in [name for name in (*OWNERS, *FACTS, *REFERENCE) if name in kept]:
        batches.append(_written(bank, thin, table, copies))
    thin.commit(Manifest(source=f"{copies} customers of each", batches=tuple(batches)))
    return thin


def _written(bank: Warehouse, thin: Warehouse, table: str, copies: int) -> Batch:
    connection = bank.connect()
    columns = connection.table(table).columns
    rows = f"SELECT *, row_number() OVER () % {copies} AS copy FROM {table}"
    if table in OWNERS:
        rows = f"SELECT * FROM {table}, range({copies}) each(copy)"
    named = [f"{name} || '-' || copy AS {name}" for name in _IDENTIFIERS if name in columns]
    query = f"SELECT * EXCLUDE (copy) REPLACE ({', '.join(named)}) FROM ({rows})"
    relation = connection.sql(f"FROM {table}" if table in REFERENCE else query)
    reader = relation.to_arrow_reader(_ROWS)
    batch = thin.write(table, reader, reader.schema)
    assert batch is not None, f"{table} has no rows"
    return batch
