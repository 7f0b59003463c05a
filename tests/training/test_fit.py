"""A fit is refused for bad data, repeatable to the letter, and honest about its probabilities."""

from datetime import date

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

import training.fit
from data.errors import TooFewEvents, TrainingError
from features.definition import Array
from training.fit import Calibration, Fitted, calibrate, fit, fold_in
from training.judge import auc
from training.labels import CHURN, HORIZON, LIFETIME_VALUE
from training.recipes import Recipe
from training.search import SPACE
from training.trees import Forest

FEATURES = ("spend_90d", "tenure_days", "limit_use")
RECIPE = Recipe("churn", CHURN, FEATURES, rounds=30, monotone={"limit_use": 1})
MONEY = Recipe("lifetime_value", LIFETIME_VALUE, FEATURES, rounds=30)


def rows_of(seed: int = 0, count: int = 1_200) -> pd.DataFrame:
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(draws.normal(size=(count, 3)), columns=list(FEATURES))
    frame.loc[draws.random(count) < 0.2, "limit_use"] = np.nan  # no card
    chance = expit(1.5 * frame["spend_90d"] - frame["tenure_days"] - 1)
    frame["target"] = (draws.random(count) < chance).astype(float)
    frame["customer_id"] = [f"C{n % 600}" for n in range(count)]
    frame["as_of"] = [date(2024, 1 + n // 600, 28) for n in range(count)]
    return frame


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(RECIPE, rows_of(), FEATURES)


def text(found: Fitted) -> str:
    return str(found.booster.model_to_string(num_iteration=-1))


@pytest.mark.parametrize("outcome, events", [(0.0, "0 events"), (1.0, "1,?200 events")])
def test_f25_one_class_is_refused_with_the_counts(outcome: float, events: str) -> None:
    with pytest.raises(TooFewEvents, match=rf"{events} among 1,200 rows.*at least 20"):
        fit(RECIPE, rows_of().assign(target=outcome), FEATURES)


def test_f25_too_few_rows_of_money_are_refused_with_the_counts() -> None:
    with pytest.raises(TooFewEvents, match="15 rows to learn from; at least 200"):
        fit(MONEY, rows_of(count=15), FEATURES)


@pytest.mark.parametrize("label", [np.nan, np.inf])
def test_f26_a_label_that_is_no_number_is_refused(label: float) -> None:
    rows = rows_of()
    rows.loc[7, "target"] = label
    with pytest.raises(TrainingError, match="1 of 1200 labels are not numbers"):
        fit(RECIPE, rows, FEATURES)


def test_f26_an_infinite_feature_is_refused_by_name() -> None:
    rows = rows_of()
    rows.loc[7, "tenure_days"] = -np.inf
    with pytest.raises(TrainingError, match="infinite values in tenure_days"):
        fit(RECIPE, rows, FEATURES)


def test_f29_the_same_rows_give_the_same_model_in_any_order(fitted: Fitted) -> None:
    shuffled = rows_of().sample(frac=1.0, random_state=3)
    assert text(fit(RECIPE, rows_of(), FEATURES)) == text(fitted)
    assert text(fit(RECIPE, shuffled, FEATURES)) == text(fitted)


@pytest.mark.parametrize("threads", [1, 2])
def test_f29_the_same_trees_grow_with_one_thread_and_with_two(
    fitted: Fitted, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = training.fit._parameters
    monkeypatch.setattr(
        "training.fit._parameters", lambda *asked: {**usual(*asked), "num_threads": threads}
    )
    grown = text(fit(RECIPE, rows_of().sample(frac=1.0, random_state=4), FEATURES))
    assert trees(grown) == trees(text(fitted))


def trees(model: str) -> str:
    """A model's text without the list of the parameters it was made with."""
    return model.partition("parameters:")[0]


def test_trees_stay_small_and_no_weight_bends_the_probabilities(fitted: Fitted) -> None:
    largest = Recipe("churn", CHURN, FEATURES, tuned={n: most for n, (_, most, _) in SPACE.items()})
    for found in (fitted, fit(largest, rows_of(), FEATURES)):
        depths = found.booster.trees_to_dataframe()["node_depth"] - 1  # the root is at 1
        assert 0 < depths.max() <= 6
        weighting = {"scale_pos_weight", "is_unbalance", "pos_bagging_fraction", "class_weight"}
        assert weighting.isdisjoint(found.parameters)


@pytest.fixture(scope="module")
def uncalibrated() -> lgb.Booster:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.fit.calibrate", lambda *_: Calibration(1.0, 0.0))
        return fit(RECIPE, rows_of(), FEATURES).booster


def test_the_calibrated_margin_is_slope_times_raw_plus_intercept(
    fitted: Fitted, uncalibrated: lgb.Booster
) -> None:
    values = rows_of(seed=9)[list(FEATURES)].to_numpy()
    raw, calibrated = (
        np.asarray(booster.predict(values, raw_score=True))
        for booster in (uncalibrated, fitted.booster)
    )
    wanted = fitted.calibration.slope * raw + fitted.calibration.intercept
    assert np.abs(calibrated - wanted).max() <= 1e-12 * np.abs(wanted).max()


@pytest.mark.parametrize("slope, intercept", [(1.0, 0.0), (0.37, -2.5), (1e-9, 1e9), (3.0, 1e-12)])
def test_lightgbm_and_our_reader_agree_to_the_bit_after_folding(
    uncalibrated: lgb.Booster, slope: float, intercept: float
) -> None:
    folded = fold_in(uncalibrated, Calibration(slope, intercept))
    values = rows_of(seed=9)[list(FEATURES)].to_numpy()
    theirs = np.asarray(folded.predict(values, raw_score=True))
    ours = Forest.from_text(folded.model_to_string(num_iteration=-1)).margin(values)
    assert ours.tobytes() == theirs.tobytes()


def test_probabilities_add_up_to_the_events_they_foretell(fitted: Fitted) -> None:
    fresh = rows_of(seed=9, count=4_000)
    foretold = np.asarray(fitted.booster.predict(fresh[list(FEATURES)].to_numpy()))
    error = np.sqrt((foretold * (1 - foretold)).sum())
    # Both the draw of the fresh rows and that of the 1,200 taught ones err.
    assert abs(foretold.sum() - fresh["target"].sum()) < 3 * error * np.sqrt(1 + 4_000 / 1_200)


def test_shuffled_labels_teach_nothing() -> None:
    """F18"""
    rows = rows_of(count=2_400)
    rows["target"] = np.random.default_rng(5).permutation(rows["target"].to_numpy())
    found = fit(RECIPE, rows, FEATURES)
    fresh = rows_of(seed=9, count=2_400)
    score = np.asarray(found.booster.predict(fresh[list(FEATURES)].to_numpy(), raw_score=True))
    labels = np.random.default_rng(6).permutation(fresh["target"].to_numpy())
    assert abs(auc(score, labels) - 0.5) < 3 * standard_error(labels)


def standard_error(target: Array) -> float:
    events, others = target.sum(), (1 - target).sum()
    return float(np.sqrt((events + others + 1) / (12 * events * others)))  # Mann and Whitney


def test_a_feature_that_must_raise_the_score_never_lowers_it(fitted: Fitted) -> None:
    values = rows_of(seed=9, count=50)[list(FEATURES)].to_numpy().copy()
    said = []
    for use in np.linspace(-3, 3, 40):
        values[:, 2] = use
        said.append(np.asarray(fitted.booster.predict(values, raw_score=True)))
    assert (np.diff(np.array(said), axis=0) >= 0).all()


def nested(seed: int = 0) -> pd.DataFrame:
    """Rows of three horizons; who has left within one has left within every longer one."""
    rows = rows_of(seed)
    luck = np.random.default_rng(seed + 1).random(len(rows))
    each = []
    for horizon, level in zip(CHURN.horizons, (-3.0, -2.0, -1.0), strict=True):
        chance = expit(1.5 * rows["spend_90d"] - rows["tenure_days"] + level)
        target = (luck < chance).astype(float)
        each.append(rows.assign(target=target, **{HORIZON: horizon}))
    return pd.concat(each, ignore_index=True)


@pytest.fixture(scope="module")
def several() -> Fitted:
    return fit(RECIPE, nested(), (*FEATURES, HORIZON))


@given(
    values=st.lists(st.floats(allow_infinity=False), min_size=3, max_size=3),
    days=st.lists(st.integers(0, 1000), min_size=2, max_size=5),
)
@settings(deadline=None)
def test_a_longer_horizon_never_lowers_the_score(
    several: Fitted, values: list[float], days: list[int]
) -> None:
    forest = Forest.from_text(text(several))
    said = forest.margin(np.array([[*values, float(day)] for day in sorted(days)]))
    assert (np.diff(said) >= 0).all()


def test_each_horizon_foretells_its_own_events(several: Fitted) -> None:
    fresh = pd.concat([nested(seed) for seed in (9, 10, 11)])
    for _, rows in fresh.groupby(HORIZON):
        foretold = np.asarray(several.booster.predict(rows[[*FEATURES, HORIZON]].to_numpy()))
        error = np.sqrt((foretold * (1 - foretold)).sum())
        # Both the draw of the 3,600 fresh rows and that of the 1,200 taught ones err.
        assert abs(foretold.sum() - rows["target"].sum()) < 3 * error * np.sqrt(1 + 3)


def test_f25_features_that_are_the_same_for_everybody_are_refused() -> None:
    rows = rows_of()
    rows[list(FEATURES)] = 1.0
    with pytest.raises(TrainingError, match="none of the 3 features varies over the 1,200 rows"):
        fit(RECIPE, rows, FEATURES)
    rows[list(FEATURES)] = np.nan
    with pytest.raises(TrainingError, match="none of the 3 features varies"):
        fit(RECIPE, rows, FEATURES)


def test_features_with_hardly_any_spread_give_the_base_rate() -> None:
    rows = rows_of()
    rows[list(FEATURES)] = 1.0
    rows.loc[7, "tenure_days"] = 2.0
    found = fit(RECIPE, rows, FEATURES)
    foretold = np.asarray(found.booster.predict(np.ones((1, 3))))
    assert foretold[0] == pytest.approx(rows["target"].mean(), abs=0.005)
    assert Forest.from_text(text(found)).margin(np.ones((1, 3)))[0] == pytest.approx(
        np.log(foretold[0] / (1 - foretold[0])), abs=1e-12
    )


def test_money_is_calibrated_by_least_squares() -> None:
    margin = np.array([0.0, 1.0, 2.0, 3.0])
    found = calibrate(margin, 2 * margin + 5, "money")
    assert (found.slope, found.intercept) == pytest.approx((2.0, 5.0))


@pytest.mark.parametrize("answer", ["money", "probability"])
def test_calibration_never_turns_the_order_around(answer: str) -> None:
    margin = np.linspace(-1, 1, 40)
    target = (margin < 0).astype(float)
    target[[3, 30]] = 1 - target[[3, 30]]
    found = calibrate(margin, target, answer)  # type: ignore[arg-type]  # parametrized
    assert found.slope == 1.0
