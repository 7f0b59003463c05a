"""F13: a feature that reads a day which has not come is marked, and its value is no silent zero."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from data.warehouse import Day
from features.profile import Profiles, build
from features.snapshot import write_snapshot
from tests.features.dated_bank import AS_OF, DatedBank

FEATURES = ("own_bookings_30d", "spend_90d", "tenure_days", "loans_granted")


def built(hand: DatedBank, *gaps: date, table: str = "transactions") -> Profiles:
    """Profiles of a bank that lacks some days of a table."""
    hand.add("transactions", on="2024-06-30", amount=-700)
    warehouse = hand.load()
    days = tuple(Day(table=table, day=day) for day in gaps)
    warehouse.commit(warehouse.manifest.model_copy(update={"gaps": days}))
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    return build(warehouse, spine, FEATURES)


def ago(days: int) -> date:
    return AS_OF - timedelta(days)


def test_a_gap_within_the_window_marks_the_feature(hand: DatedBank) -> None:
    assert built(hand, ago(40)).stale == {"spend_90d": "transactions lack 2024-05-22"}


def test_the_window_is_reached_to_its_first_day_and_no_further(hand: DatedBank) -> None:
    assert set(built(hand, ago(30)).stale) == {"own_bookings_30d", "spend_90d"}
    assert set(built(hand, ago(31)).stale) == {"spend_90d"}
    assert set(built(hand, ago(90)).stale) == {"spend_90d"}
    assert built(hand, ago(91)).stale == {}


def test_a_day_that_no_profile_reads_marks_nothing(hand: DatedBank) -> None:
    assert built(hand, ago(0), ago(-1)).stale == {}


def test_a_gap_of_another_table_marks_nothing_of_this(hand: DatedBank) -> None:
    assert built(hand, ago(5), table="interactions").stale == {}


def test_every_missing_day_is_told(hand: DatedBank) -> None:
    assert built(hand, ago(3), ago(2)).stale["own_bookings_30d"] == (
        "transactions lack 2024-06-28, 2024-06-29"
    )


def test_the_lineage_of_a_snapshot_keeps_what_was_stale(hand: DatedBank, home: Path) -> None:
    profiles = built(hand, ago(3))
    lineage = json.loads((write_snapshot(profiles).folder / "lineage.json").read_text())
    assert lineage["stale"] == profiles.stale != {}


def test_a_day_that_comes_clears_the_mark(hand: DatedBank) -> None:
    assert built(hand, ago(3)).stale
    assert built(hand).stale == {}


def test_contribution_is_as_old_as_what_it_is_made_of(hand: DatedBank) -> None:
    hand.add("contributions", on="2024-05-31", customer_id="C1", account_id="A1", contribution=5)
    warehouse = hand.load()
    gap = Day(table="balances", day=ago(35))
    warehouse.commit(warehouse.manifest.model_copy(update={"gaps": (gap,)}))
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    assert build(warehouse, spine, ["contribution_120d"]).stale == {
        "contribution_120d": "balances lack 2024-05-27"
    }
