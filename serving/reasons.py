"""Contributions told as reasons, the strongest first, in three languages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from features.catalogue import CATALOGUE
from features.definition import Reasons, Unit
from features.reason_groups import GROUP_OF, ReasonGroup
from training.points import POINTS_TO_DOUBLE
from training.tables.columns import Column

MOST = 5
FLOOR = 0.02  # of the strongest reason; below it a reason is noise
Language = Literal["en", "zh-TW", "zh-CN"]
Direction = Literal["raises", "lowers"]

_ASKED = {
    "churn": Reasons("the chance of leaving", "流失機率", "流失概率"),
    "churn.run_off": Reasons("the chance of running assets down", "資產流出機率", "资产流失概率"),
    "lifetime_value": Reasons("the expected contribution", "預期貢獻度", "预期贡献度"),
    "lifetime_value.five_years": Reasons(
        "the expected contribution of five years", "預期五年貢獻度", "预期五年贡献度"
    ),
    "propensity": Reasons("the chance of taking it up", "申辦機率", "购买概率"),
    "credit_risk": Reasons("the risk of default", "違約風險", "违约风险"),
    "outcome": Reasons("the answer", "預測值", "预测值"),
}
_PUSHES: Mapping[Direction, Reasons] = {
    "raises": Reasons("raises", "提高", "提高"),
    "lowers": Reasons("lowers", "降低", "降低"),
}
_NONE = Reasons("none", "無", "无")
_UNMOVED = Reasons(
    " (the same; it weighs otherwise beside the rest)",
    "（未變，因其他項目變動而影響不同）",
    "（未变，因其他项目变动而影响不同）",
)
_YES, _NO = Reasons("yes", "是", "是"), Reasons("no", "否", "否")
_MEASURED: Mapping[Unit, Reasons] = {
    "money": Reasons("", "元", "元"),
    "days": Reasons(" days", "天", "天"),
    "months": Reasons(" months", "個月", "个月"),
    "years": Reasons(" years", "歲", "岁"),
}


class Reason(BaseModel):
    """One reason: what it is about, where the customer stands, which way and how far it pushes.

    Attributes:
        group: features that say the same to a person; their contributions are one reason.
        feature: the one of them that pushes most in the group's direction.
        value, typical: of that feature; the typical one is the median of those learnt from.
        contribution: of the group, on the model's scale.
        impact: of the group, in what people read: a difference of probability, or money. Over all
            features impacts add up to ``value`` less the value at ``base_value``.
        points: of the group on the scorecard's scale, for credit risk; more points are less risk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    feature: str
    text: str
    value: float | None = None
    typical: float | None = None
    contribution: float
    impact: float
    points: float | None = None
    direction: Direction


@dataclass(frozen=True)
class Told:
    """What a score is about, and what one unit of margin means to people."""

    question: str
    impact: float = 1.0
    language: Language = "en"
    model: str = ""

    @property
    def asked(self) -> Reasons:
        """What the reasons push."""
        return asked_of(self.model, self.question)


def asked_of(model: str, question: str) -> Reasons:
    """What a model's score is called."""
    return _ASKED.get(model, _ASKED[question])


def impact_of_a_unit(margin: float, base: float) -> float:
    """Probability for each unit of margin between the base and the score.

    It is the slope of the chord of the logistic curve, the same for every contribution: impacts
    keep the sign and the order of the contributions and add up exactly.
    """
    if abs(margin - base) < 1e-6:
        chance = _chance((margin + base) / 2)
        return chance * (1 - chance)
    return (_chance(margin) - _chance(base)) / (margin - base)


def _chance(margin: float) -> float:
    return 1.0 / (1.0 + math.exp(min(-margin, 700.0)))


def reasons(
    contributions: Mapping[str, float],
    values: Mapping[str, float],
    typical: Mapping[str, float | None],
    told: Told,
) -> list[Reason]:
    """At most five reasons, strongest first, ties by name.

    An input that is no feature of the customer, such as the horizon, is no reason.

    Args:
        contributions: feature -> contribution on the model's scale.
        values: feature -> the customer's value, NaN where missing.
        typical: feature -> the median of the customers the model learnt from.
    """
    members = _members(tuple(contributions))
    sums = {
        group: math.fsum(map(contributions.__getitem__, names)) for group, names in members.items()
    }
    return [
        reason_of({name: contributions[name] for name in members[group]}, values, typical, told)
        for group, _ in _strongest(sums)
    ]


@lru_cache(maxsize=64)
def _members(features: tuple[str, ...]) -> dict[str, list[str]]:
    """Group -> those of the features that belong to it."""
    found: dict[str, list[str]] = {}
    for name in features:
        if name in GROUP_OF:
            found.setdefault(GROUP_OF[name].name, []).append(name)
    return found


def reason_of(
    pushes: Mapping[str, float],
    values: Mapping[str, float],
    typical: Mapping[str, float | None],
    told: Told,
) -> Reason:
    """The reason that the features of one group make together."""
    push = math.fsum(pushes.values())
    lead = leading(pushes, push)
    return _reason(lead, push, values[lead], typical.get(lead), told)


