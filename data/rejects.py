"""Rows that were set aside, each with its file, line, column and reason."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import pyarrow as pa

REJECTS = "rejects"


@dataclass(frozen=True, slots=True)
class Reject:
    """One fault of one row; the text itself stays in the source, its digest is kept."""

    file: str
    line: int
    column: str
    reason: str
    sha256: str

    @classmethod
    def of(cls, file: str, line: int, column: str, reason: str, text: str) -> Self:
        """A reject with the digest of the raw text."""
        return cls(file, line, column, reason, hashlib.sha256(text.encode()).hexdigest())

    @property
    def sentence(self) -> str:
        """File, line, column and reason in one line."""
        where = f", column {self.column}" if self.column else ""
        return f"{self.file} line {self.line}{where}: {self.reason}"


_FIELDS: list[tuple[str, pa.DataType]] = [
    ("file", pa.string()),
    ("line", pa.int64()),
    ("column", pa.string()),
    ("reason", pa.string()),
    ("sha256", pa.string()),
]
SCHEMA = pa.schema(_FIELDS)


def rejects_table(rejects: Sequence[Reject]) -> pa.Table:
    """The rejects as an Arrow table, in the order they were found."""
    return pa.Table.from_pylist([asdict(reject) for reject in rejects], SCHEMA)
