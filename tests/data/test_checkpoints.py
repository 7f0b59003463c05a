"""Signed checkpoints outside the database: what an insider cuts or writes anew is found."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.audit import MAIN, Record, append, committing, enter, first_broken, verify
from data.audit import checkpoints as module
from data.audit.chain import Head, write
from data.audit.checkpoints import checkpoint, checkpoints
from data.audit.entries import entry
from data.database import Database
from data.errors import ConfigurationError
from data.schema import AUDIT, AUDIT_CHECKPOINTS, AUDIT_PAYLOADS
from data.settings import settings


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    """Keys and the file of checkpoints in a home of the test's own."""


def commands(database: Database, *numbers: int) -> list[Record]:
    """Records of the main chain."""
    with database.writing() as connection:
        return [
            enter(connection, kind="book", actor="t", body={"n": n}, payload={"n": n})
            for n in numbers
        ]


def rule(database: Database, *statements: str) -> None:
    """What the owner of the database could do, without the files beside it."""
    with database.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def cut(database: Database, chain: str, position: int) -> None:
    where = f"chain = '{chain}' AND position > {position}"
    inner = f"SELECT sequence FROM audit WHERE {where}"
    rule(
        database,
        f"DELETE FROM audit_payloads WHERE sequence IN ({inner})",
        f"DELETE FROM audit WHERE {where}",
    )


def test_a_checkpoint_covers_the_heads_of_all_chains(database: Database) -> None:
    commands(database, 1, 2)
    with committing(database) as committer:
        last = [append(database, kind="answer", actor="t", body={"n": n}) for n in range(3)][-1]
    commands(database, 3)
    told = checkpoint(database)
    found = verify(database)
    assert (found.faults, found.records, found.newer) == ([], 6, 0)
    assert found.vouched == {MAIN: 3, committer.chain: 3}
    with database.reading() as connection:
        first, second = checkpoints(connection)
    assert first.heads[committer.chain] == (3, last.digest)  # at the close
    assert second.heads.keys() == {MAIN}  # what is new
    assert second == told
    assert json.loads(second.statement)["previous"] == first.digest


def test_f67_a_cut_tail_is_found(database: Database) -> None:
    commands(database, 1, 2, 3, 4)
    checkpoint(database)
    cut(database, MAIN, 2)
    assert first_broken(database) is None  # the chain alone cannot tell
    (fault,) = verify(database).faults
    assert fault == "chain main is cut: it ends at record 2, checkpoint 1 knows its record 4."


def test_f67_a_chain_that_is_gone_is_found(database: Database) -> None:
    with committing(database) as committer:
        append(database, kind="answer", actor="t", body={})
    cut(database, committer.chain, 0)
    (fault,) = verify(database).faults
    assert fault.startswith(f"chain {committer.chain} is cut: it ends at record 0")


def test_f67_a_chain_written_anew_by_an_insider_is_found(database: Database) -> None:
    commands(database, 1, 2)
    checkpoint(database)
    commands(database, 3, 4, 5)
    checkpoint(database)
    rebuilt(database, 3)
    assert first_broken(database) is None
    (fault,) = verify(database).faults
    assert fault == (
        "chain main was written anew from a record between 3 and 5 on: checkpoint 2 knows another"
        " record 5."
    )
    checkpoint(database)  # the service goes on and signs what it finds
    assert verify(database).faults[0] == fault


def rebuilt(database: Database, start: int) -> None:
    """The chain from a record on with every digest worked out anew, as an insider would."""
    asked = sa.select(AUDIT).where(AUDIT.c.position >= start).order_by(AUDIT.c.position)
    with database.writing() as connection:
        old = connection.execute(asked).all()
        connection.execute(sa.delete(AUDIT_PAYLOADS).where(AUDIT_PAYLOADS.c.sequence >= start))
        connection.execute(sa.delete(AUDIT).where(AUDIT.c.position >= start))
        head = Head(start - 1, old[0].previous)
        entries = [entry(row.kind, "somebody else", {}) for row in old]
        write(connection, MAIN, head, entries, old[0].at)


