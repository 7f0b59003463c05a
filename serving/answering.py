"""Answer customers' questions, and record each answer before it leaves."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np

from data import audit
from data.audit import Record
from data.database import Database
from data.errors import ZhikeError
from data.warehouse import JsonText, canonical_json
from features.reason_groups import version
from serving.publication import manifest_now, published, published_of
from serving.reasons import Language
from serving.recording import PURPOSE, profile_payload, submitted
from serving.scoring import Answer, Profile, Score, Scorer
from training.recipes import QUESTIONS

REASONS = version()  # nothing changes it while a process runs
Answered: TypeAlias = tuple[Answer, int]
Begun: TypeAlias = tuple[Answer, "Future[Record]"]  # an answer, to be given once it is recorded
_EXPLAINS = ("base_value", "contributions", "reasons")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class _Asked:
    """What is asked of a scorer, by whom and what for."""

    scorer: Scorer
    questions: Sequence[str]
    language: Language
    actor: str
    purpose: str

    def submitted(
        self, database: Database, snapshot: str, profile: Profile, given: Answer
    ) -> Begun:
        """The answer and its record, which is on its way."""
        scorer = self.scorer
        named = [name for names in scorer.named(self.questions).values() for name in names]
        models = {name: scorer.models[name] for name in named if name in scorer.models}
        about = {
            "snapshot": snapshot,
            "questions": list(self.questions),
            "untrained": {n: scorer.untrained.get(n) for n in named if n not in models},
            "language": self.language,
            "reasons": REASONS,
        }
        told = canonical_json(
            profile_payload(profile, models)
            | {"contributions_sha256": digest_of_contributions(given)}
        )
        # Pydantic writes an answer in a fifth of the time.
        lean = without_contributions(given).model_dump_json()
        payload = JsonText(f'{{"answer":{lean},{told[1:]}')
        waiting = submitted(
            database, "answer", models, about, payload,
            actor=self.actor, purpose=self.purpose, person=profile.customer_id,
        )  # fmt: skip
        return given, waiting


def begin(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> Begun:
    """The scores of a customer, which may be given as soon as their record is durable.

    Raises:
        UnknownCustomer, UnknownQuestion, NotReady: see ``published`` and ``Scorer.named``.
        NotReady, Erased: see ``submitted``.
    """
    scorer.named(questions)
    profile, snapshot = published(database, customer_id, manifest_now())
    given = scorer.answer(profile, questions, language)
    asked = _Asked(scorer, questions, language, actor, purpose)
    return asked.submitted(database, snapshot, profile, given)


def answer(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> Answered:
    """The scores of a customer, and the sequence number of their audit record.

    Raises:
        UnknownCustomer, UnknownQuestion, NotReady, Erased: see ``begin``.
    """
    given, waiting = begin(
        scorer, database, customer_id, questions, language=language, actor=actor, purpose=purpose
    )
    return given, audit.settled(waiting).sequence


def answers(
    scorer: Scorer,
    database: Database,
    customers: Sequence[str],
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
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
    asked = _Asked(scorer, questions, language, actor, purpose)

    def one(customer: str) -> Begun:
        profile = found.profile(customer)
        return asked.submitted(database, found.snapshot, profile, given[customer])

    # All are on their way before the first is waited for: they are written together.
    begun = [_or_error(partial(one, customer)) for customer in customers]
    return [
        told if isinstance(told, ZhikeError) else _or_error(partial(_settled, *told))
        for told in begun
    ]


def _settled(given: Answer, waiting: "Future[Record]") -> Answered:
    return given, audit.settled(waiting).sequence


def _or_error(made: Callable[[], _Made]) -> _Made | ZhikeError:
    try:
        return made()
    except ZhikeError as error:
        return error


def without_reasons(given: Answer) -> Answer:
    """The same scores without what explains them."""
    return _each(given, bare)


def without_contributions(given: Answer) -> Answer:
    """The same scores with their reasons, without what each single feature added."""
    return _each(given, lambda score: _without(score, ("contributions",)))


def digest_of_contributions(given: Answer) -> str:
    """SHA-256 of every bit of every contribution, in the order of the answer.

    It stands in the record for numbers that are most of an answer, and that a replay works out.
    """
    digest = hashlib.sha256()
    for told in given.scores.values():
        for score in (told,) if isinstance(told, Score) else told.values():
            for one in (score, *(score.horizons or ())):
                values = (one.contributions or {}).values()
                digest.update(np.fromiter(values, "<f8", len(values)).tobytes())
    return digest.hexdigest()


def _each(given: Answer, change: Callable[[Score], Score]) -> Answer:
    scores = {
        name: change(told)
        if isinstance(told, Score)
        else {product: change(score) for product, score in told.items()}
        for name, told in given.scores.items()
    }
    return given.model_copy(update={"scores": scores})


def bare(score: Score) -> Score:
    """The same score without what explains it."""
    return _without(score, _EXPLAINS)


def _without(score: Score, names: Sequence[str]) -> Score:
    nothing = dict.fromkeys(names)
    horizons = [one.model_copy(update=nothing) for one in score.horizons or []]
    return score.model_copy(update={**nothing, "horizons": horizons or None})


def as_json(given: Answer) -> str:
    """The answer as one line of JSON."""
    return canonical_json(given.model_dump(mode="json", exclude_none=True))
