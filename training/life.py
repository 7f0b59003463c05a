"""A version's life: signed by its trainer, approved, promoted, rolled back, retired; all audited."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import RegistryError, ZhikeError
from data.schema import MODEL_SIGNATURES
from data.settings import settings
from data.warehouse import Warehouse
from features.spine import extent
from training import card, registry, release, seal, succession
from training.actors import Actor, registered
from training.gates import Gate, GateReport, Verdict, gates
from training.release import Release
from training.seal import NEED_ANOTHER_PERSON, Role, holds

OLDEST_DAYS = 180
PROMOTED = succession.PROMOTED
ROLLED_BACK, RETIRED = succession.ROLLED_BACK, succession.RETIRED
APPROVED, REFUSED = "model_approved", "model_refused"


@dataclass(frozen=True)
class Signature:
    """Who vouches for a version, as what, since when."""

    role: Role
    actor: str
    signed_at: datetime
    sealed: seal.Signed


def read(name: str, version: str) -> Release:
    """A release by name and version.

    Raises:
        ReleaseError: there is no such release, or it is damaged.
    """
    return release.read(settings().releases / name / version)


def sign_as_trainer(database: Database, name: str, version: str, actor: Actor) -> None:
    """Bind the trainer to the version.

    Raises:
        RegistryError: the version was trained by somebody else.
    """
    found = read(name, version)
    if found.card.trainer != actor.name:
        trained = found.card.trainer or "nobody who said so"
        raise RegistryError(f"{_named(found)} was trained by {trained}, not by {actor.name}.")
    _sign(database, found, "trainer", actor)


def sign(database: Database, folder: Path, actor: Actor) -> Release:
    """Vouch for the release in a folder: as its trainer, or as the operator who has checked it.

    Raises:
        ReleaseError: there is no release, it is damaged, or its folder cannot be written.
    """
    found = release.read(folder)
    _sign(database, found, "trainer" if found.card.trainer == actor.name else "operator", actor)
    return found


def approve(
    database: Database,
    name: str,
    version: str,
    actor: Actor,
    *,
    artefact: str = "",
    report: str = "",
) -> None:
    """Sign a version and its validation report, as another person than its trainer.

    Args:
        artefact, report: the digests that the approver has read; those on disk by default.

    Raises:
        RegistryError: the approver is the trainer, or has read something else.
    """
    found = read(name, version)
    for what, read_digest, there in (
        ("artefact", artefact, found.digest),
        ("report", report, found.report_digest),
    ):
        if read_digest and read_digest != there:
            _refuse(
                database,
                actor.name,
                found,
                f"the approval is of the {what} {read_digest}, but {there} stands here",
            )
    if actor.name == found.card.trainer:
        _refuse(database, actor.name, found, f"{actor.name} trained it and cannot approve it")
    _sign(database, found, "approver", actor)
    audit.append(database, kind=APPROVED, actor=actor.name, body=_facts(found))
    show(database, found)


def vouch(database: Database, name: str, version: str, trainer: Actor, approver: Actor) -> None:
    """Sign as trainer and, where the question wants another person, approve as the approver."""
    sign_as_trainer(database, name, version, trainer)
    if read(name, version).card.question in NEED_ANOTHER_PERSON:
        approve(database, name, version, approver)


def signatures(database: Database, found: Release) -> list[Signature]:
    """The signatures that hold for exactly this artefact and this report."""
    table = MODEL_SIGNATURES.c
    asked = (
        sa.select(MODEL_SIGNATURES)
        .where(table.artefact == found.digest, table.report == found.report_digest)
        .order_by(table.signed_at)
    )
    with database.reading() as connection:
        rows = connection.execute(asked).all()
    keys = registered(database)
    return [
        Signature(
            row.role,
            row.actor,
            row.signed_at,
            seal.Signed(
                role=row.role, actor=row.actor, key=keys[row.actor], signature=row.signature
            ),
        )
        for row in rows
        if holds(keys.get(row.actor, ""), _message(found, row.role), row.signature)
    ]


def examine(database: Database, name: str, version: str) -> GateReport:
    """The gates of a version as they stand now: its own, and those of the moment.

    Raises:
        ReleaseError: there is no such release, or it is damaged.
    """
    found = read(name, version)
    fixed = gates(found.card)
    approvers = [s.actor for s in _independent(database, found)]
    now = (
        _signed(found, signatures(database, found)),
        _same_champion(found),
        _fresh(found),
        _not_retired(database, found),
        _approved(database, found, approvers),
    )
    asked = (_reviewed(gate, approvers) for gate in (*fixed.gates, *now))
    return replace(fixed, gates=tuple(asked))


def promote(database: Database, name: str, version: str, *, actor: str) -> GateReport:
    """Make a version the champion if its gates hold; returns what the gates found.

    Raises:
        ReleaseError: there is no such release, or it is damaged.
        RegistryError: a gate refuses or holds, or MLflow refuses.
    """
    report = examine(database, name, version)
    found = read(name, version)
    stopped = report.of("refused") + report.of("held")
    if stopped:
        _refuse(database, actor, found, "; ".join(f"{g.name}: {g.finding}" for g in stopped))
    before = release.answering(name)
    registry.promote(name, version)
    more = {"standing": report.standing, "before": before.card.version if before else None}
    audit.append(database, kind=PROMOTED, actor=actor, body=_facts(found) | more)
    _seal(database, found)
    release.point_champion(name, version)
    show(database, found)
    return report


def rollback(database: Database, name: str, *, actor: str) -> str:
    """Let the version answer again that answered before; returns it.

    Raises:
        RegistryError: no version answers, none did before, or nobody has signed that one.
        ReleaseError: the version of before is damaged, or is another than was promoted.
    """
    now = release.answering(name)
    if now is None:
        raise RegistryError(f"no version of {name} answers; promote one.")
    order = succession.line(database, name)
    here = (now.card.version, now.digest)
    earlier = order[: order.index(here)] if here in order else []
    if not earlier:
        raise RegistryError(f"no version of {name} answered before version {here[0]}.")
    version, wanted = earlier[-1]
    found = read(name, version)
    if found.digest != wanted:
        _refuse(database, actor, found, "it is not the release that was promoted")
    unsigned = _signed(found, signatures(database, found))
    if unsigned.verdict == "refused":
        _refuse(database, actor, found, unsigned.finding)
    registry.promote(name, version)
    body = _facts(found) | {"before": now.card.version}
    audit.append(database, kind=ROLLED_BACK, actor=actor, body=body)
    _seal(database, found)
    release.point_champion(name, version)
    show(database, found)
    return version


def retire(database: Database, name: str, version: str, *, actor: str) -> None:
    """Let a version never answer again; its release stays.

    Raises:
        ReleaseError: there is no such release, or it is damaged.
    """
    found = read(name, version)
    audit.append(database, kind=RETIRED, actor=actor, body=_facts(found))
    now = release.answering(name)
    if now and now.digest == found.digest:
        release.unpoint_champion(name)
    registry.withdraw(name, version)
    show(database, found)


def show(database: Database, found: Release) -> None:
    """Bring the page of a version up to date with its signatures and its life."""
    lines = [(s.signed_at, f"signed as {s.role}", s.actor) for s in signatures(database, found)]
    for record in audit.records(database, (PROMOTED, ROLLED_BACK, RETIRED, REFUSED)):
        body = json.loads(record.body)
        if body["release"] == found.digest:
            told = record.kind.removeprefix("model_").replace("_", " ")
            lines.append(
                (record.at, f"{told}: {body['why']}" if "why" in body else told, record.actor)
            )
    card.update_life(found.folder, found.digest, found.report_digest, sorted(lines))


def _facts(found: Release) -> dict[str, str]:
    return {
        "model": found.card.name,
        "version": found.card.version,
        "release": found.digest,
        "report": found.report_digest,
    }


def _named(found: Release) -> str:
    return f"{found.card.name} version {found.card.version}"


def _refuse(database: Database, actor: str, found: Release, why: str) -> None:
    audit.append(database, kind=REFUSED, actor=actor, body=_facts(found) | {"why": why})
    raise RegistryError(f"{_named(found)} is refused: {why}.")


def _message(found: Release, role: Role) -> bytes:
    return seal.message(role, **_facts(found))


def _sign(database: Database, found: Release, role: Role, actor: Actor) -> None:
    at = datetime.now(UTC)
    same = {
        "artefact": found.digest,
        "report": found.report_digest,
        "role": role,
        "actor": actor.name,
    }
    table = MODEL_SIGNATURES
    with database.writing() as connection:
        connection.execute(
            sa.delete(table).where(*(table.c[name] == value for name, value in same.items()))
        )
        connection.execute(
            sa.insert(table).values(
                **same,
                model=found.card.name,
                version=found.card.version,
                signature=actor.sign(_message(found, role)),
                signed_at=at,
            )
        )
    _seal(database, found)


def _seal(database: Database, found: Release) -> None:
    """Lay the signatures that hold beside the release, for whoever loads it."""
    by = tuple(s.sealed for s in signatures(database, found))
    seal.write(found.folder, seal.Seal(**_facts(found), signatures=by))


def _independent(database: Database, found: Release) -> list[Signature]:
    """Approvals by others than the trainer."""
    return [
        s
        for s in signatures(database, found)
        if s.role == "approver" and s.actor != found.card.trainer
    ]


def _reviewed(gate: Gate, approvers: list[str]) -> Gate:
    if gate.verdict != "held" or not approvers:
        return gate
    return replace(gate, verdict="passed", finding=f"{gate.finding}; reviewed by {approvers[0]}")


def _signed(found: Release, by: list[Signature]) -> Gate:
    """Refused where the service would not load it."""
    signers = list(dict.fromkeys(s.actor for s in by if s.role != "approver"))
    if signers:
        return Gate("signed", "passed", "by " + ", ".join(signers))
    remedy = seal.remedy(found.folder)
    return Gate("signed", "refused", f"nobody has signed it; {remedy}")


def _same_champion(found: Release) -> Gate:
    """Held where another version answers now than the one compared with."""
    name, now = "compared with today's champion", release.answering(found.card.name)
    compared = (found.card.judgement.get("champion") or {}).get("digest")
    if now is None or found.card.judgement.get("protocol", "").endswith("folds"):
        return Gate(name, "not applicable", "there is none, or the folds allow no comparison")
    version = now.card.version
    if now.digest in (compared, found.digest):
        return Gate(name, "passed", f"version {version} was compared with, or is the same")
    return Gate(
        name,
        "held",
        f"version {version} answers, which it was not compared with; train it again, or have"
        " it approved by another person than its trainer",
    )


def _fresh(found: Release) -> Gate:
    name, allowed = "fresh data", f"<= {OLDEST_DAYS} days behind"
    try:
        last = extent(Warehouse())[1]
        behind = (last - date.fromisoformat(found.card.lineage.data_until)).days
    except (ZhikeError, ValueError) as error:
        return Gate(name, "held", f"how old its data are cannot be told ({error})", allowed)
    verdict: Verdict = "refused" if behind > OLDEST_DAYS else "passed"
    finding = f"its data end {behind} days before the bank's, on {found.card.lineage.data_until}"
    return Gate(name, verdict, finding, allowed, float(behind))


def _not_retired(database: Database, found: Release) -> Gate:
    gone = any(
        json.loads(record.body)["release"] == found.digest
        for record in audit.records(database, (RETIRED,))
    )
    return Gate("not retired", "refused" if gone else "passed", "retired" if gone else "in use")


def _approved(database: Database, found: Release, approvers: list[str]) -> Gate:
    name = "approved by another person"
    if found.card.question not in NEED_ANOTHER_PERSON:
        return Gate(name, "not applicable", f"{found.card.question} needs no second person")
    trainers = [s.actor for s in signatures(database, found) if s.role == "trainer"]
    if found.card.trainer not in trainers:
        return Gate(
            name,
            "refused",
            "no trainer has signed it; train it with --actor NAME (./zhike training actor NAME"
            " makes one)",
        )
    if not approvers:
        return Gate(
            name,
            "refused",
            f"only {found.card.trainer}, who trained it, has signed it; another person approves"
            f" it with ./zhike training approve {found.card.name} {found.card.version} --actor NAME",
        )
    return Gate(name, "passed", f"trained by {found.card.trainer}, approved by {approvers[0]}")