def test_f67_checkpoints_that_were_removed_with_the_tail_are_found_by_the_file(
    database: Database,
) -> None:
    commands(database, 1, 2)
    checkpoint(database)
    commands(database, 3)
    checkpoint(database)
    cut(database, MAIN, 2)
    rule(database, "DELETE FROM audit_checkpoints WHERE number = 2")
    assert verify(database).faults == [
        "checkpoint 2 is in the file and not in the database: it was removed there.",
        "chain main is cut: it ends at record 2, checkpoint 2 knows its record 3.",
    ]


def test_f67_a_checkpoint_that_nobody_trusted_signed_is_found(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(database, 1, 2)
    checkpoint(database)
    honest = settings().home
    rebuilt(database, 1)
    rule(database, "DELETE FROM audit_checkpoints")
    monkeypatch.setenv("ZHIKE_HOME", str(tmp_path / "insider"))
    checkpoint(database)  # with a key of the insider's own
    monkeypatch.setenv("ZHIKE_HOME", str(honest))
    assert verify(database).faults == [
        "checkpoint 1 in the database is not the one in the file.",
        (
            "chain main was written anew from a record between 1 and 2 on: checkpoint 1 knows"
            " another record 2."
        ),
    ]
    settings().checkpoints_file.unlink()
    (fault,) = verify(database).faults
    assert "no key of audit.pub signed it" in fault


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_checkpoints SET statement = replace(statement, '\"number\":1', '\"number\":9')",
        "UPDATE audit_checkpoints SET signature = 'ff'",
        "UPDATE audit_checkpoints SET key = 'none'",
    ],
)
def test_an_altered_checkpoint_is_found(database: Database, change: str) -> None:
    commands(database, 1)
    checkpoint(database)
    settings().checkpoints_file.unlink()
    rule(database, change)
    assert verify(database).faults == [
        "checkpoint 1 is missing or altered, or no key of audit.pub signed it."
    ]


def test_f66_the_first_bad_record_of_each_chain_is_told(database: Database) -> None:
    commands(database, 1, 2, 3)
    with committing(database) as committer:
        for n in range(4):
            append(database, kind="answer", actor="t", body={"n": n}, payload={"n": n})
    ours = f"chain = '{committer.chain}'"
    rule(
        database,
        "UPDATE audit SET actor = 'x' WHERE chain = 'main' AND position = 2",
        f"UPDATE audit_payloads SET person = 'x' WHERE sequence ="
        f" (SELECT sequence FROM audit WHERE {ours} AND position = 3)",
    )
    assert verify(database).faults == [
        (
            "chain main is broken at its record 2: it is altered, or not the one that was written"
            " there."
        ),
        f"chain {committer.chain} is broken at its record 3: it is beside another payload.",
    ]


def test_f66_a_record_moved_to_another_chain_is_found(database: Database) -> None:
    commands(database, 1, 2)
    rule(database, "UPDATE audit SET chain = 'other', position = 1 WHERE position = 2")
    assert str(first_broken(database)).startswith("chain other is broken at its record 1")


def test_the_file_is_made_whole_by_the_next_checkpoint(database: Database) -> None:
    path = settings().checkpoints_file
    for n in range(3):
        commands(database, n)
        checkpoint(database)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1][:40])  # a crash while the second was written
    found = verify(database)
    assert (found.faults, found.lag) == ([], 2)
    commands(database, 9)
    checkpoint(database)
    assert path.read_text().splitlines(keepends=True)[:3] == lines
    assert (verify(database).faults, verify(database).lag) == ([], 0)


def test_every_so_many_a_checkpoint_names_all_heads(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE", 2)
    commands(database, 1)
    told = [checkpoint(database) for _ in range(4)]
    assert [len(one.heads) for one in told] == [1, 0, 1, 0]
    assert verify(database).faults == []


def test_a_key_that_others_may_read_signs_nothing(database: Database) -> None:
    checkpoint(database)
    key = settings().home / "keys" / "audit.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        checkpoint(database)


def test_a_verification_reads_page_by_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.audit.verifying.PAGE", 2)
    commands(database, *range(7))
    found = verify(database)
    assert (found.faults, found.records, found.newer) == ([], 7, 7)
    with database.reading() as connection:
        assert connection.execute(sa.select(AUDIT_CHECKPOINTS)).all() == []
