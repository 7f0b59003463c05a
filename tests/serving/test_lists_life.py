"""From the seal to the last result: who withdrew is dropped, what leaves is whole, all is counted."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from data.audit import first_broken, records
from data.csvfile import Layout
from data.database import Database
from data.errors import ContractBroken, ListError, NotReady, UnknownCustomer
from data.schema import LIST_EXPORTS
from data.warehouse import Warehouse, file_digest
from serving import __main__ as serving
from serving.lists import close, draft, seal
from serving.lists.export import CONTROL, Export, export, recall, safe
from serving.lists.notices import Notice, take
from serving.lists.records import MadeList, find
from serving.lists.returns import Returned, take_results
from serving.lists.templates import BUILT_IN, Template, template
from tests.requirements import CHECKOUT
from tests.serving.listed_bank import ListedBank, asked

CALLS = BUILT_IN["call_centre"]


@pytest.fixture
def clean(database: Database, home: Path) -> ListedBank:
    """A bank in which everybody may be contacted, on both databases."""
    return ListedBank(database, home, count=40)


@pytest.fixture
def quick(store: Database, home: Path) -> ListedBank:
    """The same on SQLite alone."""
    return ListedBank(store, home, count=40)


def drafted(bank: ListedBank, **other: Any) -> tuple[Warehouse, MadeList]:
    warehouse = bank.ready()
    return warehouse, draft(bank.database, warehouse, asked(**{"size": 20, **other}), actor="mia")


def sealed(bank: ListedBank, **other: Any) -> tuple[Warehouse, MadeList]:
    warehouse, made = drafted(bank, **other)
    return warehouse, seal(bank.database, warehouse, made.list_id, actor="mia")


def handed(bank: ListedBank, **other: Any) -> tuple[Warehouse, MadeList, Export]:
    warehouse, made = sealed(bank, **other)
    return warehouse, made, export(bank.database, warehouse, made.list_id, CALLS, actor="mia")


def members(made: MadeList) -> pd.DataFrame:
    return pq.read_table(made.folder.path / "members.parquet").to_pandas()


def listed(made: MadeList) -> list[str]:
    """Who is listed, by row."""
    rows = members(made)
    return list(rows[rows.row > 0].sort_values("row").customer_id)


def withdrawn(bank: ListedBank, name: str, kind: str = "no_consent") -> None:
    given = Notice(name, kind, holds=True, at=datetime.now(UTC))
    assert take(bank.database, Warehouse(), [given], actor="clerk") == 1


def test_f62_who_withdraws_before_the_seal_is_dropped_and_counted(clean: ListedBank) -> None:
    _, made = drafted(clean)
    rows = pq.read_table(made.folder.path / "places").to_pandas()
    one, two = rows[rows.place == "listed"].customer_id.iloc[:2]
    kept = rows[rows.place == "control"].customer_id.iloc[0]
    withdrawn(clean, one)
    withdrawn(clean, kept)
    clean.consent(two, "marketing", granted=False)  # and another by the next load
    done = seal(clean.database, clean.hand.load(), made.list_id, actor="mia")
    assert not {one, two, kept} & set(members(done).customer_id)
    assert done.counts.listed == made.counts.listed - 2
    assert done.counts.first["no_consent"] == 3
    assert done.counts.reconciled
    [record] = records(clean.database, ("list_sealed",))
    assert json.loads(record.body)["dropped"] == {"no_consent": 3}
    assert first_broken(clean.database) is None


def test_f62_who_withdraws_after_the_seal_is_left_out_of_the_export(clean: ListedBank) -> None:
    warehouse, made = sealed(clean)
    gone = listed(made)[3]
    withdrawn(clean, gone)
    made_export = export(clean.database, warehouse, made.list_id, CALLS, actor="mia")
    rows = pd.read_csv(made_export.folder / "call_centre.csv")
    assert 4 not in set(rows.row)
    assert len(rows) == made_export.control["rows"] == made.counts.listed - 1
    assert made_export.control["left_out"] == {"no_consent": 1}


def test_f63_who_withdraws_after_the_export_is_recalled_with_every_export(
    clean: ListedBank,
) -> None:
    warehouse, made, first = handed(clean)
    second = export(clean.database, warehouse, made.list_id, template("analysis"), actor="mia")
    assert recall(clean.database, warehouse) == []
    gone = listed(made)[7]
    withdrawn(clean, gone)
    found = recall(clean.database, warehouse)
    assert {(one.customer_id, one.row, one.reasons) for one in found} == {
        (gone, 8, ("no_consent",))
    }
    assert {one.export_id for one in found} == {first.export_id, second.export_id}
    assert recall(clean.database, warehouse, gone) == found
    later = export(clean.database, warehouse, made.list_id, CALLS, actor="mia")
    assert later.export_id != first.export_id
    assert later.control["rows"] == first.control["rows"] - 1


DYING = """
import os, signal, sys
from data.database import Database
from data.warehouse import Warehouse
from serving.lists.export import export
from serving.lists.templates import template

