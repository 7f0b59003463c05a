"""The simulated bank's truth: it tells what then happens, bounds every model, and stays apart."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from data.settings import CHECKOUT
from data.simulation.chains import MACRO, NEED, mood_matrix, trouble_matrix
from data.simulation.prices import FAMILY_NAMES, TAKEN_UP
from data.sources import open_source
from data.warehouse import Warehouse
from experiments._true_bank import true_bank

FAMILIES = [FAMILY_NAMES[family] for family in TAKEN_UP]
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def truth(bank_files: Path) -> pd.DataFrame:
    """The hidden probabilities of the shared bank."""
    frame = pq.read_table(bank_files / "truth" / "probabilities").to_pandas()
    frame = frame.rename(columns={"person_id": "customer_id"})
    return frame.assign(as_of=pd.to_datetime(frame["as_of"]))


@pytest.fixture(scope="module")
def tables(bank_files: Path) -> duckdb.DuckDBPyConnection:
    """What the truth is held against: the shared bank, person by person."""
    return true_bank(bank_files)


def attainable_auc(chance: pd.Series) -> float:
    """AUC of the chances themselves, each row counted as an event with its own chance."""
    ranked = np.sort(chance.dropna().to_numpy(np.float64))
    others = np.cumsum(1 - ranked) - (1 - ranked) / 2
    return float((ranked * others).sum() / (ranked.sum() * (1 - ranked).sum()))


def test_a_fifth_of_the_customers_bring_most_of_the_value(truth: pd.DataFrame) -> None:
    worth = np.sort(truth.groupby("customer_id")["contribution_12m"].mean().to_numpy())[::-1]
    assert 0.6 < worth[: len(worth) // 5].sum() / worth.sum() < 0.95
    assert 0.02 < (worth < 0).mean() < 0.4


def test_a_banker_recognises_the_rates(truth: pd.DataFrame) -> None:
    assert 0.04 < truth["churn_12m"].mean() < 0.12
    assert 0.01 < truth["default_12m"].mean() < 0.03
    for family in FAMILIES:
        yearly = 1 - (1 - truth[f"take_up_{family}"].mean()) ** 4
        assert 0.01 < yearly < 0.10, family


@pytest.mark.parametrize(
    "question",
    ["churn_3m", "churn_6m", "churn_12m", "default_12m", *(f"take_up_{f}" for f in FAMILIES)],
)
def test_the_best_possible_model_is_good_and_not_perfect(
    truth: pd.DataFrame, question: str
) -> None:
    assert 0.75 < attainable_auc(truth[question]) < 0.92


def test_a_contact_persuades_some_and_puts_off_others(truth: pd.DataFrame) -> None:
    uplift = truth["take_up_fund_contacted"] / truth["take_up_fund"]
    assert (uplift < 0.95).mean() > 0.03
    assert (uplift > 1.3).mean() > 0.3


@pytest.mark.parametrize("matrix", [MACRO, NEED], ids=["economy", "need"])
def test_hidden_states_go_somewhere(matrix: Floats) -> None:
    assert np.allclose(matrix.sum(axis=1), 1)
    assert (matrix >= 0).all()


def test_nobody_is_so_restless_or_frail_that_chances_exceed_one() -> None:
    extreme = np.array([1e-3, 1.0, 50.0])
    for chain in (
        mood_matrix(extreme),
        trouble_matrix(extreme, -1.5),
        trouble_matrix(extreme, 1.5),
    ):
        assert np.allclose(chain.sum(axis=1), 1)
        assert (chain >= 0).all()


def test_longer_horizons_are_never_less_likely(truth: pd.DataFrame) -> None:
    asked = truth.dropna(subset="churn_3m")
    assert (asked["churn_3m"] <= asked["churn_6m"] + 1e-6).all()
    assert (asked["churn_6m"] <= asked["churn_12m"] + 1e-6).all()


def yearly_rows(truth: pd.DataFrame, question: str) -> pd.DataFrame:
    """Rows a year apart with their chances, so that no event counts twice."""
    rows = truth[truth["as_of"].isin(pd.to_datetime(["2023-06-30", "2024-06-30", "2025-06-30"]))]
    return rows[["customer_id", "as_of", question]].dropna()


def events_within(rows: pd.DataFrame, events: pd.DataFrame, days: int) -> float:
    """How many rows see an event within the days after their as-of day."""
    both = rows.merge(events, on="customer_id")
    after = (both["day"] - both["as_of"]).dt.days
    hit = both[(after > 0) & (after <= days)]
    return float(len(hit[["customer_id", "as_of"]].drop_duplicates()))


def close_to(found: float, chances: pd.Series, doubt: float) -> bool:
    """Within four standard deviations and a share for the luck of the economy."""
    spread = float((chances * (1 - chances)).sum()) ** 0.5
    return bool(abs(found - float(chances.sum())) < 4 * spread + doubt * float(chances.sum()))


def test_customers_leave_as_often_as_the_truth_says(
    tables: duckdb.DuckDBPyConnection, truth: pd.DataFrame
) -> None:
    events = tables.execute("""
        SELECT customer_id, max(c.event_at)::DATE::TIMESTAMP AS day
        FROM accounts LEFT JOIN closings c USING (account_id)
        GROUP BY 1 HAVING count(*) = count(c.account_id)
        UNION ALL
        SELECT customer_id, max(t.event_at)::DATE + INTERVAL 90 DAY
        FROM transactions t JOIN accounts USING (account_id)
        LEFT JOIN closings c USING (account_id) WHERE NOT automatic
        GROUP BY 1 HAVING max(t.event_at) < '2026-04-02' AND NOT bool_and(c.account_id IS NOT NULL)
        """).df()
    rows = yearly_rows(truth, "churn_12m")
    assert close_to(events_within(rows, events, 365), rows["churn_12m"], 0.05)


def test_customers_default_as_often_as_the_truth_says(
    tables: duckdb.DuckDBPyConnection, truth: pd.DataFrame
) -> None:
    events = tables.execute("""
        SELECT DISTINCT customer_id, r.event_at::DATE::TIMESTAMP AS day
        FROM repayments r JOIN loans USING (loan_id) JOIN accounts USING (account_id)
        WHERE days_past_due > 90
        UNION
        SELECT DISTINCT customer_id, s.event_at::DATE::TIMESTAMP
        FROM statements s JOIN accounts USING (account_id) WHERE days_past_due > 90
        """).df()
    rows = yearly_rows(truth, "default_12m")
    assert close_to(events_within(rows, events, 365), rows["default_12m"], 0.3)


@pytest.mark.parametrize("family", FAMILIES)
def test_products_are_taken_up_as_often_as_the_truth_says(
    tables: duckdb.DuckDBPyConnection, truth: pd.DataFrame, family: str
) -> None:
    events = tables.execute(
        "SELECT customer_id, a.event_at::DATE::TIMESTAMP AS day"
        " FROM accounts a JOIN products USING (product_id) WHERE family = ?",
        [family],
    ).df()
    rows = yearly_rows(truth, f"take_up_{family}")
    # Contacts add to what happens without them.
    assert close_to(events_within(rows, events, 90), rows[f"take_up_{family}"], 0.15)


def test_customers_bring_what_the_truth_expects(
    loaded_home: Path, tables: duckdb.DuckDBPyConnection, truth: pd.DataFrame
) -> None:
    whose = tables.sql("SELECT account_id, customer_id FROM accounts").to_arrow_table().to_pandas()
    brought = Warehouse(loaded_home / "warehouse").frame(
        """
        SELECT w.customer_id, sum(contribution) / 300 AS brought
        FROM contributions JOIN whose w USING (account_id)
        WHERE event_day > DATE '2023-06-30' - DATE '1970-01-01' GROUP BY 1""",
        whose=whose,
    )
    rows = yearly_rows(truth, "contribution_12m")
    expected = rows.groupby("customer_id")["contribution_12m"].sum() / 3
    both = brought.set_index("customer_id").join(expected, how="inner")
    # A single mortgage written off, its home not yet sold, is a seventh of the sum.
    assert both["brought"].sum() == pytest.approx(both["contribution_12m"].sum(), rel=0.12)
    assert both["brought"].corr(both["contribution_12m"], method="spearman") > 0.8


def test_no_source_delivers_the_truth(bank_files: Path) -> None:
    delivered = [delivery.path for delivery in open_source("simulated", bank_files).deliveries]
    assert delivered
    assert not [path for path in delivered if "truth" in path.parts]


def test_no_feature_recipe_or_answer_opens_the_truth() -> None:
    readers = [
        path
        for package in ("features", "training", "serving")
        for path in (CHECKOUT / package).rglob("*.py")
    ]
    assert readers
    assert not [path for path in readers if '"truth"' in path.read_text(encoding="utf-8")]
