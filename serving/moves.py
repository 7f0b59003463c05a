"""Why a score moved between two days: by reason group, adding up to the difference exactly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from data.database import Database
from data.errors import (
    AdditivityBroken,
    ConfigurationError,
    UnknownCustomer,
    UnknownQuestion,
)
from data.warehouse import Warehouse
from features.definition import Reasons
from features.online import profile_of
from features.reason_groups import GROUP_OF, GROUPS, version
from serving.book.standing import standing
from serving.reasons import (
    Direction,
    Language,
    Told,
    asked_of,
    direction_of,
    impact_of_a_unit,
    leading,
    moved_text,
    said,
    sentence,
)
from serving.recording import PURPOSE, record
from serving.scoring import NAMES, Model, Scorer
from serving.versions import Grounds, answering_on
from training.labels import SCORABLE
from training.recipes import recipes

TOLERANCE = 1e-9
Kind = Literal["group", "period", "model"]

_PERIOD = Reasons("The period asked about", "預測期間", "预测期间")
_CHANGED = Reasons(
    "The model changed, from version {old} to {new}, which by the earlier profile",
    "模型由第{old}版改為第{new}版，依先前資料計算",
    "模型由第{old}版改为第{new}版，按先前资料计算",
)
_ALIKE = Reasons(" makes no difference", "並無差異", "并无差异")
_POINTS = Reasons(" pp", "個百分點", "个百分点")
IN_ALL = Reasons("in all", "合計", "合计")
_MOVED = Reasons(
    "{asked} went from {before} on {since} to {after} on {until}",
    "{asked}由{since}的{before}變為{until}的{after}",
    "{asked}由{since}的{before}变为{until}的{after}",
)
_NOT_ASKED = Reasons(
    "the question did not fit this customer as of {day}: {why}",
    "截至{day}，此問題不適用於該客戶：{why}",
    "截至{day}，该问题不适用于该客户：{why}",
)


class Side(BaseModel):
    """One of the two days.

    ``status`` is that of a score, or says why the question did not fit; ``grounds`` why it is this
    version: the book of that day was scored by it, it was asked for, or there is no book of that
    day and it is the version that answers now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    status: str
    version: str
    label_version: str
    horizon: int
    grounds: Grounds
    value: float | None = None
    margin: float | None = None
    base_value: float | None = None


class Line(BaseModel):
    """What moved the score, and how far.

    Attributes:
        kind: a group of features, the period that the question looks at, or the model's change.
        contribution: on the model's scale; the lines add up to the difference of the margins.
        impact: in what people read; the lines add up to the difference of the values.
        shown: the same in hundredths of a percentage point, or whole money: whole numbers that add
            up to the difference of the two values as shown, none against its own sign.
        before, after: of the feature of the group that moved the score most that way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str
    feature: str | None = None
    before: float | None = None
    after: float | None = None
    contribution: float
    impact: float
    shown: int
    direction: Direction
    text: str


class Movement(BaseModel):
    """A score on two days and the lines between, the strongest first; none where one has no score.

    With ``model_changed`` one line is the model's: the new version's answer to the earlier profile
    less the old one's. The groups are then differences of the new version's contributions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["moved", "not_scorable"]
    model: str
    unit: str
    before: Side
    after: Side
    model_changed: bool
    shown: int | None = None
    lines: list[Line] | None = None
    reasons: str
    text: str


@dataclass(frozen=True)
class Then:
    """A customer as of one day, the whole profile by name, and the model that is to answer."""

    as_of: date
    profile: Mapping[str, float]
    status: str
    model: Model
    grounds: Grounds


@dataclass(frozen=True)
class Piece:
    """Part of a difference on the model's scale; ``lead`` is the feature that a reason names."""

    kind: Kind
    name: str
    push: float
    lead: str | None = None


def movement(old: Then, new: Then, language: Language = "en") -> Movement:
    """What moved a score from one day to the other.

    Raises:
        AdditivityBroken: the lines miss the difference by more than 1e-9.
    """
    card = new.model.release.card
    before, after = _side(old), _side(new)
    scored = before.margin is not None and after.margin is not None
    lines = _lines(old, new, before, after, language) if scored else None
    return Movement(
        status="moved" if scored else "not_scorable",
        model=card.name,
        unit=card.unit,
        before=before,
        after=after,
        model_changed=_changed(old, new),
        shown=_whole(card.unit, after) - _whole(card.unit, before) if scored else None,
        lines=lines,
        reasons=version(),
        text=_summary(new.model, before, after, language),
    )


