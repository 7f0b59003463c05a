"""Work an answer out again from its audit record, and compare every bit."""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from data import audit
from data.audit.chain import digest_of
from data.database import Database
from data.errors import Erased, ReleaseError, ZhikeError
from data.version import code_version
from data.warehouse import canonical_json
from features import levers, reason_groups
from serving.answering import digest_of_contributions, without_contributions
from serving.baselines import Baseline
from serving.changes import what_would_change
from serving.inline import inline
from serving.moves import Then, movement
from serving.recording import libraries
from serving.refusals import as_values, refuse
from serving.scoring import Model, Profile, Scorer
from serving.whatif import what_if
from training.losses import of_json
from training.release import differing, of_digest

Status = Literal["same", "different", "impossible", "erased"]
Body = Mapping[str, Any]
Models = Mapping[str, Model]
FEW = 5  # places that are named where answers differ


@dataclass(frozen=True)
class Replay:
    """What became of working a record's answers out again.

    Attributes:
        answers: how many the record holds.
        why: where it is not the same, what differs or what is missing; nothing of the person.
    """

    number: int
    kind: str
    status: Status
    answers: int = 0
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.status == "same":
            told = "the answer" if self.answers == 1 else f"the {self.answers} answers"
            are = "is" if self.answers == 1 else "are"
            return f"{told} of record {self.number} {are} the same, bit for bit"
        if self.status == "erased":
            return f"record {self.number} is erased: whom it was about, nobody can tell any more"
        head = "is not the same" if self.status == "different" else "cannot be worked out again"
        return f"record {self.number} {head}: {'; '.join(self.why)}"


def replay(database: Database, number: int, loaded: Collection[Model] = ()) -> Replay:
    """Work out again what a record answered, from what it holds and from the releases.

    Args:
        loaded: models that are in memory; others are found by their digests.

    Raises:
        UnknownRecord: there is no such record.
        NotReady: the database does not answer, or the payload was tampered with.
    """
    record = audit.record_of(database, number)
    if record.kind not in _ANEW:
        return Replay(number, record.kind, "impossible", why=(_no_answer(record),))
    if record.digest != digest_of(record, record.previous):
        why = "the record was altered; ./zhike serving verify-audit tells more"
        return Replay(number, record.kind, "impossible", why=(why,))
    try:
        payload = audit.payload_of(database, number)
    except Erased:
        return Replay(number, record.kind, "erased")
    return _compared(record, json.loads(record.body), payload, loaded)


def _compared(record: audit.Record, body: Body, payload: Body, loaded: Collection[Model]) -> Replay:
    number, kind = record.sequence, record.kind
    try:
        models = _models(body["releases"], loaded)
        kept, anew = _ANEW[kind](body, payload, models)
    except ReleaseError as error:
        return Replay(number, kind, "impossible", why=(str(error).rstrip("."),))
    except KeyError as error:
        why = f"earlier code wrote it and did not record its {error.args[0]}"
        return Replay(number, kind, "impossible", why=(why,))
    except ZhikeError as error:
        return Replay(number, kind, "different", why=(str(error), *_circumstances(body)))
    count = _count(kept)
    if canonical_json(kept) == canonical_json(anew):
        return Replay(number, kind, "same", count)
    places = ", ".join(dict.fromkeys(_differing(kept, json.loads(canonical_json(anew)))))
    return Replay(number, kind, "different", count, (f"{places} differ", *_circumstances(body)))


def _models(releases: Mapping[str, str], loaded: Collection[Model]) -> dict[str, Model]:
    here = {model.release.digest: model for model in loaded}
    return {
        name: here.get(digest) or Model.load(of_digest(name.partition("@")[0], digest).folder)
        for name, digest in releases.items()
    }


def _profile(payload: Body) -> Profile:
    return Profile(
        customer_id=payload["customer_id"],
        as_of=date.fromisoformat(payload["as_of"]),
        features=tuple(payload["features"]),
        vector=np.array([float.fromhex(value) for value in payload["vector"]], np.float64),
        standing=payload["standing"],
        stale=payload["stale"],
        exposure=of_json(payload["exposure"]),
    )


