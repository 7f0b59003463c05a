"""What a feature is: one function over dated facts, whose body is one expression.

The engine trims the facts on both clocks before the function sees them, and it only counts,
compares, picks and adds integers; what divides is done once, in numpy, so that every engine,
thread count and batch size gives the same bits. A feature that lacks its sentence, its reason in
the three languages, or what it may be used for cannot be declared.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from data.errors import FeatureError
from features.facts import Array, Facts, Measure, quotient

__all__ = ["Array", "Facts", "Measure", "quotient"]

DataClass = Literal["ordinary", "personal", "sensitive", "protected"]
Unit = Literal[
    "money", "count", "days", "months", "years", "share", "ratio", "flag", "rate", "tier"
]
Higher = Literal["better", "worse", "neither"]
Purpose = Literal["marketing", "service", "value", "credit", "fairness"]
Window = int | None

DATA_CLASSES: Mapping[DataClass, str] = {
    "ordinary": "What the bank books about its own products and does itself.",
    "personal": "Tells how the person lives: income, spending, place, contact with the bank.",
    "sensitive": "May stand in a model only where the purpose bears it, and is watched: age.",
    "protected": "May stand in no model; kept to measure whether models treat groups alike.",
}
DIRECTIONS: Mapping[Higher, str] = {
    "better": "A higher value is usually good news: the customer stays, is worth more, or pays.",
    "worse": "A higher value is usually bad news.",
    "neither": "It depends on the question, or on the customer.",
}
PURPOSES: Mapping[Purpose, str] = {
    "marketing": "What to offer, and whether it will be taken up.",
    "service": "Who is about to leave, and how to look after them.",
    "value": "What the relationship is worth.",
    "credit": "Whether what is lent will be paid back.",
    "fairness": "Whether groups are treated alike; serves no model.",
}
MODELS: tuple[Purpose, ...] = ("marketing", "service", "value", "credit")


@dataclass(frozen=True)
class Period:
    """How a window is named: in the sentence, and in each language's reason."""

    sentence: str
    en: str
    zh_tw: str
    zh_cn: str


# 120 days: a quarter of contribution, which is booked at month-ends and known days later.
WINDOWS: Mapping[Window, Period] = {
    30: Period("in the last 30 days", "in the last month", "近一個月", "近1个月"),
    90: Period("in the last 90 days", "in the last quarter", "近三個月", "近3个月"),
    120: Period("in the last 120 days", "in the last four months", "近四個月", "近4个月"),
    180: Period("in the last 180 days", "in the last half year", "近六個月", "近6个月"),
    365: Period("in the last year", "in the last year", "近一年", "近1年"),
    None: Period("ever", "ever", "往來至今", "开户至今"),
}


@dataclass(frozen=True)
class Source:
    """Dated facts about customers.

    Attributes:
        tables: warehouse tables the facts are made of; all must have rows.
        query: SQL giving customer_id, event_day, known_day and the fact's columns. It is run by
            DuckDB and by Spark: ``unix_seconds`` and ``unix_date`` are the same in both.
        data_class: how sensitive a feature of these facts is at least.
        purposes: what features of these facts may serve at most.
        entity: the column whose latest row is a state (an account's balance), if any.
    """

    name: str
    about: str
    tables: tuple[str, ...]
    query: str
    data_class: DataClass
    purposes: tuple[Purpose, ...]
    entity: str | None = None


@dataclass(frozen=True)
class Reasons:
    """How a reason names the feature: English, Chinese of Taiwan, Chinese of the mainland."""

    en: str
    zh_tw: str
    zh_cn: str