def _changed(old: Then, new: Then) -> bool:
    return old.model.release.digest != new.model.release.digest


def _side(then: Then) -> Side:
    card = then.model.release.card
    status = then.model.lacks(then.profile) or then.status
    side = Side(
        as_of=then.as_of,
        status=status,
        version=card.version,
        label_version=card.label_version,
        horizon=card.horizon_days,
        grounds=then.grounds,
    )
    if status != SCORABLE:
        return side
    margin, _ = _explained(then.model, then.profile)
    base = then.model.explainer.base_value
    value = then.model.value(margin)
    found = {"status": then.model.standing(), "value": value, "margin": margin, "base_value": base}
    return side.model_copy(update=found)


def _explained(model: Model, profile: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """Margin and contributions of one profile at the main horizon."""
    card = model.release.card
    row = np.array([[profile[name] for name in card.profiled]], np.float64)
    margins, pushes = model.explain(model.inputs(row, card.horizon_days))
    return float(margins[0]), dict(zip(card.features, pushes[0].tolist(), strict=True))


def pieces(old: Then, new: Then) -> list[Piece]:
    """The difference of the two margins in pieces, the strongest first, ties by name."""
    was, then = _explained(new.model, old.profile)
    _, now = _explained(new.model, new.profile)
    moved = {name: now[name] - then[name] for name in now}
    found = [*_by_group(moved), *_of_period(moved)]
    if _changed(old, new):
        found.append(Piece("model", "model", was - _explained(old.model, old.profile)[0]))
    kept = (piece for piece in found if piece.push or piece.kind == "model")
    return sorted(kept, key=lambda piece: (-abs(piece.push), piece.name))


def _by_group(moved: Mapping[str, float]) -> list[Piece]:
    found = []
    for group in GROUPS:
        own = {name: moved[name] for name in group.features if name in moved}
        push = math.fsum(own.values())
        if push:
            found.append(Piece("group", group.name, push, leading(own, push)))
    return found


def _of_period(moved: Mapping[str, float]) -> list[Piece]:
    """What no reason group has: the horizon, which is no feature of the customer."""
    return [Piece("period", name, moved[name]) for name in moved if name not in GROUP_OF]


def _lines(old: Then, new: Then, before: Side, after: Side, language: Language) -> list[Line]:
    found, card = pieces(old, new), new.model.release.card
    start, end = _margin(before), _margin(after)
    gap = math.fsum([start, *(piece.push for piece in found), -end])
    if not abs(gap) <= TOLERANCE * max(1.0, abs(start), abs(end)):
        raise AdditivityBroken(f"what moved {card.name} misses the difference by {gap:.3g}.")
    unit = 1.0 if card.answer == "money" else impact_of_a_unit(end, start)
    scale = _scale(card.unit)
    total = _whole(card.unit, after) - _whole(card.unit, before)
    parts = apportioned([piece.push * unit * scale for piece in found], total)
    return [
        _line(piece, unit, shown, old, new, language)
        for piece, shown in zip(found, parts, strict=True)
    ]


def _line(piece: Piece, unit: float, shown: int, old: Then, new: Then, language: Language) -> Line:
    ends = [one.profile[piece.lead] if piece.lead else math.nan for one in (old, new)]
    return Line(
        kind=piece.kind,
        name=piece.name,
        feature=piece.lead,
        before=None if math.isnan(ends[0]) else ends[0],
        after=None if math.isnan(ends[1]) else ends[1],
        contribution=piece.push,
        impact=piece.push * unit,
        shown=shown,
        direction=direction_of(piece.push),
        text=_worded(piece, old, new, language),
    )


def _worded(piece: Piece, old: Then, new: Then, language: Language) -> str:
    card = new.model.release.card
    told = Told(card.question, 1.0, language, card.name)
    if piece.lead:
        ends = old.profile[piece.lead], new.profile[piece.lead]
        stands = moved_text(piece.lead, *ends, language)
    elif piece.kind == "model":
        versions = old.model.release.card.version, card.version
        stands = said(_CHANGED, language).format(old=versions[0], new=versions[1])
        if not piece.push:
            return stands + said(_ALIKE, language)
    else:
        stands = said(_PERIOD, language)
    return sentence(stands, None, direction_of(piece.push), told)


def apportioned(parts: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to a total, each next below or above its part.

    Args:
        total: a whole number next to the sum of the parts.
    """
    whole = [math.floor(part) for part in parts]
    order = sorted(range(len(parts)), key=lambda place: (whole[place] - parts[place], place))
    for place in order[: max(total - sum(whole), 0)]:
        whole[place] += 1
    if whole and sum(whole) != total:  # a rounding error stood between the sum and a whole number
        most = max(range(len(parts)), key=lambda place: abs(parts[place]))
        whole[most] += total - sum(whole)
    return whole


def _margin(side: Side) -> float:
    assert side.margin is not None
    return side.margin


def _scale(unit: str) -> float:
    return 10_000.0 if unit == "probability" else 1.0


def _whole(unit: str, side: Side) -> int:
    """A value as it is shown: in hundredths of a percentage point, or whole money."""
    assert side.value is not None
    return math.floor(side.value * _scale(unit) + 0.5)


def _summary(model: Model, before: Side, after: Side, language: Language) -> str:
    card = model.release.card
    out = next((side for side in (before, after) if side.value is None), None)
    if out:
        text = said(_NOT_ASKED, language).format(day=out.as_of, why=out.status)
    else:
        ends = (_read(card.unit, side) for side in (before, after))
        asked = said(asked_of(card.name, card.question), language)
        days = {"since": before.as_of, "until": after.as_of}
        text = said(_MOVED, language).format(
            asked=asked, before=next(ends), after=next(ends), **days
        )
    return text[:1].upper() + text[1:]


def _read(unit: str, side: Side) -> str:
    whole = _whole(unit, side)
    return f"{whole / 100:.2f}%" if unit == "probability" else f"{whole:,} {unit}"


def moved_by(shown: int, unit: str, language: Language = "en") -> str:
    """A whole number of a line as a person reads it: percentage points, or money."""
    points = said(_POINTS, language)
    return f"{shown / 100:+.2f}{points}" if unit == "probability" else f"{shown:+,}"


@dataclass(frozen=True)
class Asked:
    """Whose score of which model, between which days, and by which versions if not as known."""

    customer_id: str
    named: str
    since: date
    until: date
    old_version: str = ""
    new_version: str = ""


def why_moved(
    scorer: Scorer,
    database: Database,
    asked: Asked,
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> tuple[Movement, int]:
    """Why a customer's score moved, and the number of its audit record.

    Raises:
        UnknownQuestion: no such model, or no such version of it.
        UnknownCustomer: the bank did not know the customer before one of the days.
        OutsideData: a day for which there is no profile.
        ConfigurationError: the days are in the wrong order.
    """
    if asked.named not in NAMES:
        raise UnknownQuestion(f"no such model; ask one of: {', '.join(NAMES)}")
    if asked.since >= asked.until:
        raise ConfigurationError(
            f"{asked.since} is not before {asked.until}; give the earlier day first."
        )
    warehouse = Warehouse()
    old = _then(scorer, database, warehouse, asked, asked.since, asked.old_version)
    new = _then(scorer, database, warehouse, asked, asked.until, asked.new_version)
    found = movement(old, new, language)
    sides = {one.as_of.isoformat(): one for one in (old, new)}
    number = record(
        database,
        "movement",
        {f"{asked.named}@{day}": one.model for day, one in sides.items()},
        {
            "manifest": warehouse.manifest.digest,
            "language": language,
            "reasons": found.reasons,
        },
        {
            "customer_id": asked.customer_id,
            "profiles": {
                day: {n: v.hex() for n, v in one.profile.items()} for day, one in sides.items()
            },
            "standing": {day: one.status for day, one in sides.items()},
            "grounds": {day: one.grounds for day, one in sides.items()},
            "answer": found.model_dump(mode="json"),
        },
        actor=actor,
        purpose=purpose,
        person=asked.customer_id,
    )
    return found, number


def _then(
    scorer: Scorer,
    database: Database,
    warehouse: Warehouse,
    asked: Asked,
    day: date,
    wanted: str,
) -> Then:
    model, grounds = answering_on(scorer, database, asked.named, day, wanted)
    try:
        built = profile_of(warehouse, asked.customer_id, day)
    except UnknownCustomer:  # its words would echo what was sent
        raise UnknownCustomer(
            f"no customer with this identifier was known before {day}; check the identifier."
        ) from None
    values = dict(zip(built.features, built.values[0].tolist(), strict=True))
    spine = pd.DataFrame({"customer_id": [asked.customer_id], "as_of": [day]})
    labels = {recipe.name: recipe.label for recipe in recipes(warehouse.manifest.tables)}
    (status,) = standing(warehouse, labels.get(asked.named), model, spine, built.features)
    return Then(day, values, status, model, grounds)