def _answer(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    untrained = {name: why for name, why in body["untrained"].items() if why}
    scorer = Scorer(models, untrained)
    anew = scorer.answer(_profile(payload), body["questions"], body["language"])
    kept = payload["answer"] | {"contributions": payload["contributions_sha256"]}
    lean = without_contributions(anew).model_dump(mode="json")
    return kept, lean | {"contributions": digest_of_contributions(anew)}


def _inline(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    (model,) = models.values()
    anew = inline(model, payload["features"], body["language"])
    return payload["answer"], anew.model_dump(mode="json")


def _what_if(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    (model,) = models.values()
    anew = what_if(model, payload["features"], body["language"])
    return payload["answer"], anew.model_dump(mode="json")


def _change(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    (model,) = models.values()
    profile = _profile(payload)
    anew = what_would_change(model, profile, payload["threshold"], body["language"])
    return payload["answer"], anew.model_dump(mode="json")


def _movement(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    by_day = {name.partition("@")[2]: model for name, model in models.items()}
    old, new = (
        Then(
            date.fromisoformat(day),
            {name: float.fromhex(value) for name, value in payload["profiles"][day].items()},
            payload["standing"][day],
            by_day[day],
            payload["grounds"][day],
        )
        for day in sorted(by_day)
    )
    return payload["answer"], movement(old, new, body["language"]).model_dump(mode="json")


def _refusal(body: Body, payload: Body, models: Models) -> tuple[Any, Any]:
    (model,) = models.values()
    found = refuse(
        model,
        np.array([float.fromhex(value) for value in payload["vector"]], np.float64),
        body["cut_off"],
        language=body["language"],
        jurisdiction=body["jurisdiction"],
        baseline=Baseline(body["baseline"], payload["typical"]),
    )
    anew = as_values(found)
    return {name: payload[name] for name in anew}, anew


_ANEW: Mapping[str, Callable[[Body, Body, Models], tuple[Any, Any]]] = {
    "answer": _answer,
    "inline_answer": _inline,
    "what_if": _what_if,
    "change": _change,
    "movement": _movement,
    "refusal": _refusal,
}


def _no_answer(record: audit.Record) -> str:
    if record.kind == "book":
        return f"it is a book; ./zhike serving replay-book {record.sequence} CUSTOMER does it"
    return f"it is no answer but {record.kind}"


def _count(kept: Any) -> int:
    """How many answers an answer holds: one, but where it tells scores by question."""
    scores = kept.get("scores", {}).values() if isinstance(kept, dict) else ()
    return sum(1 if "model" in one else len(one) for one in scores) or 1


def _circumstances(body: Body) -> list[str]:
    """What is no longer as it was when the answer was given."""
    found = []
    if "reasons" in body and body["reasons"] != (now := reason_groups.version()):
        found.append(f"reason catalogue {body['reasons']} then, {now} now")
    if "levers" in body and body["levers"] != (now := levers.version()):
        found.append(f"levers {body['levers']} then, {now} now")
    if changed := differing(body.get("libraries", {}), libraries()):
        found.append(changed)
    if body.get("code") != (now := code_version()):
        found.append(f"code {body.get('code', 'unknown')} then, {now} now")
    return found or ["code, libraries and catalogues are those of then: look at the machine"]


def _differing(kept: Any, anew: Any, place: str = "") -> Iterator[str]:
    """Where two answers differ, the first few places; never what stands there."""
    left = FEW
    if isinstance(kept, dict) and isinstance(anew, dict):
        parts = [(name, kept.get(name), anew.get(name)) for name in sorted({*kept, *anew})]
    elif isinstance(kept, list) and isinstance(anew, list) and len(kept) == len(anew):
        parts = [
            (str(n), one, other) for n, (one, other) in enumerate(zip(kept, anew, strict=True))
        ]
    else:
        if _bits(kept) != _bits(anew):
            yield place
        return
    for name, one, other in parts:
        for found in _differing(one, other, f"{place}.{name}" if place else name):
            yield found
            left -= 1
            if not left:
                return


def _bits(value: Any) -> str:
    return value.hex() if isinstance(value, float) and not math.isnan(value) else repr(value)
