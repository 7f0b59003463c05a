"""Answer one customer's questions, and record the answer before it leaves."""

from collections.abc import Sequence

from data import audit
from data.database import Database
from data.warehouse import JsonText, canonical_json
from features.reason_groups import version
from serving.publication import manifest_now, published
from serving.reasons import Language
from serving.scoring import Answer, Profile, Scorer, recorded
from training.losses import as_json as exposure_as_json
from training.recipes import QUESTIONS

REASONS = version()  # nothing changes it while a process runs


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
    record = audit.append(
        database,
        kind="answer",
        actor=actor,
        body={
            "snapshot": snapshot,
            "releases": scorer.digests,
            "questions": list(questions),
            "language": language,
            "reasons": REASONS,
        },
        payload=_payload(profile, given),
    )
    return given, record.sequence


def _payload(profile: Profile, given: Answer) -> JsonText:
    """What is recorded beside the chain, as text: pydantic writes an answer in a fifth of the time."""
    told = {
        "customer_id": profile.customer_id,
        "exposure": exposure_as_json(profile.exposure),
        **recorded(profile.features, profile.vector),
    }
    return JsonText(f'{{"answer":{given.model_dump_json()},{canonical_json(told)[1:]}')


def as_json(given: Answer) -> str:
    """The answer as one line of JSON."""
    return canonical_json(given.model_dump(mode="json", exclude_none=True))
