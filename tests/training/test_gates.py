"""A version answers only if its gates hold: each gate on its own, on either side of its line."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.definition import Array
from tests.training.test_fit import FEATURES, MONEY, RECIPE, rows_of
from tests.training.test_release import card
from training import judge
from training.fit import calibrate, fit
from training.gates import GateReport, gates
from training.judge import Margins
from training.rivals import benchmark

SOUND: dict[str, Any] = {
    "events": 500,
    "interval": (0.7, 0.8),
    "metrics": {"auc": 0.75, "calibration_slope": 1.0, "o_e": 1.0},
    "intervals": {"calibration_slope": (0.95, 1.05), "o_e": (0.97, 1.03), "psi": (0.01, 0.05)},
    "psi": 0.03,
    "benchmark": {
        "rival": "scorecard",
        "figure": 0.7,
        "difference": 0.05,
        "interval": (0.02, 0.08),
    },
    "champion": {
        "rival": "champion 1",
        "figure": 0.75,
        "difference": 0.0,
        "interval": (-0.01, 0.01),
    },
}


def report(answer: str = "probability", **changed: Any) -> GateReport:
    return gates(card(judgement=SOUND | changed, answer=answer))


def spans(**changed: tuple[float, float]) -> dict[str, Any]:
    return {"intervals": SOUND["intervals"] | changed}


def rival(name: str, *interval: float) -> dict[str, Any]:
    return {name: SOUND[name] | {"interval": interval, "difference": sum(interval) / 2}}


def test_a_sound_version_passes_every_gate() -> None:
    assert report().standing == "passed"
    assert {gate.verdict for gate in report().gates} == {"passed"}


@pytest.mark.parametrize(
    "changed, refused",
    [
        (spans(calibration_slope=(0.70, 0.89)), "calibration slope"),
        (spans(calibration_slope=(1.11, 1.40)), "calibration slope"),
        (spans(o_e=(1.06, 1.30)), "observed over expected"),
        (spans(o_e=(0.70, 0.94)), "observed over expected"),
        (spans(psi=(0.26, 0.40)), "score stability (PSI)"),
        (rival("benchmark", -0.05, -0.01), "better than the simple benchmark"),
        (rival("champion", -0.05, -0.01), "better than the champion"),
        ({"interval": (0.4, 0.5)}, "better than chance"),
    ],
)
def test_an_interval_wholly_outside_its_tolerance_is_refused(
    changed: dict[str, Any], refused: str
) -> None:
    found = report(**changed)
    assert found.standing == "refused"
    assert [gate.name for gate in found.of("refused")] == [refused]


@pytest.mark.parametrize(
    "changed",
    [
        spans(calibration_slope=(0.70, 0.90)),
        spans(o_e=(1.05, 1.30)),
        spans(psi=(0.25, 0.40)),
        rival("benchmark", -0.05, 0.0),
        rival("champion", -0.05, 0.0),
        {"interval": (0.4, 0.51)},
    ],
)
def test_an_interval_that_touches_its_tolerance_passes(changed: dict[str, Any]) -> None:
    assert report(**changed).standing == "passed"


@pytest.mark.parametrize("key", ["o_e", "calibration_slope"])
def test_an_extrapolated_label_is_no_evidence_and_an_observed_one_refuses(key: str) -> None:
    judgement = SOUND | spans(**{key: (0.6, 0.8)})
    told = gates(card(judgement=judgement, extrapolated=True))
    (doubtful,) = told.of("insufficient evidence")
    assert "but the label is extrapolated" in doubtful.finding
    assert told.standing == "provisional"
    assert gates(card(judgement=judgement)).standing == "refused"


def test_fewer_than_100_events_are_insufficient_evidence_with_the_count() -> None:
    found = report(events=99, **spans(o_e=(1.06, 1.30)))
    assert found.standing == "provisional"
    assert "99 events" in found.gates[0].finding
    assert {gate.name for gate in found.of("passed")} == {
        "better than chance",
        "not too good to be true",
        "features may serve the purpose",
    }
    assert report(events=100).standing == "passed"


def test_few_events_that_do_not_even_beat_chance_are_refused() -> None:
    nothing = (float("nan"), float("nan"))
    assert report(events=6, interval=nothing, intervals={}).standing == "refused"


def test_an_auc_too_good_to_be_true_is_held_for_review() -> None:
    too_good = SOUND["metrics"] | {"auc": 0.991}
    found = report(metrics=too_good)
    assert found.standing == "held"
    assert "knows the outcome" in found.of("held")[0].finding
    assert report(metrics=too_good | {"auc": 0.99}).standing == "passed"


@pytest.mark.parametrize(
    "question, features, named",
    [
        ("credit_risk", ("tenure_days", "complaints_180d"), "complaints_180d may not serve credit"),
        ("churn", ("is_female", "tenure_days"), "is_female may not serve service"),
        ("churn", ("mood",), "mood may not serve service"),
        ("mood", ("tenure_days",), "no question 'mood'"),
    ],
)
def test_f79_a_feature_that_may_not_serve_the_purpose_is_refused_at_the_release_too(
    question: str, features: tuple[str, ...], named: str
) -> None:
    found = gates(card(judgement=SOUND, question=question, features=features))
    assert found.standing == "refused"
    assert [named in gate.finding for gate in found.of("refused")] == [True]


def test_a_feature_that_knows_the_outcome_is_flagged() -> None:
    """F18"""
    rows, fresh = rows_of(), rows_of(seed=9)
    for told in (rows, fresh):
        told["tenure_days"] = told["target"]  # the canary
    found = judge.margins(fit(RECIPE, rows, FEATURES), fresh)
    judged = asdict(judge.judge(found, fresh, "probability", "out of time"))
    held = gates(card(judgement=judged)).of("held")
    assert "knows the outcome" in held[0].finding


def test_money_is_worth_more_than_chance_from_a_gini_of_zero() -> None:
    metrics = {"normalised_gini": 0.1, "calibration_slope": 1.0, "o_e": 1.0}
    assert report("money", interval=(-0.1, 0.2), metrics=metrics).standing == "passed"
    assert report("money", interval=(-0.2, 0.0), metrics=metrics).standing == "refused"


def test_what_there_is_nothing_to_compare_with_is_not_applicable() -> None:
    found = report(psi=None, benchmark=None, champion=None)
    assert found.standing == "passed"
    assert len(found.of("not applicable")) == 3


def test_the_report_is_plain_json_and_a_table() -> None:
    found = report()
    assert json.loads(json.dumps(found.as_json()))["standing"] == "passed"
    rows = {row[0]: row for row in found.rows()}
    assert rows["observed over expected"][1:] == ("1", "0.970 to 1.030", "0.95 to 1.05", "passed")


def margins_of(slope: float, seed: int = 3) -> tuple[pd.DataFrame, Array]:
    draws = np.random.default_rng(seed)
    margin = draws.normal(-1, 1.2, 4_000)
    target = (draws.random(4_000) < expit(slope * margin)).astype(float)
    rows = pd.DataFrame({"customer_id": [f"C{n // 2}" for n in range(4_000)], "target": target})
    return rows, margin


def test_the_calibration_slope_is_that_of_the_maximum_likelihood() -> None:
    rows, margin = margins_of(0.7)
    target = rows["target"].to_numpy(np.float64)
    theirs = calibrate(margin, target, "probability").slope
    assert judge.calibration_slope(margin, target, "probability") == pytest.approx(theirs, abs=1e-4)
    weight = np.arange(4_000, dtype=np.float64) % 3
    times = weight.astype(int)
    repeated = judge.calibration_slope(
        np.repeat(margin, times), np.repeat(target, times), "probability"
    )
    weighted = judge.calibration_slope(margin, target, "probability", weight)
    assert weighted == pytest.approx(repeated, abs=1e-9)


def test_a_slope_is_not_determined_by_outcomes_that_the_score_separates() -> None:
    score = np.array([-2.0, -1.0, 1.0, 2.0])
    assert np.isnan(judge.calibration_slope(score, (score > 0).astype(np.float64), "probability"))
    assert np.isnan(judge.calibration_slope(score, np.zeros(4), "probability"))


@pytest.mark.parametrize("slope, refused", [(0.7, True), (1.0, False), (1.4, True)])
def test_a_version_whose_scores_spread_too_far_or_too_little_is_refused(
    slope: float, refused: bool
) -> None:
    rows, margin = margins_of(slope)
    rows["as_of"] = "2024-01-31"
    judged = judge.judge(Margins(margin, margin), rows, "probability", "out of time")
    found = gates(card(judgement=asdict(judged)))
    assert ("calibration slope" in {g.name for g in found.of("refused")}) == refused


def test_psi_is_nought_for_the_same_scores_and_counts_a_shift() -> None:
    before = np.arange(1_000.0)
    assert judge.population_stability(before, before) == pytest.approx(0.0, abs=1e-12)
    # Everybody in the top half: (1 - 0.5) ln 2 for each of five bins of 0.2 against 0.1, and
    # the empty ones against half a row.
    upper = before[500:]
    emptied = 5 * (0.1 - 0.001) * np.log(0.1 / 0.001)
    wanted = 5 * 0.1 * np.log(2) + emptied
    assert judge.population_stability(before, upper) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("folds", [0, 5])
def test_the_simple_benchmark_of_churn_is_a_logistic_regression(folds: int) -> None:
    train, test = rows_of(), rows_of(seed=1)
    ours = judge.margins(fit(RECIPE, train, FEATURES), test).calibrated
    found = benchmark(RECIPE, ours, train, test, FEATURES, folds)
    assert found is not None
    assert found.rival == "logistic regression"
    assert found.figure + found.difference == pytest.approx(
        judge.auc(ours, test["target"].to_numpy())
    )
    assert found.interval[0] < found.difference < found.interval[1]


def test_the_simple_benchmark_of_value_is_what_was_earned_last_year() -> None:
    test = rows_of(seed=1).assign(contribution_365d=1.0)
    test["target"] = test["spend_90d"]
    ours = test["spend_90d"].to_numpy()
    found = benchmark(MONEY, ours, test, test, (*FEATURES, "contribution_365d"))
    assert found is not None
    assert (found.rival, found.difference > 0) == ("contribution of the last year", True)
    assert benchmark(MONEY, ours, test, test, FEATURES) is None  # a bank without contributions
