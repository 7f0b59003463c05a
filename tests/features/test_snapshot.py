"""A snapshot is its bytes: the same profiles give the same, damage is noticed."""

import json
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from data.errors import FeatureError
from data.settings import settings
from data.warehouse import Warehouse
from features.__main__ import app
from features.batches import build_snapshot
from features.catalogue import CATALOGUE
from features.definition import Array, derived
from features.profile import Profiles, build
from features.restatement import difference
from features.snapshot import newest_snapshot, read_snapshot, read_spine, write_snapshot
from tests.features.dated_bank import AS_OF, DatedBank, same_bits


@pytest.fixture
def profiles(hand: DatedBank, home: Path) -> Profiles:
    hand.add("transactions", on="2024-06-30", amount=-700)
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    return build(hand.load(), spine, ["spend_90d", "loans_granted", "tenure_days"])


def test_the_same_profiles_give_the_same_bytes_in_the_same_place(profiles: Profiles) -> None:
    first = write_snapshot(profiles)
    content = (first.folder / "profiles.parquet").read_bytes()
    again = write_snapshot(profiles)
    assert again == first
    assert (again.folder / "profiles.parquet").read_bytes() == content


def test_a_snapshot_comes_back_as_it_was_written(profiles: Profiles) -> None:
    written = write_snapshot(profiles)
    found = read_snapshot(written.folder)
    assert found == written
    assert found.manifest == profiles.manifest
    assert same_bits(found.frame(), profiles.frame)


def test_the_draft_of_a_build_that_was_killed_is_swept_away(profiles: Profiles) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = settings().snapshots / f".draft-{gone.pid}-left"
    ours = settings().snapshots / f".draft-{os.getpid()}-running"
    foreign = settings().snapshots / ".draft-k2_x7-named"
    for draft in (left, ours, foreign):
        draft.mkdir(parents=True)
    write_snapshot(profiles)
    assert foreign.exists()
    assert not left.exists()
    assert ours.exists()


def test_of_a_snapshot_the_last_day_alone_is_taken(hand: DatedBank, home: Path) -> None:
    hand.add("transactions", on="2024-06-30", amount=-700)
    days = [AS_OF, date(2024, 6, 30)]
    spine = pd.DataFrame({"customer_id": ["C1", "C1"], "as_of": days})
    build_snapshot(hand.load(), spine)
    latest = newest_snapshot().latest()
    assert list(latest.frame["as_of"]) == [max(days)]
    assert same_bits(latest.frame, build(hand.load(), spine[spine["as_of"] == max(days)]).frame)


def test_without_a_snapshot_there_is_no_newest(home: Path) -> None:
    with pytest.raises(FeatureError, match="features build makes one"):
        newest_snapshot()


def test_a_late_fact_gives_a_new_snapshot_and_leaves_the_old_one(
    profiles: Profiles, hand: DatedBank
) -> None:
    """F21"""
    old = write_snapshot(profiles)
    hand.add("transactions", on="2024-06-29", amount=-1)
    new = write_snapshot(build(hand.load(), profiles.frame, ["spend_90d"]))
    assert new.folder != old.folder
    assert old.frame()["spend_90d"].tolist() == [700.0]
    assert new.frame()["spend_90d"].tolist() == [701.0]


