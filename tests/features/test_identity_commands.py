"""The commands around identification, as somebody at a terminal meets them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from data.database import Database
from data.settings import CHECKOUT
from data.terminal import run
from features.__main__ import app
from tests.features.systems import EMBOSSED, HSIAO_MING, Systems


class Command(Protocol):
    def __call__(self, *words: str) -> tuple[int, str, str]: ...


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["features", *words])
        with pytest.raises(SystemExit) as stopped:
            run(app, "./zhike features")
        told = capsys.readouterr()
        code = stopped.value.code
        return (code if isinstance(code, int) else 0), told.out, told.err

    return command


@pytest.fixture
def bank(home: Path) -> Iterator[Systems]:
    """A person in two systems and a pair that is neither surely one person nor two."""
    database = Database()
    database.migrate()
    bank = Systems(home, database)
    bank.record("K1", "core", **HSIAO_MING)
    bank.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    bank.record("K2", "core", name="陳思廷", phone="0933333123", email="chen@example.tw")
    bank.record("E2", "ebanking", name="陳思婷", phone="0933333123", email="chen@example.tw")
    bank.hand.load()
    yield bank
    database.engine.dispose()


def test_identify_says_how_many_customers_the_records_are(bank: Systems, features: Command) -> None:
    status, out, _ = features("identify")
    assert status == 0
    assert "4 records are 3 customers (1 identity_number, 3 single)" in out
    assert "1 pairs wait for a decision" in out
    assert bank.together("K1", "C1")


def test_identify_speaks_json(bank: Systems, features: Command) -> None:
    told = json.loads(features("identify", "--json")[1])
    assert (told["records"], told["customers"], told["reviews"], told["run"]) == (4, 3, 1, 1)
    assert told["manifest"] == bank.warehouse.manifest.digest


def test_review_shows_both_sides_and_a_decision_settles_it(
    bank: Systems, features: Command
) -> None:
    features("identify")
    status, out, _ = features("review")
    assert status == 0
    for told in ("E2", "K2", "陳思廷", "陳思婷", "chen@example.tw", "1 pairs wait"):
        assert told in out
    assert features("decide", "K2", "E2", "same", "--by", "Lin")[0] == 0
    assert "4 records are 2 customers" in features("identify")[1]
    assert "0 pairs wait" in features("review")[1]
    assert bank.together("K2", "E2")


def test_a_record_that_is_not_there_gets_one_sentence(bank: Systems, features: Command) -> None:
    status, out, err = features("decide", "K1", "X9", "same", "--by", "Lin")
    assert (status, out) == (2, "")
    assert err.startswith("error: there is no record X9.")


def test_a_bank_of_one_system_is_told_that_nothing_is_to_do(home: Path, features: Command) -> None:
    database = Database()
    one = Systems(home, database)
    one.record("K1", "core", **HSIAO_MING)
    before = one.hand.load().manifest
    assert "Nothing to do: one system" in features("identify")[1]
    assert one.warehouse.manifest == before
    database.engine.dispose()


@pytest.mark.parametrize("module", ["features.__main__", "serving.service", "training.run"])
def test_nothing_but_a_run_of_identification_loads_splink(module: str) -> None:
    check = f"import sys, {module}; sys.exit('splink' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=CHECKOUT, check=False).returncode == 0
