"""The audit record of an answer: everything that it takes to work the answer out again."""

import importlib.metadata
import platform
from collections.abc import Mapping
from concurrent.futures import Future
from functools import cache
from typing import Any

from data import audit
from data.audit import Record
from data.database import Database
from data.version import code_version
from serving.scoring import Model, Profile, recorded
from training.losses import as_json

PURPOSE = "service"


def submitted(
    database: Database,
    kind: str,
    models: Mapping[str, Model],
    about: Mapping[str, Any],
    payload: Any,
    *,
    actor: str,
    purpose: str,
    person: str | None,
) -> "Future[Record]":
    """Hand over the record of an answer, which may be given once the record is durable.

    Args:
        models: those that answered, by the name under which a replay looks for them.
        about: what else the answer stands on; no personal data.
        payload: what was read and what was answered.
        person: whom it is about, if it is a customer.

    Raises:
        NotReady: it cannot be recorded now, so it must not be given.
        Erased: the person was erased.
    """
    body = {
        "releases": {name: model.release.digest for name, model in models.items()},
        "labels": {name: model.release.card.label_version for name, model in models.items()},
        **circumstances(),
        **about,
    }
    return audit.submit(
        database,
        kind=kind,
        actor=actor,
        body=body,
        payload=payload,
        person=person,
        purpose=purpose,
    )


def record(
    database: Database,
    kind: str,
    models: Mapping[str, Model],
    about: Mapping[str, Any],
    payload: Any,
    *,
    actor: str,
    purpose: str,
    person: str | None,
) -> int:
    """Record an answer as ``submitted`` does, durable when this returns; its number."""
    waiting = submitted(
        database, kind, models, about, payload, actor=actor, purpose=purpose, person=person
    )
    return audit.settled(waiting).sequence


def profile_payload(profile: Profile, models: Mapping[str, Model]) -> dict[str, Any]:
    """A profile as a record keeps it: every bit of it, and where it stood to the models."""
    return {
        "customer_id": profile.customer_id,
        "as_of": profile.as_of.isoformat(),
        **recorded(profile.features, profile.vector),
        "standing": {name: profile.standing[name] for name in models if name in profile.standing},
        "stale": profile.stale,
        "exposure": as_json(profile.exposure),
    }


def circumstances() -> dict[str, Any]:
    """The code and the libraries of this process, read when it is first asked."""
    return {"code": code_version(), "libraries": libraries()}


@cache
def libraries() -> dict[str, str]:
    """Version of each library that has a part in a score, and of Python."""
    found = {name: importlib.metadata.version(name) for name in ("numba", "numpy")}
    return {"python": platform.python_version(), **found}