def die(event, told):
    if event == "os.rename" and str(told[1]).endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
export(Database(), Warehouse(), sys.argv[2], template("call_centre"), actor="mia")
"""


@pytest.mark.parametrize(
    "point", ["control.json", pytest.param("call_centre.parquet", marks=pytest.mark.slow)]
)
def test_f65_an_export_that_is_killed_has_no_control_file_and_is_finished_later(
    quick: ListedBank, point: str
) -> None:
    warehouse, made = sealed(quick)
    ran = subprocess.run(
        [sys.executable, "-P", "-c", DYING, point, made.list_id],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "ZHIKE_DATABASE_URL": quick.database.address,
        },
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert not list(made.folder.path.glob(f"exports/*/{CONTROL}"))
    done = export(quick.database, warehouse, made.list_id, CALLS, actor="mia")
    told = json.loads((done.folder / CONTROL).read_text())
    assert told == done.control
    for name, digest in told["files"].items():
        assert file_digest(done.folder / name) == digest
    with quick.database.reading() as connection:
        assert len(connection.execute(sa.select(LIST_EXPORTS)).all()) == 1


def test_f65_every_export_is_an_audit_record(quick: ListedBank) -> None:
    warehouse, made, first = handed(quick)
    again = export(quick.database, warehouse, made.list_id, CALLS, actor="ben")
    assert again.control == first.control
    told = [json.loads(one.body) for one in records(quick.database, ("list_exported",))]
    assert [one["files"] for one in told] == [first.control["files"]] * 2
    assert {one["seal"] for one in told} == {made.digest}


@pytest.mark.parametrize("products", [("fund",), ("personal_loan",), ("fund", "personal_loan")])
def test_f78_who_opted_out_is_in_no_list(quick: ListedBank, products: tuple[str, ...]) -> None:
    quick.chance.update(dict.fromkeys(quick.names, 0.9))
    warehouse = quick.ready()
    out = quick.names[:3]
    for name in out:
        withdrawn(quick, name, "opted_out")
    made = draft(quick.database, warehouse, asked(products=products), actor="mia")
    done = seal(quick.database, warehouse, made.list_id, actor="mia")
    assert not set(out) & set(members(done).customer_id)
    assert done.counts.first["opted_out"] == 3


def test_controls_are_never_exported_and_a_name_that_is_a_formula_is_a_text(
    quick: ListedBank,
) -> None:
    names = {name: f"=cmd|'{name}'!A1" for name in quick.names}
    for name, wicked in names.items():
        about = {"name": wicked, "phone": "+886 912-345-678", "district_id": "D1"}
        quick.hand.add("customers", on="2026-06-01", customer_id=name, system="core", **about)
    _, made, done = handed(quick, control=0.3)
    text = (done.folder / "call_centre.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(text.decode("utf-8-sig").splitlines()))
    assert {row["name"] for row in rows} == {f"'{names[name]}" for name in listed(made)}
    assert {row["phone"] for row in rows} == {"886912345678"}
    assert made.counts.control == 9
    kept = pq.read_table(done.folder / "call_centre.parquet").to_pandas()
    assert list(kept.name) == [names[name] for name in listed(made)]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe(f"x{cell}") == f"x{cell}"


def test_a_list_goes_to_branches_in_gb18030_under_the_keys_of_their_system(
    quick: ListedBank,
) -> None:
    for name in quick.names:
        about = {"name": "謝義家", "address": "臺北市復興街160號", "district_id": "D1"}
        quick.hand.add("customers", on="2026-06-01", customer_id=name, system="core", **about)
    warehouse, made = sealed(quick, channel="branch")
    done = export(quick.database, warehouse, made.list_id, BUILT_IN["branch"], actor="mia")
    lines = (done.folder / "branch.csv").read_bytes().decode("gb18030").split("\r\n")
    assert lines[0].split("\t")[:4] == ["list", "row", "key", "name"]
    assert [line.split("\t")[2] for line in lines[1:-1]] == listed(made)
    assert "謝義家" in lines[1]
    with pytest.raises(ListError, match="takes phone"):
        export(quick.database, warehouse, made.list_id, CALLS, actor="mia")


def test_a_template_without_the_purpose_takes_no_contact_point(home: Path) -> None:
    with pytest.raises(ValueError, match="allows no name and no contact point"):
        Template(name="x", purpose="analysis", columns=("list", "row", "phone"))
    (home / "list-templates").mkdir(parents=True)
    path = home / "list-templates" / "own.json"
    path.write_text('{"name": "own", "columns": ["list", "row", "pd"]}')
    with pytest.raises(ListError, match=r"own\.json is no template: columns\.2"):
        template("own")
    path.write_text('{"name": "own", "columns": ["list", "row", "customer"], "delimiter": "|"}')
    assert template("own").delimiter == "|"
    with pytest.raises(ListError, match=r"no template '\.\./own'; there are analysis"):
        template("../own")


def results(path: Path, made: MadeList, *told: tuple[int, str, str]) -> Path:
    lines = [f"{made.list_id},{row},{what},{at}" for row, what, at in told]
    path.write_text("\n".join(["list,row,disposition,at", *lines]) + "\n")
    return path


def counted(found: Returned) -> tuple[int, int, int, int, int]:
    rejected = sum(found.rejected.values())
    return found.new, found.same, found.corrected, found.superseded, rejected


def test_results_are_taken_once_and_corrected_by_later_ones(
    clean: ListedBank, tmp_path: Path
) -> None:
    _, made, done = handed(clean)
    first = [(1, "reached", "2026-07-02T10:00:00"), (2, "refused", "2026-07-02T11:00:00Z")]
    path = results(tmp_path / "r.csv", made, *first)
    assert counted(take_results(clean.database, made.list_id, path, actor="x")) == (2, 0, 0, 0, 0)
    assert counted(take_results(clean.database, made.list_id, path, actor="x")) == (0, 2, 0, 0, 0)
    better = [(1, "accepted", "2026-07-03T10:00:00"), (2, "reached", "2026-07-01T11:00:00")]
    path = results(tmp_path / "r.csv", made, *better)
    found = take_results(clean.database, made.list_id, path, actor="x")
    assert counted(found) == (0, 0, 1, 1, 0)
    assert found.dispositions == {"accepted": 1, "refused": 1}
    assert found.delivered == done.control["rows"] == found.returned + found.outstanding
    assert (found.returned, find(clean.database, made.list_id).state) == (2, "returned")


def test_f64_a_result_that_matches_nothing_is_set_aside_and_the_others_stand(
    quick: ListedBank, tmp_path: Path
) -> None:
    _, made, _ = handed(quick)
    at = "2026-07-02T10:00:00"
    told = [
        (1, "accepted", at),
        (999, "accepted", at),
        (2, "loved it", at),
        (3, "accepted", "noon"),
    ]
    path = results(
        tmp_path / "r.csv", made, *told, (4, "accepted", "2126-01-01"), (1, "refused", at)
    )
    with path.open("a") as file:
        file.write(f'other,1,accepted,{at}\n"broken\n')
    found = take_results(quick.database, made.list_id, path, actor="x")
    assert counted(found) == (1, 0, 0, 0, 7)
    assert found.rejects
    kept = list(csv.DictReader(found.rejects.read_text("utf-8-sig").splitlines()))
    assert [row["line"] for row in kept] == ["3", "4", "5", "6", "7", "8", "9"]
    assert kept[5]["reason"] == "another list"


def test_an_opt_out_that_comes_back_is_a_notice_and_a_refusal_rests(
    quick: ListedBank, tmp_path: Path
) -> None:
    warehouse, made, _ = handed(quick)
    at = "2026-07-02T10:00:00"
    path = results(tmp_path / "r.csv", made, (1, "opted_out", at), (2, "refused", at))
    take_results(quick.database, made.list_id, path, actor="x")
    [found] = recall(quick.database, warehouse)
    assert (found.row, found.reasons) == (1, ("opted_out",))
    close(quick.database, made.list_id, actor="mia")
    next_one = draft(quick.database, warehouse, asked(seed=9), actor="mia")
    counts = next_one.counts
    assert (counts.first["in_sealed_list"], counts.first["opted_out"]) == (0, 1)
    assert (counts.applies["contacted_recently"], counts.applies["cool_off"]) == (2, 1)


def test_a_step_out_of_turn_is_refused(quick: ListedBank, tmp_path: Path) -> None:
    warehouse, made = drafted(quick)
    path = results(tmp_path / "r.csv", made, (1, "accepted", "2026-07-02"))
    with pytest.raises(ListError, match="is draft; only a sealed one"):
        export(quick.database, warehouse, made.list_id, CALLS, actor="mia")
    with pytest.raises(ListError, match="only an exported one takes results"):
        take_results(quick.database, made.list_id, path, actor="x")
    with pytest.raises(ListError, match="nothing to close"):
        close(quick.database, made.list_id, actor="mia")
    done = seal(quick.database, warehouse, made.list_id, actor="mia")
    assert seal(quick.database, warehouse, made.list_id, actor="mia") == done
    assert len(records(quick.database, ("list_sealed",))) == 1
    (tmp_path / "bad.csv").write_text("list,row\n")
    with pytest.raises(ContractBroken, match="disposition, at"):
        take_results(quick.database, made.list_id, tmp_path / "bad.csv", layout=Layout(), actor="x")


def test_a_seal_that_was_altered_is_not_exported(quick: ListedBank) -> None:
    warehouse, made = sealed(quick)
    path = made.folder.path / "members.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(NotReady, match=r"members\.parquet is missing or damaged"):
        export(quick.database, warehouse, made.list_id, CALLS, actor="mia")


def test_a_seal_fixes_the_same_members_whenever_it_is_made(quick: ListedBank) -> None:
    _, made = sealed(quick)
    told = json.loads((made.folder.path / "seal.json").read_text())
    assert told["members"] == file_digest(made.folder.path / "members.parquet")
    assert made.digest == hashlib.sha256((made.folder.path / "seal.json").read_bytes()).hexdigest()
    with quick.database.writing() as connection:  # as if the first seal had died before its commit
        connection.execute(
            sa.text("UPDATE lists SET state = 'draft', digest = :d"), {"d": told["draft"]}
        )
        kept = json.dumps(json.loads((made.folder.path / "list.json").read_text()))
        rest = {"unchecked": list(made.unchecked)}
        connection.execute(
            sa.text("UPDATE lists SET counts = :c"), {"c": json.dumps(json.loads(kept) | rest)}
        )
    again = seal(quick.database, Warehouse(), made.list_id, actor="mia")
    assert again.digest == made.digest


def test_a_notice_about_nobody_is_refused_and_one_that_stands_is_taken_once(
    clean: ListedBank,
) -> None:
    warehouse = clean.hand.load()
    now = datetime.now(UTC)
    given = [Notice("C001", "staff", holds=True, at=now)]
    assert [take(clean.database, warehouse, given, actor="x") for _ in range(2)] == [1, 0]
    with pytest.raises(UnknownCustomer, match="1 of 1 identifiers name nobody"):
        take(clean.database, warehouse, [Notice("C999", "staff", True, now)], actor="x")
    with pytest.raises(ListError, match="no such notice: rich"):
        take(clean.database, warehouse, [Notice("C001", "rich", True, now)], actor="x")


def run(*words: str) -> str:
    answer = CliRunner().invoke(serving.app, list(words), catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_commands_take_a_list_through_its_life(quick: ListedBank, tmp_path: Path) -> None:
    quick.ready()
    run("policy", "publish", "cautious", "--max-pd", "0.02", "--max-grade", "6", "--as", "rita")
    told = run(
        "list", "draft", "--product", "fund", "--size", "20", "--channel", "call_centre",
        "--policy", "cautious", "--cost", "10", "--seed", "4", "--day", "2026-07-01",
    )  # fmt: skip
    name = told.split("List ")[1].split()[0]
    assert "not checked, as nothing tells it: " in told
    assert "underpowered" in told
    assert " = book 40" in run("list", "seal", name)
    assert "20 rows in" in run("list", "export", name, "--template", "call_centre")
    made = find(quick.database, name)
    assert "To be recalled" in run("list", "notice", listed(made)[0], "opted_out")
    path = results(tmp_path / "r.csv", made, (2, "accepted", "2026-07-02"))
    assert "delivered 20 = returned 1 + outstanding 19" in run("list", "results", name, str(path))
    assert "is closed" in run("list", "close", name)
    assert name in run("list", "show")
    assert "PD" not in run("list", "show", name, "--marketing")
