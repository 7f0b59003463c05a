"""Answer customers' questions, and record each answer before it leaves."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

from data import audit
from data.database import Database
from data.errors import ZhikeError
from data.warehouse import canonical_json
from features.reason_groups import version
from serving.publication import manifest_now, published, published_of
from serving.reasons import Language
from serving.scoring import Answer, Profile, Score, Scorer, recorded
from training.losses import as_json as exposure_as_json
from training.recipes import QUESTIONS

TOGETHER = 8  # audit records of a batch that wait at the same time
Answered: TypeAlias = tuple[Answer, int]
_EXPLAINS = ("base_value", "contributions", "reasons")
_Made = TypeVar("_Made")


def answer(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
) -> Answered:
    """The scores of a customer, and the sequence number of their audit record.

    Raises:
        UnknownCustomer, UnknownQuestion, NotReady: see ``published`` and ``Scorer.named``.
    """
    scorer.named(questions)
    profile, snapshot = published(database, customer_id, manifest_now())
    given = scorer.answer(profile, questions, language)
    body = _facts(scorer, snapshot, questions, language)
    return given, _recorded(database, body, profile, given, actor)


def answers(
    scorer: Scorer,
    database: Database,
    customers: Sequence[str],
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
) -> list[Answered | ZhikeError]:
    """The scores of many customers, in order; what befalls one of them in place of an answer.

    Each answer has the bits, and the audit record, that it would have alone.

    Raises:
        UnknownQuestion, NotReady: nobody can be answered.
    """
    scorer.named(questions)
    found = published_of(database, list(dict.fromkeys(customers)), manifest_now())
    profiles = list(found.profiles.values())
    given = dict(zip(found.profiles, scorer.answers(profiles, questions, language), strict=True))
    body = _facts(scorer, found.snapshot, questions, language)

    def one(customer: str) -> Answered:
        profile, answer = found.profile(customer), given[customer]
        return answer, _recorded(database, body, profile, answer, actor)

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(lambda customer: _or_error(lambda: one(customer)), customers))


def _or_error(made: Callable[[], _Made]) -> _Made | ZhikeError:
    try:
        return made()
    except ZhikeError as error:
        return error


def _facts(
    scorer: Scorer, snapshot: str, questions: Sequence[str], language: Language
) -> dict[str, Any]:
    return {
        "snapshot": snapshot,
        "releases": {name: model.release.digest for name, model in scorer.models.items()},
        "questions": list(questions),
        "language": language,
        "reasons": version(),
    }


def _recorded(
    database: Database, body: Mapping[str, Any], profile: Profile, given: Answer, actor: str
) -> int:
    payload = {
        "customer_id": profile.customer_id,
        **recorded(profile.features, profile.vector),
        "exposure": exposure_as_json(profile.exposure),
        "answer": given.model_dump(mode="json"),
    }
    return audit.append(database, kind="answer", actor=actor, body=body, payload=payload).sequence


def without_reasons(given: Answer) -> Answer:
    """The same scores without what explains them."""
    scores = {
        name: bare(told) if isinstance(told, Score) else {n: bare(s) for n, s in told.items()}
        for name, told in given.scores.items()
    }
    return given.model_copy(update={"scores": scores})


def bare(score: Score) -> Score:
    """The same score without what explains it."""
    nothing = dict.fromkeys(_EXPLAINS)
    horizons = [one.model_copy(update=nothing) for one in score.horizons or []]
    return score.model_copy(update={**nothing, "horizons": horizons or None})


def as_json(given: Answer) -> str:
    """The answer as one line of JSON."""
    return canonical_json(given.model_dump(mode="json", exclude_none=True))
