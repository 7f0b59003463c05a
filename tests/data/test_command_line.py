"""The commands of the data floor: counts on the output, remarks and errors in one sentence."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from data.__main__ import app
from data.terminal import run
from data.warehouse import Warehouse
from tests.data.small_bank import SmallBank, bookings

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *words: str | Path) -> Said: ...


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str | Path) -> Said:
        monkeypatch.setattr("sys.argv", ["data", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            run(app, "./zhike data")
        status = stopped.value.code
        assert isinstance(status, int | None)
        captured = capsys.readouterr()
        return Said(status or 0, captured.out, captured.err)

    return command


def refused(said: Said) -> str:
    """The one sentence of an error; fails where there is more, or a traceback."""
    assert said.status == 2
    assert said.out == ""
    (sentence,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said.err
    return sentence


def test_loading_prints_the_reconciliation(data: Command, bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([1, 2, 2]), "T3,A1")
    said = data("load", bank.folder, "--reject-limit", "1")
    assert said.status == 0
    assert "Rows in = accepted + rejected + duplicate" in said.out
    counts = [line.split("│")[1:-1] for line in said.out.splitlines() if "│" in line]
    assert [word.strip() for word in counts[-2]] == ["transactions.csv", "4", "2", "1", "1"]
    assert [word.strip() for word in counts[-1]] == ["all files", "9", "7", "1", "1"]
    assert "1 rows were rejected: ./zhike data rejects shows where and why" in said.err


def test_rejects_show_file_line_column_and_reason(data: Command, bank: SmallBank) -> None:
    bank.csv("customers", "C1,2024-01-01,2024-01-01,", "C2,2024-01-32,2024-01-01,")
    data("load", bank.folder)
    (row,) = [line for line in data("rejects").out.splitlines() if "customers.csv" in line]
    assert [word.strip() for word in row.split("│")[1:-1]][:3] == ["customers.csv", "3", "event_at"]


def test_tables_show_what_is_there(data: Command, bank: SmallBank) -> None:
    data("load", bank.folder)
    said = data("tables")
    assert "source canonical" in said.out
    assert {"accounts", "customers", "products"} <= set(said.out.replace("│", " ").split())


def test_a_remark_is_one_line_on_the_error_stream(data: Command, bank: SmallBank) -> None:
    bank.csv("products", "P1,current,,,1", header="product_id,family,margin,cost_to_serve,[red]")
    said = data("load", bank.folder)
    assert "note: products.csv: columns not used: [red]\n" in said.err


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["load", "nowhere"], "nowhere is not a folder. Name the folder that holds the files."),
        (["load", ".", "--source", "mars"], "there is no source 'mars'. The sources are: "),
        (["load", "empty", "--source", "berka"], "empty is not the Berka bank"),
        (["load", "empty"], "empty lacks the table(s) customers, products, accounts"),
        (["contracts", "--write", "nowhere/page.md"], "nowhere is not a folder; make it first."),
        (["contracts", "--write", "empty"], "empty: Is a directory."),
    ],
)
def test_an_error_is_one_sentence(
    data: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert refused(data(*words)).startswith(f"error: {sentence}")


def test_a_broken_contract_is_one_sentence(data: Command, bank: SmallBank) -> None:
    bank.csv("accounts", "A1", header="account")
    assert "accounts.csv lacks the column(s) account_id" in refused(data("load", bank.folder))


def test_a_damaged_warehouse_is_one_sentence(data: Command, bank: SmallBank) -> None:
    data("load", bank.folder)
    (Warehouse().folder / "manifest.json").write_text("{")
    for words in (["tables"], ["rejects"], ["load", bank.folder]):
        assert "manifest.json is damaged" in refused(data(*words))


def test_a_name_full_of_escapes_is_shown_and_not_obeyed(data: Command, bank: SmallBank) -> None:
    """F14"""
    bank.csv("transactions", "T1", file="transactions/[bold]\x1b[31m.csv")
    said = data("load", bank.folder)
    assert "\x1b[31m" not in said.out + said.err
    assert r"[bold]\x1b[31m.csv" in refused(said)


def test_hostile_text_and_names_come_back_from_the_rejects_as_plain_text(
    data: Command, bank: SmallBank
) -> None:
    """F14"""
    bank.csv("customers", "C1,2024-01-01,2024-01-01,", "C2,2024-01-01,2024-01-01,\x1b]0;a\x07")
    bank.csv(
        "transactions", *bookings([1]), "T2", file="transactions/=cmd|x \x1b[2J\u202e[red].csv"
    )
    assert data("load", bank.folder, "--reject-limit", "1").status == 0
    said = data("rejects")
    assert r"transactions/=cmd|x \x1b[2J\u202e[red].csv" in said.out
    assert not set("\x1b\x07\u202e") & set(said.out + said.err)


def test_days_that_are_missing_are_shown_with_the_tables(data: Command, bank: SmallBank) -> None:
    """F13"""
    for day, number in (("01", 1), ("04", 2)):
        bank.csv("transactions", *bookings([number]), file=f"transactions/2024-02-{day}.csv")
    assert "transactions: no file for 2024-02-02, 2024-02-03" in data("load", bank.folder).err
    rows = [line.split("│")[1:-1] for line in data("tables").out.splitlines() if "missing" in line]
    assert [[word.strip() for word in row] for row in rows] == [
        ["transactions", "missing", "2024-02-02"],
        ["transactions", "missing", "2024-02-03"],
    ]


def test_a_withdrawal_is_told(data: Command, bank: SmallBank) -> None:
    """F03"""
    data("load", bank.folder)
    bank.csv("products", "P1,savings,,", "P2,current,,")
    said = data("load", bank.folder, "--reject-limit", "1")
    assert "1 products accepted earlier were withdrawn" in said.err
    assert "./zhike data rejects shows where and why" in said.err


def test_another_bank_needs_the_word_replace(data: Command, bank: SmallBank) -> None:
    data("load", bank.folder)
    other = bank.folder.parent / "other"
    data("simulate", "--customers", "10", "--months", "3", "--out", other)
    assert "--replace" in refused(data("load", other, "--source", "simulated"))
    assert data("load", other, "--source", "simulated", "--replace").status == 0


def test_the_page_on_the_tables_is_printed_or_written(data: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert data("contracts", "--write", page).status == 0
    assert page.read_text() == data("contracts").out


def test_a_simulated_bank_can_be_loaded(data: Command, tmp_path: Path) -> None:
    folder = tmp_path / "simulated"
    said = data("simulate", "--out", folder, "--customers", "50", "--months", "3")
    assert said.status == 0
    assert "simulated 50 customers over 3 months" in said.out
    loaded = data("load", folder, "--source", "simulated")
    assert loaded.status == 0
    assert "records of several systems stand for themselves" in loaded.err
    assert "truth" not in loaded.out
    assert "rejected" not in loaded.err


def test_the_module_runs_as_a_command(bank: SmallBank) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "data", "load", bank.folder / "nothing"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
