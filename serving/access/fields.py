"""What of an answer whom it is shown to may see.

The record of an answer holds all of it; what is hidden is taken out afterwards, on the way out. To
whom risk is hidden gets forms of their own, which name what is shown: what nobody thought of stays
inside. No number in them adds up to what is left out.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar, overload

from pydantic import BaseModel

from data.errors import Forbidden
from features.reason_groups import GROUP_OF
from serving.access.forms import (
    SeenAnswer,
    SeenChange,
    SeenCredit,
    SeenHorizon,
    SeenLine,
    SeenMovement,
    SeenOption,
    SeenReason,
    SeenScore,
    SeenSide,
    SeenStep,
)
from serving.access.roles import Role
from serving.changes import Change, Option
from serving.history import History
from serving.inline import InlineAnswer
from serving.moves import Line, Movement, Side
from serving.profiles import ProfileShown
from serving.reasons import Reason
from serving.scoring import Answer, Score

RISK, LOSS = "risk", "loss"
# Loss: what the bank expects to lose on a customer, by product. Risk: all of a credit-risk answer
# but the band, and in every question what arrears, debts and refusals did to it.
HIDDEN: Mapping[Role, frozenset[str]] = {
    Role.MARKETING: frozenset({RISK, LOSS}),
    Role.RELATIONSHIP_MANAGER: frozenset({LOSS}),
}
# Contribution is net of losses: beside margin, fees and costs it would give them away.
RISK_GROUPS = frozenset(
    {
        "arrears",
        "debt_service",
        "debt",
        "overdrafts",
        "card_use",
        "card_payment",
        "contribution",
    }
)
RISK_FEATURES = frozenset(
    {
        "penalties_365d",
        "refusals_365d",
        "credit_applications_180d",
    }
)
_ONLY_OF_RISK = "credit_risk"
_TELLING = frozenset({"in_default", "no_exposure"})
OUTSIDE = "outside_policy"


A = TypeVar("A", bound=Answer)
N = TypeVar("N", bound=InlineAnswer)
C = TypeVar("C", bound=Change)
M = TypeVar("M", bound=Movement)


def hidden_from(roles: Iterable[Role]) -> frozenset[str]:
    """What is hidden from a caller: what every one of their roles hides."""
    each = [HIDDEN.get(role, frozenset()) for role in roles]
    return frozenset.intersection(*each) if each else frozenset({RISK, LOSS})


def of_risk(feature: str) -> bool:
    """Whether a feature tells of arrears, debts or refusals."""
    return feature in RISK_FEATURES or (
        feature in GROUP_OF and GROUP_OF[feature].name in RISK_GROUPS
    )


def visible(features: Iterable[str], roles: Iterable[Role]) -> list[str]:
    """The features of a profile that a caller may see, in their order."""
    hides = RISK in hidden_from(roles)
    return [name for name in features if not (hides and of_risk(name))]


@overload
def shown(answer: A, roles: frozenset[Role]) -> A | SeenAnswer: ...
@overload
def shown(answer: N, roles: frozenset[Role]) -> N: ...
@overload
def shown(answer: C, roles: frozenset[Role]) -> C | SeenChange: ...
@overload
def shown(answer: M, roles: frozenset[Role]) -> M | SeenMovement: ...
def shown(answer: BaseModel, roles: frozenset[Role]) -> BaseModel:
    """An answer as a caller of some roles may see it.

    Raises:
        Forbidden: risk is hidden from the caller, and the answer has no form without it.
    """
    hidden = hidden_from(roles)
    if RISK in hidden:
        return _without_risk(answer)
    if LOSS in hidden and isinstance(answer, Answer | InlineAnswer):
        return answer.model_copy(update={"scores": _each(answer.scores)})
    return answer


def _each(scores: Mapping[str, Score | dict[str, Score]]) -> dict[str, Score | dict[str, Score]]:
    return {
        name: _without_loss(one)
        if isinstance(one, Score)
        else {product: _without_loss(score) for product, score in one.items()}
        for name, one in scores.items()
    }


def _without_loss(score: Score) -> Score:
    if score.credit is None:
        return score
    nothing = {"lgd": None, "expected_loss": None, "parts": None, "tables": None}
    return score.model_copy(update={"credit": score.credit.model_copy(update=nothing)})


def _without_risk(answer: BaseModel) -> BaseModel:
    number = getattr(answer, "audit", None)
    match answer:
        case Answer():
            scores: dict[str, SeenScore | dict[str, SeenScore]] = {
                name: _seen(one)
                if isinstance(one, Score)
                else {product: _seen(score) for product, score in one.items()}
                for name, one in answer.scores.items()
            }
            return SeenAnswer(
                customer_id=answer.customer_id, as_of=answer.as_of, scores=scores, audit=number
            )
        case Change() if not _about_risk(answer.model):
            return _change(answer, number)
        case Movement() if not _about_risk(answer.model):
            return _movement(answer, number)
        case _:
            raise Forbidden("your role may not see this answer.")


def _about_risk(model: str) -> bool:
    return model.partition(".")[0] == _ONLY_OF_RISK


def _seen(score: Score) -> SeenScore:
    if _about_risk(score.model):
        return _band(score)
    return SeenScore(
        status=score.status,
        reason=_withheld(score.reason) if score.reason else None,
        value=score.value,
        unit=score.unit,
        interval=score.interval,
        coverage=score.coverage,
        reasons=_reasons(score.reasons),
        horizon=score.horizon,
        horizons=[SeenHorizon(horizon=h.horizon, value=h.value) for h in score.horizons or []]
        or None,
        label_version=score.label_version,
        model=score.model,
        version=score.version,
        notes=score.notes,
    )


def _band(score: Score) -> SeenScore:
    """Of credit risk: the band. Who is in default looks like everybody else in the highest."""
    if score.credit is None:
        return SeenScore(status="not_scorable", model=score.model)
    return SeenScore(status="scored", model=score.model, credit=SeenCredit(band=score.credit.band))


def _reasons(reasons: list[Reason] | None) -> list[SeenReason] | None:
    if reasons is None:
        return None
    return [
        SeenReason(
            group=one.group,
            feature=one.feature,
            text=one.text,
            value=one.value,
            typical=one.typical,
            direction=one.direction,
        )
        for one in reasons
        if not of_risk(one.feature)
    ]


def _change(change: Change, number: int | None) -> SeenChange:
    return SeenChange(
        status=change.status,
        model=change.model,
        version=change.version,
        threshold=change.threshold,
        value=change.value,
        score=change.score,
        smallest=_option(change.smallest) if change.smallest else None,
        others=[_option(one) for one in change.others or []] or None,
        lowest=change.lowest,
        text=change.text,
        statement=change.statement,
        audit=number,
    )


def _option(option: Option) -> SeenOption:
    steps = [SeenStep(lever=s.lever, amount=s.amount, text=s.text) for s in option.steps]
    return SeenOption(value=option.value, steps=steps)


def _movement(movement: Movement, number: int | None) -> SeenMovement:
    return SeenMovement(
        status=movement.status,
        model=movement.model,
        unit=movement.unit,
        before=_side(movement.before),
        after=_side(movement.after),
        model_changed=movement.model_changed,
        lines=None if movement.lines is None else _lines(movement.lines),
        text=movement.text,
        audit=number,
    )


def _side(side: Side) -> SeenSide:
    return SeenSide(as_of=side.as_of, status=side.status, version=side.version, value=side.value)


def _lines(lines: list[Line]) -> list[SeenLine]:
    return [
        SeenLine(kind=one.kind, name=one.name, text=one.text, direction=one.direction)
        for one in lines
        if one.feature is None or not of_risk(one.feature)
    ]


def shown_profile(profile: ProfileShown, roles: frozenset[Role]) -> ProfileShown:
    """A profile as a caller of some roles may see it: without the features that tell of risk."""
    if RISK not in hidden_from(roles):
        return profile
    standing = {
        name: _withheld(why) for name, why in profile.standing.items() if not _about_risk(name)
    }
    features = [one for one in profile.features if not of_risk(one.name)]
    return profile.model_copy(update={"features": features, "standing": standing})


def shown_history(history: History, roles: frozenset[Role]) -> History:
    """Past scores as a caller of some roles may see them: without those of credit risk."""
    if RISK not in hidden_from(roles):
        return history
    scores = {
        name: [one.model_copy(update={"status": _withheld(one.status)}) for one in past]
        for name, past in history.scores.items()
        if not _about_risk(name)
    }
    return history.model_copy(update={"scores": scores})


def _withheld(reason: str) -> str:
    return OUTSIDE if reason in _TELLING else reason
