"""A snapshot is its bytes: the same profiles give the same, damage is noticed."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from data.errors import FeatureError
from features.profile import Profiles, build
from features.snapshot import read_snapshot, read_spine, write_snapshot
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


def test_a_late_fact_gives_a_new_snapshot_and_leaves_the_old_one(
    profiles: Profiles, hand: DatedBank
) -> None:
    old = write_snapshot(profiles)
    hand.add("transactions", on="2024-06-29", amount=-1)
    new = write_snapshot(build(hand.load(), profiles.frame, ["spend_90d"]))
    assert new.folder != old.folder
    assert old.frame()["spend_90d"].tolist() == [700.0]
    assert new.frame()["spend_90d"].tolist() == [701.0]


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
