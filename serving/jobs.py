"""Jobs: scores of more customers than one answer holds, kept in a table that workers lease."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import JobNotDone, UnknownJob, ZhikeError
from data.schema import JOB_CHUNKS, JOBS
from data.settings import settings
from serving.identifiers import new_identifier
from serving.reasons import Language

CHUNK = 100  # customers; with all questions and reasons their answers are about 8 MB
KEPT_FOR = timedelta(days=7)


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DONE_WITH_ERRORS = "done_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (State.QUEUED, State.RUNNING)
COMPLETE = (State.DONE, State.DONE_WITH_ERRORS)


class Asked(BaseModel):
    """What a job answers about each of its customers, in whose name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: list[str]
    language: Language = "en"
    reasons: bool = True
    actor: str


class Job(BaseModel):
    """A job as its owner sees it; ``done`` counts customers, ``failed`` those who got a problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    status: State
    total: int
    done: int
    failed: int
    problem: str | None
    result_sha256: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime

    @classmethod
    def of(cls, row: Any) -> Self:
        """The job of a row of the table."""
        told = {name: getattr(row, name) for name in cls.model_fields if name != "status"}
        return cls(status=State(row.state), **told)


@dataclass(frozen=True)
class Part:
    """A finished chunk: its file, how it must read, and the audit record of each item."""

    number: int
    path: Path
    sha256: str
    size: int
    audits: list[int | None]

    def read(self) -> bytes:
        """The lines of the chunk.

        Raises:
            ZhikeError: the file is gone or damaged.
        """
        self.check()
        content = self.path.read_bytes()
        if sha256(content).hexdigest() != self.sha256:
            raise self._damaged()
        return content

    def check(self) -> None:
        """See that the file is there in its length.

        Raises:
            ZhikeError: it is not.
        """
        if not self.path.exists() or self.path.stat().st_size != self.size:
            raise self._damaged()

    def _damaged(self) -> ZhikeError:
        return ZhikeError(f"{self.path} is damaged or gone; submit the job again.")


def submit(
    connection: Connection,
    client: str,
    asked: Asked,
    customers: Sequence[str],
    chunk: int = CHUNK,
) -> Job:
    """Queue a job, within a ``writing`` transaction; it is worked off some customers at a time."""
    job_id, now = new_identifier(), datetime.now(UTC)
    row = {
        "job_id": job_id,
        "client": client,
        "asked": asked.model_dump(mode="json"),
        "state": State.QUEUED,
        "total": len(customers),
        **dict.fromkeys(("done", "failed", "attempts", "token"), 0),
        "created_at": now,
        "expires_at": now + KEPT_FOR,
    }
    connection.execute(sa.insert(JOBS).values(row))
    chunks = [
        {
            "job_id": job_id,
            "number": number,
            "first": first,
            "customers": list(customers[first : first + chunk]),
        }
        for number, first in enumerate(range(0, len(customers), chunk))
    ]
    connection.execute(sa.insert(JOB_CHUNKS), chunks)
    body = {"job_id": job_id, "customers": len(customers), **asked.model_dump(exclude={"actor"})}
    audit.enter(connection, kind="job", actor=asked.actor, body=body)
    return _found(connection, client, job_id)


def find(database: Database, client: str, job_id: str) -> Job:
    """A client's job.

    Raises:
        UnknownJob: it is not there, or another client's.
    """
    with database.reading() as connection:
        return _found(connection, client, job_id)


def own(database: Database, client: str, before: str = "", most: int = 50) -> list[Job]:
    """A client's jobs, newest first: those made before the job ``before``."""
    asked = sa.select(JOBS).where(JOBS.c.client == client).order_by(JOBS.c.job_id.desc())
    if before:
        asked = asked.where(JOBS.c.job_id < before)
    with database.reading() as connection:
        return [Job.of(row) for row in connection.execute(asked.limit(most))]