def test_the_bytes_are_the_same_however_the_customers_are_cut(
    little: Warehouse, spine: pd.DataFrame, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = spine.sort_values(["customer_id", "as_of"], ignore_index=True)
    whole = write_snapshot(build(little, ordered))
    turned = spine.sample(frac=1.0, random_state=3)
    monkeypatch.setattr("features.snapshot.ROW_GROUP", 50)
    fifties = write_snapshot(build(little, ordered))
    assert fifties.digest != whole.digest  # or row groups would not be tried
    monkeypatch.setenv("ZHIKE_THREADS", "1")
    assert build_snapshot(little, turned, batch_rows=70).digest == fifties.digest
    told = list[tuple[str, int, int]]()
    few = build_snapshot(little, turned, batch_facts=2_000, progress=lambda *one: told.append(one))
    assert few.digest == fifties.digest
    assert len(told) > 1
    monkeypatch.undo()
    assert build_snapshot(little, spine).digest == whole.digest


def test_a_build_that_fails_half_way_leaves_nothing_behind(
    little: Warehouse, spine: pd.DataFrame, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @derived((CATALOGUE["tenure_days"],), "count", "neither", "Few | 少 | 少")
    def too_few(loans: Array) -> Array:
        """Right for a batch of a hundred rows alone."""
        return loans if len(loans) >= 100 else loans[:1]

    monkeypatch.setitem(CATALOGUE, "too_few", too_few)
    with pytest.raises(FeatureError, match="'too_few' must give one number a customer"):
        build_snapshot(little, spine.head(130), ["too_few"], batch_rows=100)
    assert not list(settings().snapshots.iterdir())


def test_a_batch_of_strangers_has_their_empty_profiles(hand: DatedBank, home: Path) -> None:
    hand.add("transactions", on="2024-06-30", amount=-700)
    spine = pd.DataFrame({"customer_id": ["C1", "nobody", "who"], "as_of": [AS_OF] * 3})
    built = build_snapshot(hand.load(), spine, ["spend_90d"], batch_rows=1)
    assert built.frame().to_dict("list") == spine.assign(spend_90d=[700.0, 0, 0]).to_dict("list")


def test_the_difference_of_two_snapshots_names_the_features_and_counts_the_profiles(
    hand: DatedBank, home: Path
) -> None:
    """F21"""
    hand.customer("C2", "A2")
    hand.add("transactions", on="2024-06-30", amount=-700)
    spine = pd.DataFrame({"customer_id": ["C1", "C2", "C3"], "as_of": [AS_OF] * 3})
    old = build_snapshot(hand.load(), spine.head(2), ["spend_90d", "spend_365d", "money_in_90d"])
    kept = old.path.read_bytes()
    hand.add("transactions", on="2023-12-01", known="2024-06-20", amount=-1)  # told late
    hand.add("transactions", on="2023-12-01", known="2024-06-20", amount=-2, account_id="A2")
    new = build_snapshot(
        hand.load(), spine.tail(2), ["spend_90d", "spend_365d", "own_bookings_90d"]
    )
    found = difference(old, new)
    assert (found.rows, found.changed, found.removed, found.added) == (1, 1, 1, 1)
    assert found.features == {"spend_365d": 1}
    assert (found.features_removed, found.features_added) == (
        ("money_in_90d",),
        ("own_bookings_90d",),
    )
    assert found.manifests == (old.manifest, new.manifest)
    assert old.path.read_bytes() == kept


def test_missing_equals_missing_in_the_difference(hand: DatedBank, home: Path) -> None:
    hand.add("transactions", on="2024-06-30", amount=-700)
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    old = build_snapshot(hand.load(), spine, ["days_since_own_booking", "largest_inflow_365d"])
    assert math.isnan(old.frame()["largest_inflow_365d"][0])
    assert difference(old, old).changed == 0
    other = build_snapshot(hand.load(), spine, ["tenure_days"])
    with pytest.raises(FeatureError, match="no feature in common"):
        difference(old, other)


def test_the_command_builds_month_ends_and_tells_what_late_facts_changed(
    hand: DatedBank, home: Path
) -> None:
    """F21"""
    hand.add("transactions", on="2024-03-30", amount=-700)
    hand.add("transactions", on="2024-06-30", amount=-700)
    hand.load()
    Warehouse().folder.parent.mkdir(parents=True, exist_ok=True)
    Warehouse().folder.symlink_to(hand.warehouse.folder)
    words = ["build", "--as-of", "2024-06-30", "--every", "month", "--count", "3"]
    assert "3 profiles" in CliRunner().invoke(app, words).stdout
    (first,) = settings().snapshots.iterdir()
    hand.add("transactions", on="2024-04-02", known="2024-04-20", amount=-1)
    hand.load()
    assert CliRunner().invoke(app, words).exit_code == 0
    (second,) = set(settings().snapshots.iterdir()) - {first}
    said = CliRunner().invoke(app, ["diff", str(first), str(second), "--json"])
    told = json.loads(said.stdout)
    assert (told["rows"], told["changed"]) == (3, 3)
    assert told["features"]["spend_180d"] == 3
    assert "3 of them differ" in CliRunner().invoke(app, ["diff", str(first), str(second)]).stdout


def test_one_flipped_bit_is_noticed(profiles: Profiles) -> None:
    written = write_snapshot(profiles)
    path = written.folder / "profiles.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeatureError, match=r"profiles\.parquet is missing or damaged"):
        read_snapshot(written.folder).frame()


def test_a_missing_file_is_noticed(profiles: Profiles) -> None:
    written = write_snapshot(profiles)
    (written.folder / "profiles.parquet").unlink()
    with pytest.raises(FeatureError, match="missing or damaged"):
        written.frame()


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "{}", '{"profiles": "x"}', "\xff"])
def test_a_folder_without_lineage_is_no_snapshot(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "lineage.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FeatureError, match="holds no snapshot"):
        read_snapshot(tmp_path)


def test_a_spine_is_read_from_csv_and_from_parquet(tmp_path: Path) -> None:
    spine = pd.DataFrame({"customer_id": ["0012", "C2"], "as_of": [AS_OF, date(2024, 1, 31)]})
    spine.assign(more=1).to_csv(tmp_path / "spine.csv", index=False)
    spine.to_parquet(tmp_path / "spine.parquet")
    for name in ("spine.csv", "spine.parquet"):
        assert read_spine(tmp_path / name).to_dict("list") == spine.to_dict("list")


@pytest.mark.parametrize(
    "text",
    [
        "customer,as_of\nC1,2024-01-31\n",  # no customer_id
        "customer_id,as_of\nC1,31.01.2024\n",  # not our way to write a day
        "customer_id,as_of\nC1,2024-02-30\n",  # no such day
        "",
    ],
)
def test_a_file_that_is_no_spine_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spine.csv"
    path.write_text(text)
    with pytest.raises(FeatureError, match=r"spine\.csv is no spine"):
        read_spine(path)


def test_a_spine_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"none\.parquet is no spine"):
        read_spine(tmp_path / "none.parquet")


def test_a_spine_row_with_a_blank_is_refused_not_dropped(tmp_path: Path) -> None:
    path = tmp_path / "spine.csv"
    path.write_text("customer_id,as_of\nC1,2024-01-31\nC2,\n")
    with pytest.raises(FeatureError, match=r"1 row.* without customer_id or as_of"):
        read_spine(path)
