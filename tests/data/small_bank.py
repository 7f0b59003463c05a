"""A bank of a few rows, written by the test that needs it."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.loading import Loaded, load
from data.sources import open_source
from data.warehouse import Warehouse

RECEIVED = datetime(2024, 7, 1, tzinfo=UTC)
HEADERS = {
    "customers": "customer_id,event_at,known_at,name",
    "products": "product_id,family,margin,cost_to_serve",
    "accounts": "account_id,customer_id,product_id,event_at,known_at,currency",
    "closings": "account_id,event_at,known_at,reason",
    "balances": "account_id,event_at,known_at,ledger_balance",
    "transactions": (
        "transaction_id,account_id,event_at,known_at,amount,channel,category,automatic,counterparty"
    ),
    "loans": "loan_id,account_id,event_at,known_at,amount,term_months,instalment",
    "loan_outcomes": "loan_id,event_at,known_at,status,loss",
    "recoveries": "recovery_id,account_id,event_at,known_at,kind,amount",
}
ROWS = {
    "customers": ("C1,2024-01-01,2024-01-01,王小明", "C2,2024-01-01,2024-01-01,Ann Lee"),
    "products": ("P1,current,,",),
    "accounts": (
        "A1,C1,P1,2024-01-01,2024-01-01,TWD",
        "A2,C2,P1,2024-01-01,2024-01-01,TWD",
    ),
}


class SmallBank:
    """A folder of canonical files and the warehouse they go to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.folder.mkdir(parents=True)
        self.warehouse = Warehouse(folder / "warehouse")
        for table, rows in ROWS.items():
            self.csv(table, *rows)

    def csv(self, table: str, *rows: str, header: str = "", file: str = "") -> Path:
        """Write ``TABLE.csv`` with our header above the rows."""
        return self.raw(file or f"{table}.csv", lines(header or HEADERS[table], *rows))

    def raw(self, file: str, content: bytes) -> Path:
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def parquet(self, table: str, rows: pa.Table, **options: Any) -> Path:
        path = self.folder / f"{table}.parquet"
        pq.write_table(rows, path, **options)
        return path

    def vouch(self) -> None:
        """Write SHA256SUMS over the files as they are now."""
        files = [path for path in sorted(self.folder.rglob("*.*")) if path.is_file()]
        names = [path.relative_to(self.folder).as_posix() for path in files]
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        self.raw("SHA256SUMS", lines(*map("  ./".join, zip(digests, names, strict=True))))

    def load(
        self,
        *,
        replace: bool = False,
        reject_limit: float = 1.0,
        source: str = "canonical",
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Loaded:
        return load(
            open_source(source, self.folder),
            self.warehouse,
            replace=replace,
            reject_limit=reject_limit,
            received=RECEIVED,
            progress=progress,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a reader of the warehouse sees."""
        return self.warehouse.connect().execute(query).fetchall()

    @property
    def rejects(self) -> list[tuple[str, int, str, str]]:
        return self.warehouse.rejects(limit=1_000)


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def account(loaded: Loaded, file: str) -> tuple[int, int, int, int]:
    """Rows in, accepted, rejected and duplicate of one file."""
    found = next(f for f in loaded.files if f.file == file)
    return found.rows_in, found.accepted, found.rejected, found.duplicate


def bookings(numbers: Iterable[int]) -> list[str]:
    """Sound transactions of account A1, one for each number."""
    return [
        f"T{n},A1,2024-02-01T10:00:00,2024-02-02,-{n}.50,card,groceries,false," for n in numbers
    ]
