"""One customer online, a whole book on DuckDB and the same book on Spark: the same bits."""

import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from data.errors import ConfigurationError, FeatureError, UnknownCustomer
from data.warehouse import Warehouse
from features.__main__ import app
from features.catalogue import CATALOGUE
from features.definition import Facts, Measure, feature
from features.engines import DuckEngine, PolarsEngine
from features.online import profile_of
from features.profile import Profiles, build
from features.sources import BALANCES
from features.spark import SparkEngine, session
from features.spine import customers_as_of, extent
from tests.features.dated_bank import AS_OF, DatedBank, same_bits


@pytest.fixture(scope="module")
def offline(little: Warehouse, spine: pd.DataFrame) -> Profiles:
    """The book at two month-ends."""
    return build(little, spine)


def test_every_feature_can_be_built_from_the_simulated_bank(offline: Profiles) -> None:
    assert offline.absent == {}
    assert set(offline.features) == set(CATALOGUE)


def test_a_profile_built_online_has_the_bits_of_the_offline_row(
    little: Warehouse, spine: pd.DataFrame, offline: Profiles
) -> None:
    """F23"""
    for place in range(0, len(spine), len(spine) // 12):
        row = spine.iloc[place]
        alone = profile_of(little, row["customer_id"], row["as_of"])
        assert same_bits(alone.frame, offline.frame.iloc[[place]].reset_index(drop=True)), row


@pytest.mark.slow
def test_a_thousand_profiles_built_online_have_the_bits_of_the_book(little: Warehouse) -> None:
    """F23"""
    last = extent(little)[1]
    days = [last - timedelta(back) for back in (0, 40, 200, 500, 800)]
    rows = customers_as_of(little, days).sample(1_000, random_state=23, ignore_index=True)
    book = build(little, rows).frame
    halves = rows.iloc[:500], rows.iloc[500:]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        online = [*processes.map(one_by_one, (little.folder,) * 2, halves)]
    assert same_bits(pd.concat(online, ignore_index=True), book)


def one_by_one(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The profiles of some rows, each built for itself; in a process of its own."""
    warehouse = Warehouse(folder)
    found = [profile_of(warehouse, who, day).frame for who, day in rows.itertuples(index=False)]
    return pd.concat(found, ignore_index=True)


def test_a_profile_online_is_that_of_the_book_on_any_day(little: Warehouse) -> None:
    last = extent(little)[1]
    customer = customers_as_of(little, [last]).customer_id[7]
    days = [last - timedelta(back) for back in (0, 1, 29, 211, 500)]
    spine = pd.DataFrame({"customer_id": customer, "as_of": days})
    online = [profile_of(little, customer, day).frame for day in days]
    assert same_bits(pd.concat(online, ignore_index=True), build(little, spine).frame)


class Joining:
    """DuckDB asked for its facts alone, so that facts and spine are joined."""

    def __init__(self, warehouse: Warehouse) -> None:
        duck = DuckEngine(warehouse)
        self.manifest = duck.manifest
        self.facts, self.spine = duck.facts, duck.spine


def test_the_passes_over_sorted_facts_give_the_bits_of_the_join(little: Warehouse) -> None:
    """F22"""
    last = extent(little)[1]
    spine = customers_as_of(little, [last - timedelta(back) for back in (0, 3, 45, 400, 700)])
    spine = spine.sample(frac=1.0, random_state=5)
    assert same_bits(build(little, spine).frame, build(Joining(little), spine).frame)


def test_late_facts_and_tied_states_are_the_same_in_the_passes_and_in_the_join(
    hand: DatedBank,
) -> None:
    """F22"""
    draw = np.random.default_rng(8)
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="savings")
    for _ in range(300):
        day = date(2024, 1, 1) + timedelta(int(draw.integers(0, 180)))
        known = day + timedelta(int(draw.integers(0, 40)))
        account, amount = f"A{draw.integers(1, 3)}", int(draw.integers(-900, 900))
        clocks = {"on": day.isoformat(), "known": known.isoformat()}
        hand.add("transactions", **clocks, account_id=account, amount=amount)
        hand.add("balances", **clocks, account_id=account, ledger_balance=amount)
    days = [date(2024, 1, 2) + timedelta(n) for n in range(0, 220, 3)]
    spine = pd.DataFrame({"customer_id": "C1", "as_of": days})
    bank = hand.load()
    assert same_bits(build(bank, spine).frame, build(Joining(bank), spine).frame)


DAYS = st.integers(-3, 70).map(lambda back: date(2024, 6, 30) - timedelta(back))
FACTS = st.fixed_dictionaries(
    {
        "on": DAYS.map(date.isoformat),
        "late": st.sampled_from([0, 0, 1, 20]),
        "account_id": st.sampled_from(["A1", "A2", "A9"]),
        "amount": st.sampled_from([0, 1, -1, 700, -700, 2**40, -(2**40)]),
        "category": st.sampled_from([None, "salary", "dining"]),
        "counterparty": st.sampled_from([None, "P1", "P2"]),
        "market_value": st.sampled_from([None, 0, 5]),
        "automatic": st.booleans(),
    }
)


@given(st.lists(FACTS, min_size=1, max_size=25))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_nulls_ties_and_empty_groups_are_the_same_on_every_engine(
    facts: list[dict[str, Any]],
) -> None:
    """F22"""
    with TemporaryDirectory() as folder:
        hand = DatedBank(Path(folder))
        hand.customer("C9", "A9")
        hand.customer("C0", "A0")  # without a fact
        hand.add("accounts", on="2020-01-01", account_id="A2", product_id="savings")
        for fact in facts:
            known = date.fromisoformat(fact["on"]) + timedelta(fact["late"])
            clocks = {"on": fact["on"], "known": known.isoformat()}
            account = {"account_id": fact["account_id"]}
            names = ("amount", "category", "counterparty", "automatic")
            hand.add("transactions", **clocks, **account, **{name: fact[name] for name in names})
            worth = {"ledger_balance": fact["amount"], "market_value": fact["market_value"]}
            hand.add("balances", **clocks, **account, **worth)
        bank, days = hand.load(), [date(2024, 6, 30), date(2024, 7, 1)]
        rows = [(who, day) for who in ("C0", "C1", "C9") for day in days]
        spine = pd.DataFrame(rows, columns=["customer_id", "as_of"])
        passes = build(bank, spine)
        assert same_bits(passes.frame, build(Joining(bank), spine).frame)
        alone = build(PolarsEngine(bank, "C1"), spine.iloc[2:4])
        assert same_bits(alone.frame, passes.frame.iloc[2:4].reset_index(drop=True))


def test_different_values_of_states_are_counted_by_each_way(
    hand: DatedBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    @feature(BALANCES, "count", "neither", "Kinds held | 種類數 | 种类数")
    def kinds_held(position: Facts) -> Measure:
        """Kinds of account with money on them now."""
        return position.latest().where(position.worth > 0).family.distinct()

    monkeypatch.setitem(CATALOGUE, "kinds_held", kinds_held)
    for account, family, worth in (("A2", "fund", 5), ("A3", "fund", 6), ("A4", "savings", 0)):
        hand.add("accounts", on="2021-01-01", account_id=account, product_id=family)
        hand.add("balances", on="2024-01-01", account_id=account, ledger_balance=worth)
    hand.add("balances", on="2024-01-01", ledger_balance=7)
    bank, spine = hand.load(), pd.DataFrame({"customer_id": ["C1", "C2"], "as_of": [AS_OF] * 2})
    for store in (bank, Joining(bank)):
        assert build(store, spine, ["kinds_held"]).values.tolist() == [[2.0], [0.0]]


def test_numbers_that_are_not_whole_are_refused_by_name(
    little: Warehouse, spine: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    @feature(BALANCES, "money", "neither", "Half | 半數 | 半数")
    def half_of_it(position: Facts) -> Measure:
        """Half."""
        return (position.worth * 0.5).sum()

    monkeypatch.setitem(CATALOGUE, "half_of_it", half_of_it)
    with pytest.raises(FeatureError, match=r"'half_of_it' cannot be reckoned.*whole numbers"):
        build(little, spine, ["half_of_it"])


def test_a_stranger_has_no_profile_online(little: Warehouse) -> None:
    with pytest.raises(UnknownCustomer, match="no customer 'nobody' was known before"):
        profile_of(little, "nobody", extent(little)[1])


def test_a_day_outside_the_data_has_no_profile_online(little: Warehouse) -> None:
    with pytest.raises(FeatureError, match="as-of 1999-12-31 lies outside the data"):
        profile_of(little, "nobody", date(1999, 12, 31))


def test_only_the_features_asked_for_are_built_online(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-06-01", amount=-500)
    built = profile_of(hand.load(), "C1", date(2024, 6, 2), ["spend_90d"])
    assert built.features == ("spend_90d",)
    assert built.values.tolist() == [[500.0]]


@pytest.fixture(scope="module")
def on_spark(little: Warehouse) -> Iterator[SparkEngine]:
    with (
        warnings.catch_warnings(),
        session("local[2]", spark_sql_shuffle_partitions="4", spark_driver_memory="1g") as spark,
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # py4j leaves its sockets to the collector
        yield SparkEngine(little, spark)


@pytest.mark.java
@pytest.mark.spark
@pytest.mark.slow
def test_the_whole_catalogue_on_spark_has_the_bits_of_duckdb(
    on_spark: SparkEngine, spine: pd.DataFrame, offline: Profiles
) -> None:
    """F22"""
    built = build(on_spark, spine)
    assert built.features == offline.features
    assert same_bits(built.frame, offline.frame)
    assert (built.absent, built.manifest) == (offline.absent, offline.manifest)


@pytest.mark.spark
def test_without_java_the_engine_spark_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    refused = pytest.raises(ConfigurationError, match=r"needs a Java runtime, 17 or later.*apt")
    with refused, session():
        pass


@pytest.mark.spark
def test_a_java_that_is_too_old_is_refused_with_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    refused = pytest.raises(ConfigurationError, match=r"needs Java 17 or later; .* is 11")
    with refused, session():
        pass


def test_without_pyspark_the_engine_spark_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    refused = pytest.raises(ConfigurationError, match=r"needs pyspark\. Install the extra")
    with refused, session():
        pass


def test_a_master_without_spark_is_refused(home: Path) -> None:
    said = CliRunner().invoke(app, ["build", "--master", "spark://127.0.0.1:7077"])
    assert isinstance(said.exception, ConfigurationError)
    assert "--engine spark" in str(said.exception)
