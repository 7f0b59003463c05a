"""Answers as they are shown to whom risk is hidden: only what is named here gets out."""

from datetime import date

from pydantic import BaseModel, ConfigDict

from serving.reasons import Direction
from training.grades import Band


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeenReason(_Seen):
    """A reason in words, without its weight."""

    group: str
    feature: str
    text: str
    value: float | None
    typical: float | None
    direction: Direction


class SeenCredit(_Seen):
    """The band alone."""

    band: Band


class SeenHorizon(_Seen):
    """The value at one horizon, in days."""

    horizon: int
    value: float


class SeenScore(_Seen):
    """A score without what would give away risk: no weights, and of credit risk the band."""

    status: str
    reason: str | None = None
    value: float | None = None
    unit: str | None = None
    interval: tuple[float, float] | None = None
    coverage: float | None = None
    reasons: list[SeenReason] | None = None
    horizon: int | None = None
    horizons: list[SeenHorizon] | None = None
    label_version: str | None = None
    model: str
    version: str | None = None
    credit: SeenCredit | None = None
    notes: list[str] | None = None


class SeenAnswer(_Seen):
    """All scores of one customer as somebody sees them to whom risk is hidden."""

    customer_id: str
    as_of: date
    scores: dict[str, SeenScore | dict[str, SeenScore]]
    audit: int | None = None


class SeenStep(_Seen):
    """One action in words."""

    lever: str
    amount: float
    text: str


class SeenOption(_Seen):
    """Actions and the value they lead to."""

    value: float
    steps: list[SeenStep]


class SeenChange(_Seen):
    """What would change a score, without the features that it moves."""

    status: str
    model: str
    version: str
    threshold: float
    value: float | None = None
    score: str | None = None
    smallest: SeenOption | None = None
    others: list[SeenOption] | None = None
    lowest: float | None = None
    text: str
    statement: str
    audit: int | None = None


class SeenSide(_Seen):
    """One of two days."""

    as_of: date
    status: str
    version: str
    value: float | None = None


class SeenLine(_Seen):
    """What moved a score, in words."""

    kind: str
    name: str
    text: str
    direction: Direction


class SeenMovement(_Seen):
    """Why a score moved, without weights; what risk did to it is left out."""

    status: str
    model: str
    unit: str
    before: SeenSide
    after: SeenSide
    model_changed: bool
    lines: list[SeenLine] | None = None
    text: str
    audit: int | None = None