def column_reasons(
    columns: Sequence[Column],
    contributions: Mapping[str, float],
    values: Mapping[str, float],
    typical: Mapping[str, float | None],
    told: Told,
) -> list[Reason]:
    """The same for a table's columns; a category's value is told in the text alone."""
    named = {column.name: column for column in columns}
    found = []
    for name, push in _strongest(contributions):
        column, value, usual = named[name], values[name], typical.get(name)
        number = column.kind != "category"
        stands = f"{column.text} {column.shown(value)}"
        beside = None if usual is None else column.shown(usual)
        found.append(
            Reason(
                group=name,
                feature=name,
                text=sentence(stands, beside, direction_of(push), told),
                value=value if number and not math.isnan(value) else None,
                typical=usual if number else None,
                contribution=push,
                impact=push * told.impact,
                points=_points(push, told),
                direction=direction_of(push),
            )
        )
    return found


def _strongest(pushes: Mapping[str, float]) -> list[tuple[str, float]]:
    ranked = sorted(pushes.items(), key=lambda item: (-abs(item[1]), item[0]))
    least = FLOOR * abs(ranked[0][1]) if ranked else 0.0
    return [(name, push) for name, push in ranked[:MOST] if push and abs(push) >= least]


def leading(pushes: Mapping[str, float], push: float) -> str:
    """The feature that pushes most in the direction of its group."""
    sign = math.copysign(1.0, push)
    return min(pushes, key=lambda name: (-sign * pushes[name], name))


def direction_of(push: float) -> Direction:
    return "raises" if push > 0 else "lowers"


def _points(push: float, told: Told) -> float | None:
    return -push * POINTS_TO_DOUBLE / math.log(2) if told.question == "credit_risk" else None


def _reason(name: str, push: float, value: float, typical: float | None, told: Told) -> Reason:
    direction = direction_of(push)
    return Reason(
        group=GROUP_OF[name].name,
        feature=name,
        text=text(name, value, typical, direction, told),
        value=None if math.isnan(value) else value,
        typical=typical,
        contribution=push,
        impact=push * told.impact,
        points=_points(push, told),
        direction=direction,
    )


def text(name: str, value: float, typical: float | None, direction: Direction, told: Told) -> str:
    """A reason as a sentence without a full stop, in the language asked for."""
    language, unit = told.language, CATALOGUE[name].unit
    stands = f"{_subject(name, language)} {shown(value, unit, language)}"
    usual = None if typical is None else shown(typical, unit, language)
    return sentence(stands, usual, direction, told)


@lru_cache(maxsize=2_048)
def _subject(name: str, language: Language) -> str:
    """A feature behind the name of its group."""
    feature = CATALOGUE[name].reasons
    return f"{_named(GROUP_OF[name], feature, language)}{said(feature, language)}"


def moved_text(name: str, before: float, after: float, language: Language) -> str:
    """Where a customer stood and stands, for a reason that moved a score."""
    ends = [shown(value, CATALOGUE[name].unit, language) for value in (before, after)]
    same = before == after or (math.isnan(before) and math.isnan(after))
    told = f"{ends[0]}{said(_UNMOVED, language)}" if same else " → ".join(ends)
    return f"{_subject(name, language)} {told}"


def sentence(stands: str, usual: str | None, direction: Direction, told: Told) -> str:
    """Where the customer stands, where others do, and which way that pushes."""
    language = told.language
    pushes = said(_PUSHES[direction], language)
    asked = said(told.asked, language)
    if language == "en":
        beside = f" (typical {usual})" if usual else ""
        return f"{stands}{beside} {pushes} {asked}"
    word = "一般客戶" if language == "zh-TW" else "一般客户"
    beside = f"（{word} {usual}）" if usual else ""
    return f"{stands}{beside}，{pushes}{asked}"


def _named(group: ReasonGroup, feature: Reasons, language: Language) -> str:
    """The group's name before the feature's, unless they are the same."""
    name = said(group.reasons, language)
    if name == said(feature, language):
        return ""
    return f"{name}: " if language == "en" else f"{name}："


def said(words: Reasons, language: Language) -> str:
    """Words in a language."""
    return words.en if language == "en" else words.zh_tw if language == "zh-TW" else words.zh_cn


def shown(value: float, unit: Unit, language: Language = "en") -> str:
    """A value as a person reads it; money is kept in minor units, rates in millionths."""
    if math.isnan(value):
        return said(_NONE, language)
    measured = said(_MEASURED[unit], language) if unit in _MEASURED else ""
    match unit:
        case "money":
            return f"{value / 100:,.0f}{measured}"
        case "share":
            return f"{value:.0%}"
        case "rate":
            return f"{value / 1e6:.1%}"
        case "ratio":
            return f"{value:.2f}"
        case "flag":
            return said(_YES if value else _NO, language)
        case _:
            return f"{value:,.0f}{measured}"
