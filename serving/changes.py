"""What would change a score: the least that somebody could do, as the model sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from data.database import Database
from data.errors import UnknownQuestion
from features.catalogue import CATALOGUE
from features.definition import Reasons
from features.levers import ACTORS, Actor, Now, version
from serving.publication import manifest_now, published
from serving.reach import Action, Found, Search
from serving.reasons import Language, asked_of, said, shown
from serving.recording import PURPOSE, profile_payload, record
from serving.scoring import NAMES, Model, Profile, Scorer, not_fitting

CHANGEABLE = tuple(ACTORS)
Status = Literal["found", "none_within_reach", "below_already", "not_scorable"]

_TOLD: Mapping[Status, Reasons] = {
    "found": Reasons(
        "{asked} is {value}; it would be {after}, below {threshold}, with this: {actions}",
        "{asked}為{value}；若{actions}，將為{after}，低於{threshold}",
        "{asked}为{value}；若{actions}，将为{after}，低于{threshold}",
    ),
    "none_within_reach": Reasons(
        "{asked} is {value}; nothing within reach takes it below {threshold}",
        "{asked}為{value}；可行範圍內無法降至{threshold}以下",
        "{asked}为{value}；可行范围内无法降至{threshold}以下",
    ),
    "below_already": Reasons(
        "{asked} is {value}, below {threshold} already",
        "{asked}為{value}，已低於{threshold}",
        "{asked}为{value}，已低于{threshold}",
    ),
    "not_scorable": Reasons(
        "the question does not fit this customer: {why}",
        "此問題不適用於該客戶：{why}",
        "该问题不适用于该客户：{why}",
    ),
}
_STATEMENT: Mapping[Actor, Reasons] = {
    "customer": Reasons(
        "This says what the model would answer if the profile were different in this and in"
        " nothing else. It is no promise: credit is decided on more than a score. And it names no"
        " cause: whether the customer would pay back more surely, it does not know.",
        "此為模型在僅有上述變動、其餘不變時的計算結果，並非承諾：核貸與否不只取決於評分；"
        "亦不代表因果關係，模型無從得知客戶是否因此更能如期還款。",
        "此为模型在仅有上述变动、其余不变时的计算结果，并非承诺：授信与否不只取决于评分；"
        "也不代表因果关系，模型无从得知客户是否因此更能按期还款。",
    ),
    "bank": Reasons(
        "This says what the model would answer if the profile were different in this and in"
        " nothing else. It is no promise, and it names no cause: whether the customer would stay"
        " for it, only a trial with a control group tells.",
        "此為模型在僅有上述變動、其餘不變時的計算結果，並非承諾，亦不代表因果關係："
        "客戶是否因此留下，須以設有對照組的試驗驗證。",
        "此为模型在仅有上述变动、其余不变时的计算结果，并非承诺，也不代表因果关系："
        "客户是否因此留下，须以设有对照组的试验验证。",
    ),
}
_AND: Mapping[Language, str] = {"en": "; then ", "zh-TW": "，再", "zh-CN": "，再"}


class Moved(BaseModel):
    """A feature that an action changes; money in minor units, None where missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    text: str
    before: float | None = None
    after: float | None = None


class Step(BaseModel):
    """One action. ``amount`` is in minor units or times; ``moved`` is what the model reads of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lever: str
    by: Actor
    amount: float
    text: str
    moved: list[Moved]


class Option(BaseModel):
    """Actions, one after the other, that take the score below the threshold.

    ``value`` is what scoring the changed profile gave. ``cost`` adds up, over the actions, amounts
    over the interquartile range of what they move, and 1 for each time of what is counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    margin: float
    cost: float
    steps: list[Step]


