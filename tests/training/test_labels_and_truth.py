"""Labels count the very thing that the simulated bank's truth tells the chance of."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.simulation.chains import CLOSED, SILENT
from data.warehouse import Warehouse
from experiments._true_bank import truly_identified
from experiments.attainable import Truth
from features.spine import customers_as_of
from training.labels import (
    CHURN,
    CREDIT_RISK,
    LIFETIME_VALUE,
    OFFERED,
    LabelContract,
    label,
    propensity,
)

# Windows that do not overlap, so that no event counts twice.
YEARLY = [date(2023, 6, 30), date(2024, 6, 30), date(2025, 5, 31)]
QUARTERLY = [date(y, m, d) for y in (2023, 2024, 2025) for m, d in ((3, 31), (6, 30), (9, 30))]
Asked = Callable[[LabelContract, str, list[date]], pd.DataFrame]


@pytest.fixture(scope="module")
def persons(
    loaded_home: Path, bank_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """The shared bank, its customers known for who they are."""
    folder = tmp_path_factory.mktemp("persons") / "warehouse"
    return truly_identified(Warehouse(loaded_home / "warehouse"), bank_files, folder)


@pytest.fixture
def asked(persons: Warehouse, bank_files: Path) -> Asked:
    """Labelled rows with their true chance beside them."""
    truth = Truth.of(persons, bank_files)

    def ask(contract: LabelContract, name: str, days: list[date]) -> pd.DataFrame:
        rows = label(persons, contract, customers_as_of(persons, days)).rows
        return rows.assign(chance=truth.about(rows, name))

    return ask


def deviations(rows: pd.DataFrame, spread: float) -> float:
    """How many standard deviations the sum of the labels lies from that of the chances."""
    return float((rows["target"].sum() - rows["chance"].sum()) / spread)


def luck(chance: pd.Series) -> float:
    """Standard deviation of the number of events."""
    return float((chance * (1 - chance)).sum() ** 0.5)


@pytest.mark.parametrize("horizon, months", [(91, 3), (182, 6), (365, 12)])
def test_who_churns_by_the_label_has_left_by_the_truth_and_nobody_else(
    asked: Asked, persons: Warehouse, bank_files: Path, horizon: int, months: int
) -> None:
    rows = asked(CHURN, "churn", [date(2023, 6, 30), date(2024, 2, 29), date(2025, 5, 31)])
    rows = rows[rows["horizon_days"] == horizon].reset_index(drop=True)
    chance = Truth.of(persons, bank_files).about(rows, "churn", horizon)
    states = pq.read_table(bank_files / "truth" / "states").to_pandas()
    then = pd.DataFrame(
        {
            "person_id": rows["customer_id"],
            "as_of": (pd.to_datetime(rows["as_of"]) + pd.offsets.MonthEnd(months)).dt.date,
        }
    ).merge(states, on=["person_id", "as_of"], how="left")
    gone = then["mood"].fillna(CLOSED).isin([CLOSED, SILENT])  # no state is told of the closed
    assert rows["target"].sum() > 30
    assert (rows["target"].to_numpy(bool) == gone.to_numpy()).all()
    assert not np.isnan(chance).any()
    told = rows.assign(chance=chance)
    assert abs(deviations(told, luck(told["chance"]))) < 4


def test_who_is_asked_about_default_has_a_true_chance_of_it(asked: Asked) -> None:
    rows = asked(CREDIT_RISK, "credit_risk", YEARLY)
    assert rows["chance"].notna().all()
    # The economy is luck that all share.
    spread = luck(rows["chance"]) + 0.05 * float(rows["chance"].sum())
    assert abs(deviations(rows, spread)) < 4


@pytest.mark.parametrize("family", OFFERED)
def test_take_up_without_a_contact_is_what_the_truth_tells(asked: Asked, family: str) -> None:
    rows = asked(propensity(family), f"propensity.{family}", QUARTERLY)
    # Who takes up a product on the as-of day itself holds it when the truth is told.
    assert (rows.loc[rows["chance"].isna(), "target"] == 1).all()
    told = rows.dropna(subset="chance")
    assert len(told) > 0.999 * len(rows)
    assert abs(deviations(told, luck(told["chance"]))) < 4


def test_contribution_is_what_the_truth_expects(asked: Asked) -> None:
    rows = asked(LIFETIME_VALUE, "lifetime_value", YEARLY)
    assert rows["chance"].notna().all()
    spread = float(np.std(rows["target"] - rows["chance"]) * len(rows) ** 0.5)
    assert abs(deviations(rows, spread)) < 4
    assert rows["target"].corr(rows["chance"], method="spearman") > 0.8
