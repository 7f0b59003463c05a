"""What a stated shift of the log-odds does to the expected loss of a scored book."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from data.errors import NotReady
from training.grades import DEFAULTED
from training.labels import SCORABLE
from training.stress import expected_losses, stressed

BOOK = "credit_risk.parquet"


@dataclass(frozen=True)
class Stress:
    """One currency of a book before and after; money in units of it.

    ``in_default`` is the expected loss of grade D, which no shift changes; the other figures are of
    the customers that have a PD.
    """

    currency: str
    customers: int
    pd: float
    stressed_pd: float
    ead: float
    expected: float
    stressed: float
    in_default: float


def stress(book: Path, shift: float) -> list[Stress]:
    """The expected loss of a book before and after a shift of the log-odds, by currency.

    Raises:
        NotReady: the book holds no credit risk with an exposure.
    """
    path = book / BOOK
    if not path.is_dir() or "ead" not in pq.ParquetDataset(path).schema.names:
        raise NotReady("the book holds no 12-month PD with an exposure; train credit_risk first.")
    columns = ["status", "margin", "grade", "currency", "ead", "lgd", "expected_loss"]
    told = pq.read_table(path, columns=columns).to_pandas().dropna(subset=["ead", "lgd"])
    found = []
    for currency, rows in told.groupby("currency"):
        asked = rows[rows["status"] == SCORABLE]
        margin, lgd, ead = (asked[n].to_numpy(np.float64) for n in ("margin", "lgd", "ead"))
        found.append(
            Stress(
                currency=str(currency),
                customers=len(asked),
                pd=float(stressed(margin, 0.0).mean()) if len(asked) else 0.0,
                stressed_pd=float(stressed(margin, shift).mean()) if len(asked) else 0.0,
                ead=float(ead.sum()),
                expected=float(expected_losses(margin, lgd, ead).sum()),
                stressed=float(expected_losses(margin, lgd, ead, shift).sum()),
                in_default=float(rows.loc[rows["grade"] == DEFAULTED, "expected_loss"].sum()),
            )
        )
    return found
