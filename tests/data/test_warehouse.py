"""What is in the warehouse is whole, reproducible, and visible all at once or not at all."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from data.errors import WarehouseError
from data.warehouse import Batch, Manifest, Warehouse, engine, file_digest, replace_file
from tests.data.small_bank import SmallBank, account, bookings

CHECKOUT = Path(__file__).resolve().parents[2]
PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from data.loading import load
from data.sources import open_source
from data.warehouse import Warehouse, engine, replace_file

source, folder = open_source("canonical", Path(sys.argv[1])), Path(sys.argv[2])

def die(*anything):
    os.kill(os.getpid(), signal.SIGKILL)

class DiesBeforeCommit(Warehouse):
    commit = die

def in_child(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return child
"""
DIE_AT_EVERY_STEP = """
class DiesBeforeRename(Warehouse):
    def commit(self, manifest):
        replace_file(self.folder / "manifests" / f"{manifest.digest}.json", manifest.text.encode())
        die()

works = [
    lambda: load(source, Warehouse(folder), progress=die),
    lambda: load(source, Warehouse(folder), progress=lambda step, *_: step == "writing" and die()),
    lambda: load(source, DiesBeforeCommit(folder)),
    lambda: load(source, DiesBeforeRename(folder)),
    lambda: load(source, Warehouse(folder)) and die(),
]
for work in works:
    os.waitpid(in_child(work), 0)
    print(Warehouse(folder).manifest.digest)
"""
DIE_AT_ANY_TIME = """
import random
lots, empty = random.Random(9), (folder / "manifest.json").read_bytes()
started = time.monotonic()
os.waitpid(in_child(lambda: load(source, Warehouse(folder))), 0)
usual = time.monotonic() - started
for attempt in range(200):
    replace_file(folder / "manifest.json", empty)
    child = in_child(lambda: load(source, Warehouse(folder)))
    time.sleep(usual * lots.uniform(0, 1.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(Warehouse(folder).manifest.digest)
"""
LOAD_AT_ONCE = """
rounds, others = int(sys.argv[3]), open_source("canonical", Path(sys.argv[4]))
for number in range(rounds):
    barrier, gate = os.pipe()
    target = folder / str(number)

    def work(source):
        os.close(gate)
        os.read(barrier, 1)
        load(source, Warehouse(target))

    mine = [source, others] * (4 if rounds > 1 else 2)
    children = [in_child(lambda: work(one)) for one in mine]
    os.close(barrier)
    os.close(gate)
    ended = {os.waitpid(child, 0)[1] for child in children}
    seen = Warehouse(target).connect().execute("SELECT count(*) FROM transactions").fetchall()
    batches = len(Warehouse(target).manifest.of("transactions"))
    print(ended, seen, batches)
"""


