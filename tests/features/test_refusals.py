"""What an author or a table gets wrong is one error that names the feature."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from data.errors import FeatureError
from data.warehouse import Manifest, Warehouse
from features.__main__ import app
from features.catalogue import CATALOGUE
from features.definition import Array, Facts, Feature, Measure, derived, feature
from features.profile import build
from features.sources import LOANS, TOUCHES
from tests.features.dated_bank import AS_OF, DatedBank

ONE = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
SAID = "Loans | 貸款 | 贷款"


@pytest.fixture
def lent(hand: DatedBank) -> Warehouse:
    hand.add("loans", on="2023-01-01", amount=5)
    hand.add("interactions", on="2023-01-01", customer_id="C1", kind="login")
    hand.add("transactions", on="2024-01-15", amount=-1)
    return hand.load()


def built_with(made: Feature, lent: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, made.name, made)
    build(lent, ONE, [made.name])


def without_column(warehouse: Warehouse, table: str, column: str) -> Warehouse:
    """The same bank, one of whose tables was written without a column."""
    manifest = warehouse.manifest
    rows = warehouse.connect(manifest).table(table).to_arrow_table().drop_columns([column])
    batch = warehouse.write(table, rows.to_batches(), rows.schema)
    assert batch is not None
    kept = tuple(b for b in manifest.batches if b.table != table)
    warehouse.commit(Manifest(source="by hand", batches=(*kept, batch)))
    return warehouse


def test_a_table_that_lacks_a_column_is_told_with_a_feature_that_needs_it(lent: Warehouse) -> None:
    older = without_column(lent, "interactions", "kind")
    with pytest.raises(FeatureError, match=r"'logins_30d' cannot be built: .*interactions.*kind"):
        build(older, ONE, ["logins_30d"])
    with pytest.raises(FeatureError, match=r"feature '\w+' \(and \d+ more\) cannot be built"):
        build(older, ONE)
    assert build(older, ONE, ["spend_365d"]).values.tolist() == [[1.0]]


def test_a_column_that_a_source_does_not_give_is_told_with_those_it_gives(
    lent: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    @feature(LOANS, "money", "neither", SAID)
    def loan_mood(granted: Facts) -> Measure:
        """Mood."""
        return granted.mood.sum()

    with pytest.raises(FeatureError, match=r"'loan_mood' reads 'mood'.*'loans'.*amount"):
        built_with(loan_mood, lent, monkeypatch)


def test_a_state_of_facts_that_have_none_is_told(
    lent: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    @feature(TOUCHES, "count", "neither", SAID)
    def last_touch(touched: Facts) -> Measure:
        """Last."""
        return touched.latest().count()

    with pytest.raises(FeatureError, match=r"'last_touch' asks for a state.*'touches'"):
        built_with(last_touch, lent, monkeypatch)


@pytest.mark.parametrize("shape", [(2,), (1, 2), ()])
def test_more_than_one_number_a_customer_is_told(
    lent: Warehouse, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    @derived((CATALOGUE["loans_granted"],), "count", "neither", SAID)
    def too_many(loans: Array) -> Array:
        """Too many."""
        return np.zeros(shape)

    with pytest.raises(FeatureError, match="'too_many' must give one number a customer: for 1"):
        built_with(too_many, lent, monkeypatch)


def test_a_measure_of_rows_is_told(lent: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    @feature(LOANS, "count", "neither", SAID)
    def each_loan(granted: Facts) -> Measure:
        """Each."""
        return Measure(granted.count().parts, lambda loans: np.concatenate([loans, loans]))

    with pytest.raises(FeatureError, match="'each_loan' must give one number a customer"):
        built_with(each_loan, lent, monkeypatch)


def test_a_spine_file_with_a_day_outside_the_data_is_refused(
    lent: Warehouse, home: Path, tmp_path: Path
) -> None:
    Warehouse().folder.parent.mkdir(parents=True)
    Warehouse().folder.symlink_to(lent.folder)
    (tmp_path / "spine.csv").write_text("customer_id,as_of\nC1,2031-01-01\n")
    said = CliRunner().invoke(app, ["build", "--spine", str(tmp_path / "spine.csv")])
    assert isinstance(said.exception, FeatureError)
    assert "as-of 2031-01-01 lies outside the data" in str(said.exception)
