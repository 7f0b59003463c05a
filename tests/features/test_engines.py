"""One customer online, a whole book on DuckDB and the same book on Spark: the same bits."""

import sys
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from data.errors import ConfigurationError, FeatureError, UnknownCustomer
from data.warehouse import Warehouse
from features.__main__ import app
from features.catalogue import CATALOGUE
from features.online import profile_of
from features.profile import Profiles, build
from features.spark import SparkEngine, session
from features.spine import extent
from tests.features.dated_bank import DatedBank, same_bits


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
    for place in range(0, len(spine), 7):
        row = spine.iloc[place]
        alone = profile_of(little, row["customer_id"], row["as_of"])
        assert same_bits(alone.frame, offline.frame.iloc[[place]].reset_index(drop=True)), row


def test_a_profile_online_is_that_of_the_book_on_any_day(little: Warehouse) -> None:
    last = extent(little)[1]
    customer = "C00000007"
    days = [last - timedelta(back) for back in (0, 1, 29, 211, 500)]
    spine = pd.DataFrame({"customer_id": customer, "as_of": days})
    online = [profile_of(little, customer, day).frame for day in days]
    assert same_bits(pd.concat(online, ignore_index=True), build(little, spine).frame)


def test_a_stranger_has_no_profile_online(little: Warehouse) -> None:
    with pytest.raises(UnknownCustomer, match="no customer 'nobody' was known before"):
        profile_of(little, "nobody", extent(little)[1])


def test_a_day_outside_the_data_has_no_profile_online(little: Warehouse) -> None:
    with pytest.raises(FeatureError, match="as-of 1999-12-31 lies outside the data"):
        profile_of(little, "C00000007", date(1999, 12, 31))


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
