"""Answer one customer's questions, and record the answer before it leaves."""

from collections.abc import Sequence

from data import audit
from data.database import Database
from data.warehouse import canonical_json
from features.reason_groups import version
from serving.publication import manifest_now, published
from serving.reasons import Language
from serving.scoring import Answer, Scorer, recorded
from training.losses import as_json as exposure_as_json
from training.recipes import QUESTIONS


def answer(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    questions: Sequence[str] = QUESTIONS,
    *,
    language: Language = "en",
    actor: str,
) -> tuple[Answer, int]:
    """The scores of a customer, and the sequence number of their audit record.

    Raises:
        UnknownCustomer, UnknownQuestion, NotReady: see ``published`` and ``Scorer.named``.
    """
    scorer.named(questions)
    profile, snapshot = published(database, customer_id, manifest_now())
    given = scorer.answer(profile, questions, language)
    releases = {name: model.release.digest for name, model in scorer.models.items()}
    record = audit.append(
        database,
        kind="answer",
        actor=actor,
        body={
            "snapshot": snapshot,
            "releases": releases,
            "questions": list(questions),
            "language": language,
            "reasons": version(),
        },
        payload={
            "customer_id": customer_id,
            **recorded(profile.features, profile.vector),
            "exposure": exposure_as_json(profile.exposure),
            "answer": given.model_dump(mode="json"),
        },
    )
    return given, record.sequence


def as_json(given: Answer) -> str:
    """The answer as one line of JSON."""
    return canonical_json(given.model_dump(mode="json", exclude_none=True))