@dataclass(frozen=True)
class Feature:
    """One column of a profile, as its author declared it.

    Attributes:
        higher: what a higher value usually means to a banker.
        purposes: what it may serve; a protected attribute serves fairness alone.
        days: window; None reads everything ever known.

    Raises:
        FeatureError: anything of the catalogue entry is missing or contradicts what it is made of.
    """

    name: str
    sentence: str
    unit: Unit
    higher: Higher
    data_class: DataClass
    purposes: tuple[Purpose, ...]
    subject: str
    reasons: Reasons
    source: Source | None = None
    days: Window = None
    measure: Callable[[Facts], Measure] | None = None
    inputs: tuple["Feature", ...] = ()
    combine: Callable[..., Array] | None = None
    code: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        faults = [*_wording_faults(self), *_vocabulary_faults(self)] or _use_faults(self)
        if faults:
            raise FeatureError(f"feature '{self.name}' cannot be declared: {'; '.join(faults)}.")

    @property
    def reason(self) -> str:
        """How a reason names it in English."""
        return self.reasons.en

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source the feature reads, through its inputs too."""
        own = (self.source,) if self.source else ()
        return own + tuple(s for feature in self.inputs for s in feature.sources)


def _wording_faults(feature: Feature) -> list[str]:
    sentence, reasons = feature.sentence, feature.reasons
    faults = []
    if not sentence.endswith(".") or ". " in sentence or "\n" in sentence or len(sentence) > 80:
        faults.append("its docstring must be one sentence of at most 80 characters")
    for language, text in vars(reasons).items():
        if not text.strip() or text.endswith((".", "。")):
            faults.append(f"its reason ({language}) must be a phrase without a full stop")
    # Big5 has no simplified characters, GB 2312 no traditional ones.
    for language, text, charset in (
        ("zh_tw", reasons.zh_tw, "big5"),
        ("zh_cn", reasons.zh_cn, "gb2312"),
    ):
        strange = [c for c in text if not _stands_in(c, charset)]
        if strange:
            faults.append(f"its reason ({language}) is not written with {' '.join(strange)}")
        if text.isascii():
            faults.append(f"its reason ({language}) is not Chinese")
    return faults


def _stands_in(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _vocabulary_faults(feature: Feature) -> list[str]:
    told: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("unit", feature.unit, get_args(Unit)),
        ("higher", feature.higher, get_args(Higher)),
        ("data class", feature.data_class, get_args(DataClass)),
        ("window", feature.days, tuple(WINDOWS)),
        *(("purpose", purpose, get_args(Purpose)) for purpose in feature.purposes),
    )
    return [
        f"its {what} {value!r} is none of {', '.join(map(str, known))}"
        for what, value, known in told
        if value not in known
    ]


def _use_faults(feature: Feature) -> list[str]:
    order: tuple[object, ...] = get_args(DataClass)
    made_of = [feature.source] if feature.source else list(feature.inputs)
    faults = []
    if not feature.purposes:
        faults.append("it may serve no purpose")
    if (feature.data_class == "protected") != (feature.purposes == ("fairness",)):
        faults.append("a protected attribute serves fairness, and nothing else does")
    for part in made_of:
        if order.index(feature.data_class) < order.index(part.data_class):
            faults.append(f"'{part.name}' is {part.data_class}, so it must be that at least")
        if feature.data_class != "protected" and not set(feature.purposes) <= set(part.purposes):
            faults.append(f"'{part.name}' may not serve all of {', '.join(feature.purposes)}")
    return faults


def feature(
    source: Source,
    unit: Unit,
    higher: Higher,
    reason: str,
    *,
    days: Window = None,
    data_class: DataClass | None = None,
    purposes: tuple[Purpose, ...] | None = None,
) -> Callable[[Callable[[Facts], Measure]], Feature]:
    """Declare a feature over one source.

    Args:
        source: the facts it reads.
        unit: what a person reads its value in.
        higher: what a higher value usually means to a banker.
        reason: how a reason names it, "English | Chinese of Taiwan | Chinese of the mainland".
        days: window; None reads everything ever known.
        data_class, purposes: the source's, unless it is more sensitive or may serve less.
    """

    def declare(function: Callable[[Facts], Measure]) -> Feature:
        return Feature(
            name=function.__name__,
            sentence=inspect.getdoc(function) or "",
            unit=unit,
            higher=higher,
            data_class=data_class or source.data_class,
            purposes=source.purposes if purposes is None else purposes,
            reasons=_in_three_languages(function.__name__, reason),
            source=source,
            days=days,
            measure=function,
            **_written(function),
        )

    return declare


def windowed(
    source: Source,
    windows: tuple[Window, ...],
    unit: Unit,
    higher: Higher,
    reason: str,
    *,
    purposes: tuple[Purpose, ...] | None = None,
) -> Callable[[Callable[[Facts], Measure]], dict[Window, Feature]]:
    """Declare one function over several windows: a feature ``name_90d`` for each.

    The docstring and the reason say ``{when}`` where the window is to stand. The window None,
    everything ever known, gives the feature the function's own name.
    """

    def declare(function: Callable[[Facts], Measure]) -> dict[Window, Feature]:
        return {days: _in_window(function, days) for days in windows}

    def _in_window(function: Callable[[Facts], Measure], days: Window) -> Feature:
        name = f"{function.__name__}_{days}d" if days else function.__name__
        said = _in_three_languages(name, reason)
        period = WINDOWS.get(days) or Period(*[f"in {days} days"] * 4)
        return Feature(
            name=name,
            sentence=(inspect.getdoc(function) or "").format(when=period.sentence),
            unit=unit,
            higher=higher,
            data_class=source.data_class,
            purposes=source.purposes if purposes is None else purposes,
            reasons=Reasons(
                said.en.format(when=period.en),
                said.zh_tw.format(when=period.zh_tw),
                said.zh_cn.format(when=period.zh_cn),
            ),
            source=source,
            days=days,
            measure=function,
            **_written(function),
        )

    return declare


def derived(
    inputs: tuple[Feature, ...], unit: Unit, higher: Higher, reason: str
) -> Callable[[Callable[..., Array]], Feature]:
    """Declare a feature computed from other features' values.

    It is as sensitive as the most sensitive of them and serves what all of them may serve.
    """
    order = get_args(DataClass)

    def declare(function: Callable[..., Array]) -> Feature:
        return Feature(
            name=function.__name__,
            sentence=inspect.getdoc(function) or "",
            unit=unit,
            higher=higher,
            data_class=max((used.data_class for used in inputs), key=order.index),
            purposes=tuple(p for p in PURPOSES if all(p in used.purposes for used in inputs)),
            reasons=_in_three_languages(function.__name__, reason),
            inputs=inputs,
            combine=function,
            **_written(function),
        )

    return declare


def _in_three_languages(name: str, reason: str) -> Reasons:
    texts = [text.strip() for text in reason.split("|")]
    if len(texts) != 3:
        raise FeatureError(
            f"feature '{name}' cannot be declared: its reason has {len(texts)} languages;"
            " write 'English | Chinese of Taiwan | Chinese of the mainland'."
        )
    return Reasons(*texts)


def _written(function: Callable[..., Any]) -> dict[str, Any]:
    return {
        "subject": function.__module__.rsplit(".", 1)[-1],
        "code": inspect.getsource(function),
    }
