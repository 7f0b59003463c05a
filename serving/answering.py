"""Answer one customer's questions, and record the answer before it leaves."""

from collections.abc import Mapping, Sequence

from data.database import Database
from data.warehouse import JsonText, canonical_json
from features.reason_groups import version
from serving.publication import manifest_now, published
from serving.reasons import Language
from serving.recording import PURPOSE, profile_payload, record
from serving.scoring import Answer, Model, Profile, Scorer
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
    purpose: str = PURPOSE,
) -> tuple[Answer, int]:
    """The scores of a customer, and the sequence number of their audit record.

    Raises:
        UnknownCustomer, UnknownQuestion, NotReady: see ``published`` and ``Scorer.named``.
        NotReady, Erased: see ``record``.
    """
    named = [name for names in scorer.named(questions).values() for name in names]
    profile, snapshot = published(database, customer_id, manifest_now())
    given = scorer.answer(profile, questions, language)
    models = {name: scorer.models[name] for name in named if name in scorer.models}
    about = {
        "snapshot": snapshot,
        "questions": list(questions),
        "untrained": {name: scorer.untrained.get(name) for name in named if name not in models},
        "language": language,
        "reasons": REASONS,
    }
    number = record(
        database, "answer", models, about, _payload(profile, models, given),
        actor=actor, purpose=purpose, person=customer_id,
    )  # fmt: skip
    return given, number


def _payload(profile: Profile, models: Mapping[str, Model], given: Answer) -> JsonText:
    """What is recorded beside the chain, as text: pydantic writes an answer in a fifth of the time."""
    told = canonical_json(profile_payload(profile, models))
    return JsonText(f'{{"answer":{given.model_dump_json()},{told[1:]}')


def as_json(given: Answer) -> str:
    """The answer as one line of JSON."""
    return canonical_json(given.model_dump(mode="json", exclude_none=True))
