"""The bank of the speed experiment loses no fact, and pandas finds the same numbers in it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import ConfigurationError
from data.warehouse import Warehouse
from experiments import feature_speed
from experiments._by_pandas import additive, by_pandas, facts_of
from experiments._thinned_bank import thinned
from features.engines import DuckEngine
from features.profile import build
from tests.features.dated_bank import AS_OF, DatedBank


@pytest.fixture
def thin(tmp_path: Path) -> Warehouse:
    hand = DatedBank(tmp_path)
    for day in range(1, 29):
        known = f"2024-{6 + day % 2:02}-28"  # every other one is learnt after the as-of day
        hand.add("transactions", on=f"2024-06-{day:02}", known=known, amount=day - 9)
    return thinned(hand.load(), tmp_path / "thin", 3)


def test_each_fact_goes_to_one_of_the_customers_in_the_place_of_one(thin: Warehouse) -> None:
    found = thin.frame(
        "SELECT customer_id, count(*) AS facts, sum(amount) AS amount FROM transactions"
        " JOIN accounts USING (account_id) GROUP BY ALL ORDER BY ALL"
    )
    assert list(found["customer_id"]) == ["C1-0", "C1-1", "C1-2"]
    assert sorted(found["facts"]) == [9, 9, 10]
    assert found["amount"].sum() == sum(day - 9 for day in range(1, 29))


def test_pandas_finds_the_numbers_of_the_build(thin: Warehouse) -> None:
    rows = [(f"C1-{n}", AS_OF.replace(month=month)) for month in (6, 7, 8) for n in range(3)]
    spine = pd.DataFrame(rows, columns=["customer_id", "as_of"])
    engine = DuckEngine(thin)
    features = [f for f in additive(engine) if f.source and f.source.name == "bookings"]
    names = [feature.name for feature in features]
    assert {"spend_90d", "largest_inflow_365d", "own_bookings_90d"} <= set(names)
    sources = [features[0].source] if features[0].source else []
    theirs = by_pandas(facts_of(engine, sources, pd.Index(["C1-0", "C1-1"])), spine, features)
    ours = build(thin, spine, names).frame
    both = spine["customer_id"] != "C1-2"
    np.testing.assert_array_equal(theirs[both][names], ours[both][names])
    assert len(set(ours["spend_90d"])) > 3


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_that_is_no_share_is_refused(scale: float) -> None:
    with pytest.raises(ConfigurationError, match="is no share"):
        feature_speed.run(scale=scale)
