"""One committer writes a process's records together: durable, in order, and nothing lost silently."""

import json
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from data import audit
from data.audit import GENESIS, Committer, Record, append, committing, first_broken, payload_of
from data.audit.chain import digest_of
from data.database import Database
from data.errors import NotReady
from data.schema import AUDIT
from tests.requirements import CHECKOUT

WRITER = """
import os, sys, threading
from data import audit
from data.database import Database
database = Database(sys.argv[1])
def write(n):
    while True:
        record = audit.append(database, kind="answer", actor="t", body={}, payload={"n": n}, person=f"P{n}")
        os.write(1, f"{record.chain} {record.position} {record.digest}\\n".encode())
with audit.committing(database):
    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    threads[0].join()
"""


@pytest.fixture
def attached(database: Database) -> Iterator[Committer]:
    """The committer of this process over the test's database."""
    with committing(database) as committer:
        yield committer


def write(database: Database, count: int) -> list[Record]:
    """Records of many threads at once."""

    def one(n: int) -> Record:
        return append(
            database, kind="answer", actor="t", body={}, payload={"n": n}, person=f"P{n % 7}"
        )

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(count)))


def test_a_process_has_a_chain_of_its_own_without_gap_or_fork(
    database: Database, attached: Committer
) -> None:
    with database.writing() as connection:
        main = audit.enter(connection, kind="book", actor="t", body={})
    written = write(database, 100)
    assert {record.chain for record in written} == {attached.chain}
    assert sorted(record.position for record in written) == list(range(1, 101))
    first, *_ = sorted(written, key=lambda record: record.position)
    assert (main.chain, main.position, first.previous) == ("main", 1, GENESIS)
    assert len({record.sequence for record in written}) == 100
    assert payload_of(database, written[42].sequence) == {"n": 42}
    assert first_broken(database) is None


def test_a_command_within_a_transaction_writes_the_main_chain_beside_a_committer(
    database: Database, attached: Committer
) -> None:
    append(database, kind="answer", actor="t", body={})
    with database.writing() as connection:
        entered = audit.enter(connection, kind="book", actor="t", body={})
    assert (entered.chain, entered.position) == ("main", 1)
    assert first_broken(database) is None


@pytest.mark.parametrize("processes", [4])
def test_f68_sixteen_writers_killed_at_any_moment_leave_no_fork_and_no_gap(
    database: Database, processes: int
) -> None:
    address = database.engine.url.render_as_string(hide_password=False)
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, address], cwd=CHECKOUT, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
        for _ in range(processes)
    ]  # fmt: skip
    told = []
    for process in started:
        assert process.stdout
        head = [
            process.stdout.readline() for _ in range(random.Random(process.pid).randint(20, 60))
        ]
        process.send_signal(signal.SIGKILL)
        told += [*head, *process.stdout.read().splitlines(keepends=True)]
        process.stdout.close()
        process.wait()
    assert first_broken(database) is None
    asked = sa.select(AUDIT.c.chain, AUDIT.c.position, AUDIT.c.digest)
    with database.reading() as connection:
        kept = {(row.chain, row.position): row.digest for row in connection.execute(asked)}
    answered = [line.decode().split() for line in told if line.endswith(b"\n")]
    assert len({chain for chain, _, _ in answered}) == processes
    assert all(kept[chain, int(position)] == digest for chain, position, digest in answered)


def test_f55_nothing_is_recorded_while_the_store_fails_and_all_resumes_by_itself(
    database: Database, attached: Committer
) -> None:
    write(database, 10)
    with refusing(database), pytest.raises(NotReady, match="does not answer"):
        append(database, kind="answer", actor="t", body={"n": "lost"})
    after = write(database, 10)
    assert [record.position for record in sorted(after, key=position)] == list(range(11, 21))
    assert first_broken(database) is None
    assert attached.written == 20


def position(record: Record) -> int:
    return record.position