def cancel(connection: Connection, client: str, job_id: str, actor: str) -> Job:
    """Stop a job, within a ``writing`` transaction; one that ended stays as it is.

    Raises:
        UnknownJob: it is not there, or another client's.
    """
    _found(connection, client, job_id)
    stopped = connection.execute(
        sa.update(JOBS)
        .where(JOBS.c.job_id == job_id, JOBS.c.state.in_(OPEN))
        .values(state=State.CANCELLED, finished_at=datetime.now(UTC), lease_until=None)
    )
    if stopped.rowcount:
        audit.enter(connection, kind="job_cancelled", actor=actor, body={"job_id": job_id})
    return _found(connection, client, job_id)


def _found(connection: Connection, client: str, job_id: str) -> Job:
    row = connection.execute(
        sa.select(JOBS).where(JOBS.c.job_id == job_id, JOBS.c.client == client)
    ).first()
    if row is None:
        raise UnknownJob("no job of yours with this identifier; results are kept for 7 days.")
    return Job.of(row)


def page(database: Database, client: str, job_id: str, number: int) -> tuple[list[Any], int | None]:
    """The items of a finished chunk with their audit numbers, and the number of the next chunk.

    Raises:
        UnknownJob: it is not there, or another client's.
        JobNotDone: this chunk is not finished.
    """
    job = find(database, client, job_id)
    part = next(parts(database, job_id, JOB_CHUNKS.c.number == number), None)
    if part is None:
        raise JobNotDone(f"this page is not there: the job is {job.status}, {job.done} are done.")
    lines = [json.loads(line) for line in part.read().splitlines()]
    items = [
        line | ({"audit": sequence} if sequence is not None else {})
        for line, sequence in zip(lines, part.audits, strict=True)
    ]
    return items, number + 1 if lines[-1]["item"] + 1 < job.total else None


def result(database: Database, client: str, job_id: str, actor: str) -> tuple[Job, list[Part]]:
    """A job that is done and the parts of its result; that it was fetched is on record.

    Raises:
        UnknownJob: it is not there, or another client's.
        JobNotDone: it has not come to its end.
        ZhikeError: a file of it is gone or cut short.
    """
    job = find(database, client, job_id)
    if job.status not in COMPLETE:
        raise JobNotDone(f"the job has no result: it is {job.status}.")
    found = list(parts(database, job_id))
    for part in found:
        part.check()
    body = {"job_id": job_id, "result_sha256": job.result_sha256}
    audit.append(database, kind="job_result", actor=actor, body=body)
    return job, found


def parts(database: Database, job_id: str, *which: sa.ColumnElement[bool]) -> Iterator[Part]:
    """The finished chunks of a job, in order."""
    columns = [column for column in JOB_CHUNKS.c if column.name != "customers"]
    asked = sa.select(*columns).where(
        JOB_CHUNKS.c.job_id == job_id, JOB_CHUNKS.c.sha256.is_not(None)
    )
    with database.reading() as connection:
        rows = connection.execute(asked.where(*which).order_by(JOB_CHUNKS.c.number)).all()
    for row in rows:
        path = part_path(job_id, row.number, row.token)
        yield Part(row.number, path, row.sha256, row.size, row.audits)


def part_path(job_id: str, number: int, token: int) -> Path:
    """The file of a chunk; the token of who wrote it keeps a worker that lost its lease apart."""
    return settings().jobs / job_id / f"{number:05d}-{token}.jsonl"


def sweep(database: Database) -> int:
    """Delete jobs that have expired with all they hold; how many."""
    old = sa.select(JOBS.c.job_id).where(JOBS.c.expires_at < datetime.now(UTC))
    with database.reading() as connection:
        gone = list(connection.execute(old).scalars())
    if not gone:
        return 0
    with database.writing() as connection:
        for table in (JOB_CHUNKS, JOBS):
            connection.execute(sa.delete(table).where(table.c.job_id.in_(gone)))
    for job_id in gone:
        shutil.rmtree(settings().jobs / job_id, ignore_errors=True)
    return len(gone)
