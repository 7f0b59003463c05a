"""What works jobs off: leases one, answers its customers chunk by chunk, and may be killed anywhere."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import NotReady, UnknownCustomer
from data.schema import JOB_CHUNKS, JOBS
from data.warehouse import canonical_json, replace_file
from serving.answering import answer, without_reasons
from serving.jobs import KEPT_FOR, OPEN, Asked, State, part_path, parts, sweep
from serving.scoring import Answer, Scorer

_log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
PAUSE = 1.0  # seconds between two looks at an empty queue


class Fenced(Exception):
    """The job was cancelled, or its lease went to another worker: nothing more may be written."""


@dataclass(frozen=True)
class Lease:
    """A job that is this worker's until the lease ends."""

    job_id: str
    token: int
    asked: Asked


class Worker:
    """Works jobs off, one at a time.

    Args:
        scorer: gives the scorer in force, asked once a chunk.
        lease: how long a job stays this worker's after the last sign of life.
    """

    def __init__(
        self, database: Database, scorer: Callable[[], Scorer], lease: timedelta = LEASE
    ) -> None:
        self.database, self.scorer, self.lease = database, scorer, lease
        self.name = f"{os.getpid()}-{secrets.token_hex(8)}"

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; a chunk that was begun is finished."""
        while not stop.is_set():
            try:
                sweep(self.database)
                busy = self.step(stop)
            except NotReady as error:
                _log.warning("jobs wait: %s", error)
                busy = False
            except Exception:  # noqa: BLE001 - a worker outlives whatever befalls one job
                _log.exception("a job stopped; it will be tried again")
                busy = False
            if not busy:
                stop.wait(PAUSE)

    def step(self, stop: threading.Event | None = None) -> bool:
        """Take the next job and work it off; False where there is none.

        Raises:
            NotReady: no answer can be given now; the job goes back to the queue.
        """
        lease = self._claimed()
        if lease is None:
            return False
        try:
            self._work(lease, stop or threading.Event())
        except Fenced:
            _log.info("job %s was cancelled or went to another worker", lease.job_id)
        except NotReady:
            with suppress(Fenced):
                self._given_back(lease)
            raise
        return True

    def _claimed(self) -> Lease | None:
        now = datetime.now(UTC)
        free = sa.or_(JOBS.c.lease_until.is_(None), JOBS.c.lease_until < now)
        waiting = sa.select(JOBS).where(JOBS.c.state.in_(OPEN), free).order_by(JOBS.c.job_id)
        with self.database.reading() as connection:  # an empty queue keeps no writer waiting
            if connection.execute(waiting.limit(1)).first() is None:
                return None
        with self.database.writing() as connection:
            row = connection.execute(waiting.limit(1)).first()
            if row is None:
                return None
            lease = Lease(row.job_id, row.token + 1, Asked(**row.asked))
            taken = {"state": State.RUNNING, "owner": self.name, "token": lease.token}
            taken |= {"lease_until": now + self.lease, "attempts": row.attempts + 1}
            connection.execute(sa.update(JOBS).where(JOBS.c.job_id == row.job_id).values(taken))
            if row.attempts >= MOST_ATTEMPTS:
                why = f"gave up after {row.attempts} attempts at the same customers."
                _ended(connection, lease, State.FAILED, problem=why)
                return None
        return lease

    def _given_back(self, lease: Lease) -> None:
        with self._still(lease) as connection:
            again = {"lease_until": None, "attempts": 0}
            connection.execute(_update(lease).values(again))

    def _work(self, lease: Lease, stop: threading.Event) -> None:
        for chunk in self._unfinished(lease.job_id):
            if stop.is_set():
                self._given_back(lease)
                return
            self._chunk(lease, *chunk)
        self._finish(lease)

    def _unfinished(self, job_id: str) -> Iterator[tuple[int, int, list[str]]]:
        open_ = (JOB_CHUNKS.c.job_id == job_id, JOB_CHUNKS.c.sha256.is_(None))
        following = sa.select(JOB_CHUNKS).where(*open_).order_by(JOB_CHUNKS.c.number).limit(1)
        while True:
            with self.database.reading() as connection:
                row = connection.execute(following).first()
            if row is None:
                return
            yield row.number, row.first, row.customers

    def _chunk(self, lease: Lease, number: int, first: int, customers: list[str]) -> None:
        scorer = self.scorer()
        lines, audits, last = [], [], time.monotonic()
        for place, customer in enumerate(customers, first):
            if time.monotonic() - last >= self.lease.total_seconds() / 3:
                with self._still(lease):
                    last = time.monotonic()
            line, sequence = self._item(scorer, lease.asked, customer)
            lines.append(canonical_json({"item": place, "customer_id": customer, **line}))
            audits.append(sequence)
        content = "".join(f"{line}\n" for line in lines).encode()
        _write(part_path(lease.job_id, number, lease.token), content)
        kept = {"token": lease.token, "sha256": sha256(content).hexdigest(), "size": len(content)}
        with self._still(lease) as connection:
            connection.execute(
                sa.update(JOB_CHUNKS)
                .where(JOB_CHUNKS.c.job_id == lease.job_id, JOB_CHUNKS.c.number == number)
                .values(audits=audits, **kept)
            )
            progress = {
                "done": JOBS.c.done + len(customers),
                "failed": JOBS.c.failed + audits.count(None),
                "attempts": 0,
            }
            connection.execute(_update(lease).values(progress))

    def _item(
        self, scorer: Scorer, asked: Asked, customer: str
    ) -> tuple[dict[str, Any], int | None]:
        """A line of the result, and the audit record of the answer; a problem where there is none."""
        try:
            given, sequence = answer(
                scorer,
                self.database,
                customer,
                asked.questions,
                language=asked.language,
                actor=asked.actor,
            )
        except UnknownCustomer as error:
            return _problem(404, "unknown_customer", str(error)), None
        except NotReady:
            raise
        except Exception:  # noqa: BLE001 - one customer's fault must not cost the others their answers
            _log.exception("an item of a job failed")
            return _problem(500, "internal_error", "this customer could not be answered"), None
        return {"status": 200, **_shown(given, asked)}, sequence

    def _finish(self, lease: Lease) -> None:
        digest = sha256()
        for part in parts(self.database, lease.job_id):
            digest.update(part.read())
        with self._still(lease) as connection:
            failed = connection.execute(
                sa.select(JOBS.c.failed).where(JOBS.c.job_id == lease.job_id)
            ).scalar_one()
            state = State.DONE_WITH_ERRORS if failed else State.DONE
            _ended(connection, lease, state, result_sha256=digest.hexdigest())

    @contextmanager
    def _still(self, lease: Lease) -> Iterator[Connection]:
        """A transaction in which the job is still this worker's; it renews the lease.

        Raises:
            Fenced: it is not.
        """
        with self.database.writing() as connection:
            until = datetime.now(UTC) + self.lease
            mine = _update(lease).where(JOBS.c.state == State.RUNNING)
            if connection.execute(mine.values(lease_until=until)).rowcount != 1:
                raise Fenced
            yield connection


def _update(lease: Lease) -> sa.Update:
    return sa.update(JOBS).where(JOBS.c.job_id == lease.job_id, JOBS.c.token == lease.token)


def _ended(connection: Connection, lease: Lease, state: State, **found: str) -> None:
    now = datetime.now(UTC)
    ended = {"state": state, "finished_at": now, "expires_at": now + KEPT_FOR, "lease_until": None}
    connection.execute(_update(lease).values(**ended, **found))
    body = {"job_id": lease.job_id, "state": state, **found}
    audit.enter(connection, kind="job_ended", actor=lease.asked.actor, body=body)


def _problem(status: int, code: str, detail: str) -> dict[str, Any]:
    return {"status": status, "problem": {"code": code, "detail": detail}}


def _shown(given: Answer, asked: Asked) -> dict[str, Any]:
    told = given if asked.reasons else without_reasons(given)
    return told.model_dump(mode="json", exclude_none=True, exclude={"customer_id"})


def _write(path: Path, content: bytes) -> None:
    """A file in a folder for its owner alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, content)
    path.chmod(0o600)


@contextmanager
def working(database: Database, scorer: Callable[[], Scorer]) -> Iterator[None]:
    """A thread beside this one that works jobs off."""
    stop = threading.Event()
    thread = threading.Thread(target=Worker(database, scorer).run, args=(stop,), name="jobs")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