class refusing:  # noqa: N801 - reads as a word
    """A store that takes no record: a read-only disk, as far as the database can tell."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __enter__(self) -> None:
        sa.event.listen(self.database.engine, "before_cursor_execute", self.refuse)

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self.database.engine, "before_cursor_execute", self.refuse)

    def refuse(self, _: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO audit"):
            raise sa.exc.OperationalError("disk", None, OSError("read-only file system"))


def test_f55_a_full_disk_lets_nothing_out_and_heals(tmp_path: Path, home: Path) -> None:
    small = Database(f"sqlite:///{tmp_path / 'small.db'}")
    small.migrate()
    told = []

    def until_full() -> None:
        for _ in range(10):
            told.append(written(small))

    with committing(small):
        with small.engine.connect() as connection:  # the pool hands it out again
            connection.exec_driver_sql("PRAGMA max_page_count=120")
        with pytest.raises(NotReady, match="does not answer"):
            until_full()
        sa.event.listen(small.engine, "checkout", _more_room)
        told.append(written(small))
    assert [record.position for record in told] == list(range(1, len(told) + 1))
    assert first_broken(small) is None
    small.engine.dispose()


def written(database: Database) -> Record:
    return append(database, kind="answer", actor="t", body={}, payload="x" * 100_000)


def _more_room(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA max_page_count=100000").close()


def test_f55_a_commit_whose_end_is_not_known_neither_forks_nor_breaks_the_chain(
    database: Database, attached: Committer
) -> None:
    write(database, 3)

    def cut_off(connection: sa.Connection) -> None:
        connection.connection.commit()  # it did commit, but we never learn
        raise sa.exc.OperationalError("commit", None, ConnectionResetError())

    sa.event.listen(database.engine, "commit", cut_off)
    with pytest.raises(NotReady):
        append(database, kind="answer", actor="t", body={})
    sa.event.remove(database.engine, "commit", cut_off)
    after = append(database, kind="answer", actor="t", body={})
    assert (after.chain, after.position) == (attached.chain, 5)
    assert first_broken(database) is None


def test_a_full_queue_refuses_at_once_and_keeps_what_waits(database: Database) -> None:
    database.committer = committer = Committer(database, waiting=3)
    with database.writing():  # holds the committer up
        first = audit.submit(database, kind="answer", actor="t", body={})
        while committer._queue.qsize():
            time.sleep(0.001)
        held = [audit.submit(database, kind="answer", actor="t", body={}) for _ in range(3)]
        if database.engine.dialect.name == "sqlite":
            with pytest.raises(NotReady, match="too much waits"):
                audit.submit(database, kind="answer", actor="t", body={})
    committer.close()
    assert sorted(one.result().position for one in (first, *held)) == [1, 2, 3, 4]
    with pytest.raises(NotReady, match="closed"):
        audit.submit(database, kind="answer", actor="t", body={})


def test_an_entry_that_cannot_be_written_fails_alone(
    database: Database, attached: Committer
) -> None:
    with database.writing():
        good = [audit.submit(database, kind="answer", actor="t", body={}) for _ in range(3)]
        bad = audit.submit(database, kind="answer", actor="lone \ud800", body={})
        good += [audit.submit(database, kind="answer", actor="t", body={}) for _ in range(3)]
    assert isinstance(bad.exception(), UnicodeEncodeError)
    assert [one.result().position for one in good] == [1, 2, 3, 4, 5, 6]
    assert first_broken(database) is None


def test_a_committer_leaves_a_chain_in_which_somebody_else_wrote(
    database: Database, attached: Committer, caplog: pytest.LogCaptureFixture
) -> None:
    (before,) = write(database, 1)
    forge(database, before)
    with pytest.raises(sa.exc.IntegrityError):
        append(database, kind="answer", actor="t", body={})
    after = append(database, kind="answer", actor="t", body={})
    assert (after.chain != before.chain, after.position) == (True, 1)
    assert "somebody else wrote" in caplog.text


def forge(database: Database, before: Record) -> None:
    """A record that fits behind another; anybody who rules the database can work it out."""
    forged = vars(before) | {"sequence": 2**30, "position": before.position + 1, "body": "{}"}
    forged["previous"] = before.digest
    forged["digest"] = digest_of(Record(**forged), before.digest)
    with database.writing() as connection:
        connection.execute(sa.insert(AUDIT).values(**forged))


def test_a_fork_does_not_use_its_parents_committer(
    database: Database, attached: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert append(database, kind="answer", actor="t", body={}).chain == attached.chain
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as the child of a fork would see itself
    assert append(database, kind="answer", actor="t", body={}).chain == "main"


def test_f71_records_keep_their_order_when_the_clock_steps_back_and_it_is_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter([datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)])
    database.committer = committer = Committer(database, clock=lambda: next(times))
    with caplog.at_level(logging.WARNING):
        written = [append(database, kind="answer", actor="t", body={"n": n}) for n in range(3)]
    database.committer = None
    committer.close()
    assert [record.position for record in written] == [1, 2, 3]
    assert written[1].at < written[0].at
    assert first_broken(database) is None
    assert committer.skews == 2 if database.engine.dialect.name == "postgresql" else 1
    assert "the clock stands 3600 s before the last audit record" in caplog.text
    kept = audit.records(database, ("answer",))
    assert [json.loads(record.body)["n"] for record in kept] == [0, 1, 2]


def test_f71_a_clock_away_from_the_databases_is_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    if database.engine.dialect.name == "sqlite":  # its clock is ours
        return
    ahead = datetime.now(UTC) + timedelta(minutes=1)
    database.committer = committer = Committer(database, clock=lambda: ahead)
    append(database, kind="answer", actor="t", body={})
    database.committer = None
    committer.close()
    assert committer.skews == 1
    assert "from the database's" in caplog.text


def test_f59_a_record_that_is_durable_outlives_the_process(database: Database) -> None:
    """Whoever was told of a record finds it, whatever became of the writer."""
    with committing(database):
        told = append(database, kind="answer", actor="t", body={}, payload={"n": 1}, person="P1")
    again = Database(database.address)
    assert audit.record_of(again, told.sequence) == told
    assert payload_of(again, told.sequence) == {"n": 1}
    again.engine.dispose()
