"""Score features that come with the request, by the model of a question: nobody's profile."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from data.database import Database
from data.errors import BadFeatures, UnknownQuestion
from features.catalogue import CATALOGUE
from features.definition import Unit
from features.reason_groups import version
from serving.answering import bare
from serving.reasons import Language
from serving.recording import PURPOSE, record
from serving.scoring import NAMES, Model, Score, Scorer

MOST_FAULTS = 5
# What is counted in minor units, times or days is a whole number, however large.
_WHOLE: frozenset[Unit] = frozenset({"count", "days", "months", "years", "tier", "flag"})
_SIGNED: frozenset[Unit] = frozenset({"money", "ratio"})
_LAST = {"assessment_days_left"}  # days that count down, and on below nothing
_LARGEST = 1e15


class SentAnswer(BaseModel):
    """The score of features that were sent, which is about no customer and never published.

    Attributes:
        not_known: what the model reads and was not sent.
        remarks: what lies beyond the customers whom the model learnt from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: Literal["sent_features"] = "sent_features"
    question: str
    score: Score
    not_known: list[str]
    remarks: list[str]

    def bare(self) -> "SentAnswer":
        """The same without what explains the score."""
        return self.model_copy(update={"score": bare(self.score)})


def what_if(
    model: Model, features: Mapping[str, float | None], language: Language = "en"
) -> SentAnswer:
    """The score of some features by name.

    Args:
        features: feature -> value in the catalogue's unit, None where it is not known.

    Raises:
        BadFeatures: names that the model does not read, or values that their unit cannot have.
    """
    card = model.release.card
    strange = [name for name in features if name not in card.profiled]
    known = {name: value for name, value in features.items() if value is not None}
    faults = [_strange(name, model) for name in strange]
    faults += [
        f"{name} {fault}"
        for name, value in known.items()
        if name in card.profiled and (fault := _fault(name, value))
    ]
    if faults:
        more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise BadFeatures(f"{'; '.join(faults[:MOST_FAULTS])}{more}")
    row = np.array([known.get(name, math.nan) for name in card.profiled], dtype=np.float64)
    return SentAnswer(
        question=card.name,
        score=model.score(row, language=language),
        not_known=[name for name in card.profiled if name not in known],
        remarks=[_REMARK.format(name) for name in card.profiled if _beyond(model, name, known)],
    )


_REMARK = "{}: beyond what almost all of those learnt from had"


def _strange(name: str, model: Model) -> str:
    """What is told of a name that the model does not read: nothing of it but what it resembles."""
    card = model.release.card
    if name in CATALOGUE:
        return f"{name} is not a feature of {card.name}"
    like = get_close_matches(name, card.profiled, n=1)
    hint = f"; did you mean {like[0]}?" if like else "; the card of the model lists them"
    return f"a name that was sent is not a feature of {card.name}{hint}"


def _fault(name: str, value: float) -> str:
    """What is wrong with a value for the unit of its feature; nothing where it may be so."""
    unit = CATALOGUE[name].unit
    if unit == "flag" and value not in (0, 1):
        return "must be 0 or 1"
    if unit in _WHOLE and value != math.floor(value):
        return f"must be a whole number of {unit}"
    if unit not in _SIGNED and name not in _LAST and value < 0:
        return "must not be below 0"
    return f"must be within {_LARGEST:g}" if abs(value) > _LARGEST else ""


def _beyond(model: Model, name: str, known: Mapping[str, float]) -> bool:
    span = model.release.card.spans.get(name)
    return name in known and span is not None and not span[0] <= known[name] <= span[-1]


def answer_sent(
    scorer: Scorer,
    database: Database,
    named: str,
    features: Mapping[str, float | None],
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> tuple[SentAnswer, int]:
    """The score of features that were sent, and the sequence number of its audit record.

    Raises:
        UnknownQuestion: no such model.
        NotScorable: nobody has trained it.
        BadFeatures: see ``what_if``.
    """
    if named not in NAMES:
        raise UnknownQuestion(f"no such model; ask one of: {', '.join(NAMES)}")
    model = scorer.trained(named)
    given = what_if(model, features, language)
    number = record(
        database,
        "what_if",
        {named: model},
        {"about": given.about, "language": language, "reasons": version()},
        {"model": named, "features": dict(features), "answer": given.model_dump(mode="json")},
        actor=actor,
        purpose=purpose,
        person=None,
    )
    return given, number