def outside(bank: SmallBank, script: str, *words: str | Path) -> list[str]:
    """The lines that a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, bank.folder, bank.warehouse.folder, *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        timeout=400,
    )
    return done.stdout.splitlines()


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def written(warehouse: Warehouse, *cuts: pa.Table) -> Batch:
    batches = [batch for cut in cuts for batch in cut.to_batches()]
    batch = warehouse.write("customers", batches, cuts[0].schema)
    assert batch is not None
    return batch


def test_an_empty_warehouse_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"is empty. Load something first: \./zhike data load"):
        Warehouse(tmp_path).connect()


def test_every_canonical_table_can_be_asked_even_one_without_rows(bank: SmallBank) -> None:
    bank.load()
    assert bank.rows("SELECT count(*), max(event_day), max(amount) FROM transactions") == [
        (0, None, None)
    ]


def test_the_same_rows_give_the_same_bytes_however_they_are_cut(tmp_path: Path) -> None:
    rows = pa.table({"n": pa.array(range(300_000), pa.int64())})
    cuts = [rows.slice(0, 7), rows.slice(7, 200_001), rows.slice(200_008)]
    once, again = Warehouse(tmp_path / "a"), Warehouse(tmp_path / "b")
    assert written(once, rows).sha256 == written(again, *cuts).sha256


def test_the_same_inputs_give_the_same_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("ZHIKE_THREADS", threads)
        bank = SmallBank(tmp_path / threads)
        bank.csv("products", "P1,current,0.02,20.00")
        bank.csv("balances", *(f"A1,2024-0{m}-28,2024-0{m}-28,{m}000.00" for m in range(1, 7)))
        bank.csv("transactions", *bookings(range(500)), "T9999")
        digests.add(bank.load().manifest)
    assert len(digests) == 1


def test_a_damaged_batch_is_noticed_by_its_digest(bank: SmallBank) -> None:
    """F08"""
    bank.load()
    (batch,) = bank.warehouse.manifest.of("customers")
    path = bank.warehouse.folder / batch.file
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(WarehouseError, match=rf"{batch.file} is damaged.*{batch.sha256[:12]}"):
        Warehouse(bank.warehouse.folder).connect()


def test_a_missing_batch_is_named(bank: SmallBank) -> None:
    bank.load()
    (batch,) = bank.warehouse.manifest.of("accounts")
    (bank.warehouse.folder / batch.file).unlink()
    with pytest.raises(WarehouseError, match=rf"{batch.file} is missing"):
        Warehouse(bank.warehouse.folder).connect()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"batches": 1}', b"\xff\xfe"])
def test_a_damaged_manifest_is_no_traceback(bank: SmallBank, content: bytes) -> None:
    bank.load()
    (bank.warehouse.folder / "manifest.json").write_bytes(content)
    with pytest.raises(WarehouseError, match=r"manifest.json is damaged.*copy it back"):
        bank.warehouse.connect()


def test_the_kept_manifest_is_the_visible_one(bank: SmallBank) -> None:
    digest = bank.load().manifest
    kept = bank.warehouse.folder / "manifests" / f"{digest}.json"
    assert kept.read_bytes() == (bank.warehouse.folder / "manifest.json").read_bytes()
    assert file_digest(kept) == digest == bank.warehouse.manifest.digest


def test_a_reader_keeps_what_it_opened_while_a_load_replaces_it(bank: SmallBank) -> None:
    bank.load()
    reader = bank.warehouse.connect()
    bank.csv("customers", "C1,2024-01-01,2024-01-01,Ann", "C2,2024-01-01,2024-01-01,Bo")
    bank.load(replace=True)
    assert ("王小明",) in reader.execute("SELECT name FROM customers").fetchall()


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "manifest.json"
    replace_file(path, b"old")
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_batch_without_rows_is_no_batch(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    assert warehouse.write("customers", [], numbers(1).schema) is None
    assert list((tmp_path / "batches" / "customers").iterdir()) == []


def test_a_manifest_does_not_depend_on_the_order_of_its_keys() -> None:
    manifest = Manifest(source="canonical", notes=("a", "b"))
    shuffled = dict(reversed(json.loads(manifest.text).items()))
    assert Manifest.model_validate(shuffled).digest == manifest.digest


def test_text_from_a_path_cannot_break_out_of_a_query(tmp_path: Path) -> None:
    bank = SmallBank(tmp_path / "it's a bank; --")
    bank.load()
    assert bank.rows("SELECT count(*) FROM customers") == [(2,)]


def test_the_engine_speaks_utc() -> None:
    with engine() as connection:
        shown = connection.execute("SELECT TIMESTAMPTZ '2024-02-01 12:00:00+08'::VARCHAR")
        assert shown.fetchall() == [("2024-02-01 04:00:00+00",)]


def test_a_load_killed_in_the_middle_leaves_what_was(bank: SmallBank) -> None:
    """F09"""
    before = bank.load().manifest
    bank.csv("transactions", *bookings(range(20)))
    *killed, after = outside(bank, DIE_AT_EVERY_STEP)
    assert killed == [before] * 4
    assert after != before  # killed between the commit and the answer
    assert account(bank.load(), "transactions.csv") == (20, 0, 0, 20)
    assert bank.rows("SELECT count(*) FROM transactions") == [(20,)]


@pytest.mark.slow
def test_a_load_killed_at_any_time_is_all_or_nothing(bank: SmallBank) -> None:
    """F09: 200 kills, each of a load that has all before it."""
    before = bank.load().manifest
    bank.csv("transactions", *bookings(range(2_000)))
    seen = outside(bank, DIE_AT_ANY_TIME)
    after = bank.load().manifest
    assert bank.rows("SELECT count(*) FROM transactions") == [(2_000,)]
    assert len(seen) == 200
    assert set(seen) == {before, after}


def test_what_a_killed_load_left_behind_is_cleared_away(bank: SmallBank) -> None:
    """F09"""
    leftover = bank.warehouse.folder / "batches" / "customers" / ".draft-1-customers.parquet"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"PAR1 half")
    bank.load()
    assert not leftover.exists()
    assert not (bank.warehouse.folder / ".spill").exists()


@pytest.mark.parametrize(
    "rounds", [pytest.param(1, id="once"), pytest.param(50, id="often", marks=pytest.mark.slow)]
)
def test_loads_at_once_all_complete_and_lose_nothing(
    bank: SmallBank, tmp_path: Path, rounds: int
) -> None:
    """F10: the same file and two different ones; 8 processes in each of the many rounds."""
    other = SmallBank(tmp_path / "other")
    bank.csv("transactions", *bookings(range(50)))
    other.csv("transactions", *bookings(range(40, 90)))
    told = outside(bank, LOAD_AT_ONCE, str(rounds), other.folder)
    assert told == ["{0} [(90,)] 2"] * rounds  # what comes again adds no batch


_FIELDS: list[tuple[str, pa.DataType]] = [
    ("record_id", pa.string()),
    ("customer_id", pa.string()),
    ("known_day", pa.int32()),
    ("run", pa.int32()),
]
CROSSWALKED = pa.schema(_FIELDS)


def identified(bank: SmallBank, *rows: tuple[str, str, int, int]) -> Warehouse:
    """The small bank with a crosswalk of (record, person, day known, run), and a golden record."""
    bank.load()
    warehouse = bank.warehouse
    columns = zip(*rows, strict=True)
    crosswalk = pa.table([pa.array(column) for column in columns], CROSSWALKED.names)
    persons = warehouse.connect().sql("FROM customers WHERE customer_id = 'C1'").to_arrow_table()
    tables = {"crosswalk": crosswalk.cast(CROSSWALKED), "golden_records": persons}
    written = [warehouse.write(n, t.to_batches(), t.schema) for n, t in tables.items()]
    before = warehouse.manifest
    batches = (*before.batches, *(batch for batch in written if batch))
    warehouse.commit(before.model_copy(update={"batches": batches}))
    return warehouse


def test_two_records_of_one_person_are_read_as_one_customer(bank: SmallBank) -> None:
    warehouse = identified(bank, ("C1", "C1", 0, 1), ("C2", "C1", 0, 1))
    assert set(warehouse.frame("SELECT customer_id FROM accounts")["customer_id"]) == {"C1"}
    assert list(warehouse.frame("SELECT name FROM customers")["name"]) == ["王小明"]


def test_what_a_record_tells_counts_once_it_is_known_whose_it_is(bank: SmallBank) -> None:
    warehouse = identified(bank, ("C2", "C1", 30_000, 1))
    days = warehouse.frame("SELECT account_id, known_day FROM accounts ORDER BY 1")["known_day"]
    assert list(days > 29_999) == [False, True]


def test_records_of_one_system_need_no_identification(bank: SmallBank) -> None:
    bank.load()
    assert bank.warehouse.unidentified() == 0


def test_records_of_several_systems_wait_for_identification(bank: SmallBank) -> None:
    header = "customer_id,event_at,known_at,system"
    rows = [f"C{i},2024-01-01,2024-01-01,{system}" for i, system in enumerate(("core", "cards"), 1)]
    bank.csv("customers", *rows, header=header)
    assert identified(bank, ("C1", "C1", 0, 1)).unidentified() == 1


def test_the_newest_identification_holds_and_unknown_records_stand_for_themselves(
    bank: SmallBank,
) -> None:
    warehouse = identified(bank, ("C2", "C1", 0, 1), ("C2", "C2", 0, 2), ("C1", "C1", 0, 1))
    assert set(warehouse.frame("SELECT customer_id FROM accounts")["customer_id"]) == {"C1", "C2"}
    raw = warehouse.connect(resolved=False).sql("SELECT customer_id FROM accounts").fetchall()
    assert sorted(raw) == [("C1",), ("C2",)]


def test_the_engine_keeps_to_the_memory_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIKE_MEMORY_GB", "1")
    (limit,) = engine().execute("SELECT current_setting('memory_limit')").fetchall()[0]
    assert limit == "953.6 MiB"
