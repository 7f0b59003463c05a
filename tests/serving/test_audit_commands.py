"""The commands of the audit, as a person sees them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from data import audit
from data.audit.checkpoints import checkpoint, checkpoints
from data.database import Database
from data.errors import ZhikeError
from serving.__main__ import app


def told(*arguments: str) -> str:
    ran = CliRunner().invoke(app, arguments)
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.stdout


def test_a_checkpoint_is_printed_and_a_planted_change_is_found(store: Database) -> None:
    for n in range(3):
        audit.append(store, kind="book", actor="t", body={"n": n}, payload={"n": n})
    assert told("checkpoint") == f"checkpoint 1: {digest(store)}\n"
    assert told("verify-audit") == "the audit is whole. Records: 3; chains: 1; checkpoints: 1\n"
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE audit SET actor = 'nobody' WHERE position = 2")
    with pytest.raises(ZhikeError, match=r"not whole\. chain main is broken at its record 2"):
        told("verify-audit")


def digest(store: Database) -> str:
    """Of the newest checkpoint."""
    with store.reading() as connection:
        return [*checkpoints(connection)][-1].digest


def test_the_file_of_checkpoints_may_lie_elsewhere(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_CHECKPOINTS", str(tmp_path / "worm" / "heads.jsonl"))
    audit.append(store, kind="book", actor="t", body={})
    made = checkpoint(store)
    assert made.signature in (tmp_path / "worm" / "heads.jsonl").read_text()


def test_a_record_that_is_no_answer_says_so(store: Database) -> None:
    audit.append(store, kind="model_promoted", actor="t", body={})
    with pytest.raises(ZhikeError, match="it is no answer but model_promoted"):
        told("replay", "1")
