"""One thread of a serving process that writes everybody's audit records, many to a transaction."""

import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from copy import copy
from datetime import UTC, datetime

import sqlalchemy as sa

from data.audit.chain import SKEW, Head, Record, head, told_skew, write
from data.audit.checkpoints import checkpoint
from data.audit.entries import Entry, refused, seal_all, seal_at_hand
from data.database import Database
from data.errors import NotReady, ZhikeError
from data.vault import Vault, vault

_log = logging.getLogger(__name__)
WAITING = 2_000  # entries in the queue; more is more than the database carries
TOGETHER = 256  # entries in a transaction
EVERY = 60.0  # seconds between checkpoints
MOST = 50_000  # records between checkpoints
_ASKING = 10.0  # seconds between looks at the database's clock


def _now() -> datetime:
    return datetime.now(UTC)


Waiting = tuple[Entry, Future[Record]]


class Committer:
    """The chain of a process, and the thread that writes it.

    What waits is written in one transaction. A transaction that fails, or whose end is not known,
    fails all who wait for it: nobody answers on a record that may not stand. The next one reads
    from the database where the chain ends.

    Attributes:
        chain: its name; no other process writes it.
        written: records that are durable.
        skews: how often the clock stood more than 5 seconds before the record before, or away
            from the database's.

    Args:
        every: seconds between signed checkpoints, while there is anything new.
        waiting: how many entries may wait.
        batched: told how many records were written together.
        clock: what time it is; of a test.
    """

    def __init__(
        self,
        database: Database,
        *,
        every: float = EVERY,
        waiting: int = WAITING,
        batched: Callable[[int], object] = int,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.database, self.chain = database, _new_chain()
        self.written = self.skews = 0
        self._clock, self._every, self._batched = clock, every, batched
        self._process = os.getpid()
        self._queue: queue.Queue[Waiting | None] = queue.Queue(waiting)
        self._head: Head | None = Head()
        self._last = self._tried = Head()
        self._vault: Vault | None = None
        self._checked = 0
        self._usual = 1  # entries in a batch lately
        self._asked_at = datetime.min.replace(tzinfo=UTC)
        self._closing = threading.Event()
        self._due = threading.Event()
        self._door = threading.Lock()
        self._threads = [
            threading.Thread(target=work, name=f"audit {name}", daemon=True)
            for name, work in (("committer", self._work), ("checkpoints", self._vouch))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_here(self) -> bool:
        """Whether this is the process that it writes for: a fork has a copy without the thread."""
        return os.getpid() == self._process

    @property
    def waiting(self) -> int:
        """About how many entries wait to be written."""
        return self._queue.qsize()

    def submit(self, entry: Entry) -> Future[Record]:
        """The record, as soon as it is durable.

        Raises:
            NotReady: too many wait already, or it is closed.
        """
        if self._vault:
            seal_at_hand(self._vault, entry)
        waiting: Future[Record] = Future()
        with self._door:
            if self._closing.is_set():
                raise NotReady("the audit is closed: the service stops.")
            try:
                self._queue.put_nowait((entry, waiting))
            except queue.Full:
                raise NotReady("too much waits for the audit; try again soon.") from None
        return waiting

    def close(self) -> None:
        """Write what waits, vouch for it with a checkpoint, and stop."""
        with self._door:
            if self._closing.is_set():
                return
            self._closing.set()
        self._queue.put(None)
        self._threads[0].join()
        self._due.set()
        self._threads[1].join()

    def _work(self) -> None:
        going, spent = True, 0.0
        while going:
            batch = self._waiting(spent / 4)
            began = time.monotonic()
            going = None not in batch
            wanted = [one for one in batch if one and one[1].set_running_or_notify_cancel()]
            if wanted:
                self._settle(wanted)
            spent = time.monotonic() - began

    def _waiting(self, longest: float) -> list[Waiting | None]:
        """What is to be written together.

        Where somebody waits already, those whose last record was just written are about to come
        again: a moment's wait, in seconds at most ``longest``, puts all into one transaction.
        """
        busy = not self._queue.empty()
        batch = [self._queue.get()]
        until = time.monotonic() + (longest if busy else 0.0)
        with suppress(queue.Empty):
            while len(batch) < TOGETHER:
                left = until - time.monotonic()
                soon = left > 0 and len(batch) < self._usual
                batch.append(self._queue.get(timeout=left) if soon else self._queue.get_nowait())
        self._usual = max(len(batch), self._usual - 1)
        return batch

    def _settle(self, batch: Sequence[Waiting]) -> None:
        """Write a batch and tell everybody; what is at fault alone fails alone."""
        try:
            written = self._written([entry for entry, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to all who wait
            if len(batch) > 1 and not isinstance(error, ZhikeError):
                for one in batch:
                    self._settle([one])
                return
            _log.error("audit records cannot be written: %s", type(error).__name__)
            for _, waiting in batch:
                waiting.set_exception(copy(error))
            return
        self._batched(len(batch))
        for (entry, waiting), record in zip(batch, written, strict=True):
            if record:
                waiting.set_result(record)
            else:
                waiting.set_exception(refused(entry))

    def _written(self, entries: Sequence[Entry]) -> list[Record | None]:
        with self.database.writing(queued=False) as connection:
            kept = self._vault = self._vault or vault(connection)
            used = seal_all(kept, connection, entries)
            sound = [entry for entry in entries if entry.written]
            before = self._found(connection)
            at = self._clock()
            self._look(connection, before, at)
            self._head = None  # until it is known that this is committed
            written = write(connection, self.chain, before, sound, at) if sound else []
            if written:
                self._tried = Head(written[-1].position, written[-1].digest, at)
        self._head = self._tried if written else before
        kept.remember(used)
        self.written += len(written)
        if self.written - self._checked >= MOST:
            self._due.set()
        standing = iter(written)
        return [next(standing) if entry.written else None for entry in entries]

    def _found(self, connection: sa.Connection) -> Head:
        """Where the chain ends; a new chain, if somebody else wrote in this one."""
        if self._head is not None:
            self._last = self._head
            return self._head
        there = head(connection, self.chain)
        if there.digest not in (self._last.digest, self._tried.digest):
            _log.error("somebody else wrote in the audit chain %s; it is left.", self.chain)
            self.chain, there = _new_chain(), Head()
        self._last = there
        return there

    def _look(self, connection: sa.Connection, before: Head, at: datetime) -> None:
        """Tell a clock that stepped back, or stands away from the database's."""
        self.skews += told_skew(before, at)
        if (
            connection.dialect.name != "postgresql"
            or abs((at - self._asked_at).total_seconds()) < _ASKING
        ):
            return
        self._asked_at = at
        theirs = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        if abs(theirs - at) > SKEW:
            self.skews += 1
            _log.warning(
                "the clock stands %+.0f s from the database's: check it.",
                (at - theirs).total_seconds(),
            )

    def _vouch(self) -> None:
        """Write a checkpoint now and then, if there is anything new, and a last one."""
        closed = False
        while not closed:
            self._due.wait(self._every)
            self._due.clear()
            closed = self._closing.is_set() and not self._threads[0].is_alive()
            count = self.written
            if count == self._checked:
                continue
            try:
                checkpoint(self.database)
                self._checked = count
            except (ZhikeError, OSError) as error:
                _log.error("no audit checkpoint: %s", error)


@contextmanager
def committing(database: Database, batched: Callable[[int], object] = int) -> Iterator[Committer]:
    """Let one committer write the audit records of this process."""
    committer = database.committer = Committer(database, batched=batched)
    try:
        yield committer
    finally:
        database.committer = None
        committer.close()


def _new_chain() -> str:
    return f"worker-{uuid.uuid4().hex}"