class Change(BaseModel):
    """What would change a score, or that nothing within reach does.

    Attributes:
        smallest: the option of least cost; one action is preferred to two.
        others: the smallest amounts of other single actions that pass as well.
        score: provisional or stale where the score is; else scored.
        lowest: the lowest value that a single action reaches, where none passes.
        searched: the levers that were tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status
    model: str
    version: str
    label_version: str
    horizon: int
    threshold: float
    value: float | None = None
    score: str | None = None
    smallest: Option | None = None
    others: list[Option] | None = None
    lowest: float | None = None
    searched: list[str] | None = None
    reason: str | None = None
    levers: str
    text: str
    statement: str


def what_would_change(
    model: Model, profile: Profile, threshold: float, language: Language = "en"
) -> Change:
    """The least that takes a score below a threshold, verified by scoring the changed profile.

    Raises:
        UnknownQuestion: nobody may act on what the model answers.
        NotReady: the release does not say within which bounds its customers were.
    """
    card = model.release.card
    if card.question not in CHANGEABLE or card.columns:
        raise UnknownQuestion(
            f"what would change {card.name} is not asked; ask {' or '.join(CHANGEABLE)}."
        )
    if why := not_fitting(model, profile):
        return _told(model, threshold, language, _Finding("not_scorable", reason=why))
    now = Now(zip(profile.features, profile.vector.tolist(), strict=True))
    search = Search(model, now, threshold)
    value = model.value(search.margin(search.now))
    score = model.standing(stale=profile.stale)
    if value < threshold:
        return _told(model, threshold, language, _Finding("below_already", value, score))
    found = _verified(search, search.singles()) or _verified(search, search.pairs())
    options = [_option(search, one, language) for one in found]
    finding = _Finding(
        "found" if options else "none_within_reach",
        value,
        score,
        options,
        lowest=None if options else search.lowest(),
        searched=[lever.name for lever in search.levers],
    )
    return _told(model, threshold, language, finding)


@dataclass(frozen=True)
class _Finding:
    status: Status
    value: float | None = None
    score: str | None = None
    options: Sequence[Option] = ()
    lowest: float | None = None
    searched: list[str] | None = None
    reason: str | None = None


def _verified(search: Search, found: Sequence[Found]) -> list[Found]:
    """Those whose changed profile, scored like any other, lies below the threshold."""
    return [one for one in found if _score(search, one) < search.threshold]


def _score(search: Search, found: Found) -> float:
    now = search.now
    for action in found.actions:
        now = action.after(now)
    value = search.model.score(search.row(now)).value
    assert value is not None
    return value


def _option(search: Search, found: Found, language: Language) -> Option:
    now, steps = search.now, []
    for action in found.actions:
        steps.append(_step(search.model, action, now, language))
        now = action.after(now)
    return Option(value=_score(search, found), margin=found.margin, cost=found.cost, steps=steps)


def _step(model: Model, action: Action, now: Now, language: Language) -> Step:
    card, lever, then = model.release.card, action.lever, action.after(now)
    amount = action.amount(now)
    worded = shown(amount, "money" if lever.unit == "money" else "count", language)
    moved = [name for name in card.profiled if then[name] != now[name] and _either(then, now, name)]
    return Step(
        lever=lever.name,
        by=ACTORS[card.question],
        amount=amount,
        text=said(lever.words, language).format(amount=worded),
        moved=[_moved(name, now, then, language) for name in moved],
    )


def _either(then: Now, now: Now, name: str) -> bool:
    """Whether a feature is there before or after."""
    return then[name] == then[name] or now[name] == now[name]


def _moved(name: str, now: Now, then: Now, language: Language) -> Moved:
    feature = CATALOGUE[name]
    ends = [shown(x[name], feature.unit, language) for x in (now, then)]
    before, after = (None if x[name] != x[name] else x[name] for x in (now, then))
    text = f"{said(feature.reasons, language)} {ends[0]} → {ends[1]}"
    return Moved(feature=name, text=text, before=before, after=after)


def _told(model: Model, threshold: float, language: Language, finding: _Finding) -> Change:
    card, options = model.release.card, finding.options
    smallest = options[0] if options else None
    actions = _AND[language].join(step.text for step in smallest.steps) if smallest else ""
    value, after, limit = percents(finding.value, smallest.value if smallest else None, threshold)
    text = said(_TOLD[finding.status], language).format(
        asked=said(asked_of(card.name, card.question), language),
        value=value,
        after=after,
        threshold=limit,
        actions=_within(actions, language),
        why=finding.reason,
    )
    return Change(
        status=finding.status,
        model=card.name,
        version=card.version,
        label_version=card.label_version,
        horizon=card.horizon_days,
        threshold=threshold,
        value=finding.value,
        score=finding.score,
        smallest=smallest,
        others=[one for one in options[1:] if len(one.steps) == 1] or None,
        lowest=finding.lowest,
        searched=finding.searched,
        reason=finding.reason,
        levers=version(),
        text=text[:1].upper() + text[1:],
        statement=said(_STATEMENT[ACTORS[card.question]], language),
    )


def _within(actions: str, language: Language) -> str:
    """The actions as they stand in the middle of a sentence."""
    return actions[:1].lower() + actions[1:] if language == "en" else actions


def percents(*values: float | None) -> list[str]:
    """Chances as percentages with the same number of places, enough to tell them apart."""
    known = {value for value in values if value is not None}
    places = next((n for n in range(2, 9) if len({f"{v:.{n}%}" for v in known}) == len(known)), 9)
    return ["" if value is None else f"{value:.{places}%}" for value in values]


def change(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    named: str,
    threshold: float,
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> tuple[Change, int]:
    """What would change one of a customer's scores, and the number of its audit record.

    Raises:
        UnknownQuestion: no such question or model, or nobody may act on what it answers.
        UnknownCustomer, NotReady: see ``published``; or nobody has trained the model.
    """
    if named.partition(".")[0] not in CHANGEABLE or named not in NAMES:
        raise UnknownQuestion(f"what would change is asked of {' or '.join(CHANGEABLE)} only.")
    profile, snapshot = published(database, customer_id, manifest_now())
    model = scorer.trained(named)
    found = what_would_change(model, profile, threshold, language)
    models = {named: model}
    number = record(
        database,
        "change",
        models,
        {"snapshot": snapshot, "language": language, "levers": found.levers},
        profile_payload(profile, models)
        | {"threshold": threshold, "answer": found.model_dump(mode="json")},
        actor=actor,
        purpose=purpose,
        person=customer_id,
    )
    return found, number
