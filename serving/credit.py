"""What a credit-risk answer says beside the PD: grade, band, EAD, LGD and expected loss."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from training.grades import DEFAULTED, SCALE, Band, band, grade
from training.labels import SCORABLE
from training.losses import Exposure, expected_loss
from training.release import ReleaseCard

IN_DEFAULT = "in_default"


class ExposurePart(BaseModel):
    """One product's share of the exposure; money in units of the currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)

    product: str
    collateral: str
    drawn: float
    undrawn: float
    ccf: float
    ead: float
    lgd: float
    lgd_source: str
    lgd_cases: int


class CreditRisk(BaseModel):
    """Grade and band on the master scale and, where there is exposure, EL = PD x LGD x EAD.

    Grade D is a customer in default, whose PD counts as 1. ``lgd`` is weighted by EAD; money is in
    units of ``currency``; ``tables`` is the version of the CCF and LGD tables.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: str
    band: Band
    scale: str
    currency: str | None = None
    ead: float | None = None
    lgd: float | None = None
    expected_loss: float | None = None
    tables: str | None = None
    parts: list[ExposurePart] | None = None


def credit(
    card: ReleaseCard, standing: str, pd: float | None, exposure: Exposure | None
) -> CreditRisk | None:
    """The credit risk of a customer; None where there is no 12-month PD to grade.

    Args:
        standing: scorable, or why not; in default is grade D.
        exposure: of the customer; new credit, of which no amount is known, has none.
    """
    if card.question != "credit_risk" or not card.horizon_days:
        return None
    if standing == IN_DEFAULT:
        graded, chance = DEFAULTED, 1.0
    elif standing == SCORABLE and pd is not None:
        graded, chance = grade(pd), pd
    else:
        return None
    about = {"grade": graded, "band": band(graded), "scale": SCALE}
    return CreditRisk(**about, **(_lost(chance, exposure) if _of_exposure(card) else {}))


def _of_exposure(card: ReleaseCard) -> bool:
    return card.name == card.question


def _lost(chance: float, exposure: Exposure | None) -> dict[str, Any]:
    if exposure is None:
        return {}
    ead, lgd = exposure.ead, exposure.lgd
    return {
        "currency": exposure.currency,
        "ead": ead,
        "lgd": lgd,
        "expected_loss": None if ead is None or lgd is None else expected_loss(chance, lgd, ead),
        "tables": exposure.tables,
        "parts": [ExposurePart.model_validate(part) for part in exposure.parts],
    }


COLUMNS: Mapping[str, pa.DataType] = {
    "grade": pa.string(),
    "band": pa.string(),
    "scale": pa.string(),
    "currency": pa.string(),
    "ead": pa.float64(),
    "lgd": pa.float64(),
    "expected_loss": pa.float64(),
    "tables": pa.string(),
}


def with_credit(card: ReleaseCard, scored: pa.Table, owed: Mapping[str, Exposure]) -> pa.Table:
    """A model's book with the columns of credit risk; as it is for every other question."""
    if card.question != "credit_risk" or not card.horizon_days:
        return scored
    asked = (scored[name].to_pylist() for name in ("customer_id", "status", "value"))
    found = [
        credit(card, status, value, owed.get(customer))
        for customer, status, value in zip(*asked, strict=True)
    ]
    for name, kind in COLUMNS.items():
        values = [getattr(one, name) if one else None for one in found]
        scored = scored.append_column(name, pa.array(values, kind))
    return scored
