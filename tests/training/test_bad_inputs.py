"""Data that cannot carry a question are refused with counts and dates, and nothing is registered."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import training.run
from data.errors import TrainingError
from data.warehouse import Warehouse
from features.profile import Profiles, build
from training import registry, release
from training.labels import CHURN, LabelContract, propensity
from training.recipes import Recipe
from training.run import NotTrained, train

FEATURES = ("tenure_days", "assets", "spend_90d")
EVERYBODY = "SELECT place, 'scorable' AS status FROM spine"


def asked(target: str, horizon_days: int = 182) -> LabelContract:
    """A label with an outcome of the test's own, asked of everybody."""
    return replace(
        propensity("fund"), status=EVERYBODY, clouded="", target=target, horizon_days=horizon_days
    )


def told(target: str) -> str:
    return f"SELECT place, CAST({target} AS DOUBLE) AS target FROM spine"


@pytest.fixture
def bank_home(loaded_home: Path, home: Path) -> Path:
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    return home


Refused = Callable[[Recipe], str]


@pytest.fixture
def refused(bank_home: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Trains a recipe that has to be refused; the reason, once nothing is left of the attempt."""

    def reason(recipe: Recipe) -> str:
        monkeypatch.setattr(training.run, "chosen", lambda tables, question: (recipe,))
        (outcome,) = train(Warehouse(), recipe.name)
        assert isinstance(outcome, NotTrained), outcome
        assert_nothing_is_left(bank_home)
        assert release.not_trained() == {recipe.name: outcome.reason}
        return outcome.reason

    return reason


def assert_nothing_is_left(home: Path) -> None:
    assert [*(home / "releases").glob("*/*")] == []
    assert [*home.glob("outbox/*")] == []
    assert release.champions() == {}
    with registry.tracking() as client:
        assert list(client.search_model_versions()) == []
        assert list(client.search_registered_models()) == []
        for experiment in client.search_experiments():
            runs = client.search_runs([experiment.experiment_id])
            assert {run.info.status for run in runs} <= {"FAILED"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "target, counts",
    [
        ("0", r"0 events among [\d,]+ rows to learn from; at least 20 of the rarer"),
        ("1", r"([\d,]+) events among [\d,]+ rows to learn from; at least 20 of the rarer"),
        ("customer_id = (SELECT min(customer_id) FROM customers)", r"\d+ events among [\d,]+ rows"),
    ],
    ids=["nobody", "everybody", "one customer"],
)
def test_f25_one_class_or_too_few_events_are_refused_with_the_counts(
    refused: Refused, target: str, counts: str
) -> None:
    assert re.search(counts, refused(recipe(target)))


def recipe(target: str) -> Recipe:
    return Recipe("propensity.fund", asked(told(target)), FEATURES)


@pytest.mark.slow
@pytest.mark.parametrize("odd", ["nan", "inf"])
def test_f26_labels_that_are_no_numbers_are_refused_with_the_counts(
    refused: Refused, odd: str
) -> None:
    target = f"CASE WHEN place % 7 = 0 THEN '{odd}' WHEN place % 3 = 0 THEN '1' ELSE '0' END"
    reason = refused(recipe(target))
    assert re.search(r"[\d,]+ of [\d,]+ .*labels are not numbers", reason)


@pytest.mark.slow
def test_f26_an_infinite_feature_is_refused_by_name(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(warehouse: Warehouse, spine: pd.DataFrame) -> Profiles:
        profiles = build(warehouse, spine)
        profiles.frame.loc[5, "assets"] = np.inf
        return profiles

    monkeypatch.setattr(training.run, "build", broken)
    assert "infinite values in assets" in refused(recipe("place % 3 = 0"))


@pytest.mark.slow
def test_an_outcome_window_that_has_not_ended_is_refused_with_the_dates(refused: Refused) -> None:
    far = Recipe("propensity.fund", asked(told("place % 3 = 0"), horizon_days=1_500), FEATURES)
    reason = refused(far)
    assert "the data run from 20" in reason
    assert "an outcome of 1500 days" in reason


@pytest.mark.parametrize(
    "features, named",
    [
        (("tenure_days", "is_female"), "protected attributes may not be used: is_female"),
        (("tenure_days", "mood"), "not in the catalogue: mood"),
        (("tenure_days", "holds_default"), "not in the catalogue: holds_default"),
    ],
)
def test_a_recipe_with_a_feature_it_may_not_use_trains_nothing(
    home: Path, features: tuple[str, ...], named: str
) -> None:
    with pytest.raises(TrainingError, match=named):
        Recipe("churn", CHURN, features)
    assert_nothing_is_left(home)
