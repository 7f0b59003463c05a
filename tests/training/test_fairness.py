"""Groups are judged alike: bias is seen, chance is not taken for it, and too few say so."""

from datetime import date

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.catalogue import CATALOGUE
from features.definition import Array
from features.profile import Profiles
from training import fairness, judge, release
from training.groups import NOT_KNOWN, Partition, Unseen, banded, by_date
from training.judge import Grouping, Judgement

COUNT = 4_000
MEN, WOMEN = "registered as male", "registered as female"
BLANK = Judgement("out of time", COUNT, 0, {}, {}, (0.0, 0.0))


def bank(seed: int = 0, count: int = COUNT) -> tuple[Array, pd.DataFrame, Profiles]:
    """True margins, test rows of two dates a customer, and profiles that tell sex and age."""
    draws = np.random.default_rng(seed)
    margin = draws.normal(-2, 1.2, count)
    keys = pd.DataFrame(
        {
            "customer_id": [f"C{n // 2}" for n in range(count)],
            "as_of": [date(2024, 1 + n % 2, 28) for n in range(count)],
        }
    )
    told = {
        "is_female": (np.arange(count) // 2 % 2).astype(float),
        "age_years": draws.integers(18, 90, count).astype(float),
        "tenure_days": draws.integers(0, 4_000, count).astype(float),
        "products_held": draws.integers(1, 6, count).astype(float),
        "assets": draws.lognormal(15, 1, count),
    }
    test = keys.assign(target=(draws.random(count) < expit(margin)).astype(float))
    return margin, test, Profiles(keys.assign(**told), tuple(told), {}, "")


def judged(margin: Array, test: pd.DataFrame, profiles: Profiles) -> Judgement:
    parted = fairness.of_profiles(profiles, test, test, read=("age_years",))
    return fairness.with_groups(BLANK, Unseen(margin, test, "probability"), parted)


def by(found: Judgement, title: str) -> Grouping:
    return next(one for one in (*found.fairness, *found.segments) if one.title == title)


def test_a_model_that_holds_women_for_safer_than_they_are_is_seen_through() -> None:
    margin, test, profiles = bank()
    biased = margin - 1.0 * profiles.frame["is_female"].to_numpy()
    by_sex = by(judged(biased, test, profiles), "Sex")
    men, women = by_sex.groups
    assert men.intervals["o_e"][0] < 1 < men.intervals["o_e"][1]
    assert women.intervals["o_e"][0] > 1.2
    for gap in by_sex.gaps:
        assert (gap.highest, gap.lowest) == (MEN, WOMEN)
        assert gap.interval[0] > 0.03
        assert gap.ratio_interval is not None
        assert gap.ratio_interval[1] < 0.8


def test_a_model_that_is_right_about_everybody_shows_no_difference_beyond_chance() -> None:
    margin, test, profiles = bank()
    for gap in by(judged(margin, test, profiles), "Sex").gaps:
        assert gap.interval[0] < 0.02
        assert gap.ratio_interval is not None
        assert gap.ratio_interval[1] > 0.9


def test_figures_of_a_group_are_those_of_its_rows_alone() -> None:
    margin, test, profiles = bank()
    target = test["target"].to_numpy()
    asked = profiles.frame["is_female"].to_numpy() == 1
    women = by(judged(margin, test, profiles), "Sex").groups[1]
    best = np.zeros(COUNT, bool)
    best[np.argsort(-margin)[: COUNT // 10]] = True
    hand = {
        "auc": judge.auc(margin[asked], target[asked]),
        "o_e": target[asked].sum() / expit(margin[asked]).sum(),
        "calibration_slope": judge.calibration_slope(margin[asked], target[asked], "probability"),
        "mean_score": expit(margin[asked]).mean(),
        "selection": best[asked].mean(),
        "tpr": best[asked & (target == 1)].mean(),
    }
    assert women.figures == pytest.approx(hand, abs=1e-12)
    assert (women.rows, women.events) == (asked.sum(), target[asked].sum())
    for name, figure in hand.items():
        low, high = women.intervals[name]
        assert low < figure < high


def test_differences_are_those_of_fairlearn_on_the_rows_themselves() -> None:
    margin, test, profiles = bank()
    listed = np.zeros(COUNT, int)
    listed[np.argsort(-margin)[: COUNT // 10]] = 1
    ages = np.digitize(profiles.frame["age_years"], fairness.AGE_BOUNDS)
    parity, opportunity = by(judged(margin, test, profiles), "Age").gaps
    known = {"y_true": test["target"].astype(int), "y_pred": listed, "sensitive_features": ages}
    metrics = fairlearn.metrics
    assert parity.difference == pytest.approx(metrics.demographic_parity_difference(**known))
    assert parity.ratio == pytest.approx(metrics.demographic_parity_ratio(**known))
    assert opportunity.difference == pytest.approx(metrics.equal_opportunity_difference(**known))
    assert opportunity.ratio == pytest.approx(metrics.equal_opportunity_ratio(**known))


def test_all_rows_as_one_group_have_the_intervals_of_the_judgement() -> None:
    margin, test, _ = bank(count=800)
    whole = Partition("", "", ("all",), np.zeros(800, np.intp))
    [one] = Unseen(margin, test, "probability").by(whole)
    told = judge.judge(judge.Margins(margin, margin), test, "probability", "out of time").intervals
    for name in ("auc", "o_e", "calibration_slope"):
        assert one.group.intervals[name] == pytest.approx(told[name], abs=1e-9)


def test_one_step_to_the_slope_of_a_draw_comes_near_enough() -> None:
    margin, test, _ = bank()
    slope = judge.Slope(margin, test["target"].to_numpy(), "probability")
    weights = np.random.default_rng(4).poisson(1.0, (20, COUNT)).astype(float)
    sums = np.array([(slope.parts() * weight).sum(axis=1) for weight in weights])
    whole = [slope.of(weight) for weight in weights]
    assert np.ptp(whole) > 0.1
    assert slope.slopes(sums) == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("draw", range(5))
def test_the_slope_of_money_by_sums_is_the_slope_of_the_rows(draw: int) -> None:
    draws = np.random.default_rng(draw)
    value = draws.lognormal(3, 1, 300)
    slope = judge.Slope(value, value * draws.random(300), "money")
    weight = draws.integers(0, 3, 300).astype(float)
    sums = (slope.parts() * weight).sum(axis=1)
    assert slope.slopes(sums[None, :])[0] == pytest.approx(slope.of(weight), rel=1e-9)


def test_too_few_rows_or_customers_with_the_event_are_insufficient_evidence_with_the_counts() -> (
    None
):
    margin, test, _ = bank(count=1_000)
    place = np.r_[np.zeros(60), np.ones(200), np.full(740, 2)].astype(np.intp)
    test.loc[60:259, "target"] = 0.0
    test.loc[[60, 61, 62, 70, 90], "target"] = 1.0  # five events, of four customers
    parted = Partition("Origin", "", ("few", "spared", "many", NOT_KNOWN), place)
    few, spared, many = (one.group for one in Unseen(margin, test, "probability").by(parted))
    assert (few.insufficient, few.figures) == ("60 rows, 100 wanted", {})
    assert spared.insufficient == "4 customers with the event, 10 wanted"
    assert (spared.rows, spared.events) == (200, 5)
    assert spared.figures.keys() == {"mean_score", "selection"}  # what needs no outcome
    assert many.insufficient == ""


def test_one_group_alone_is_compared_with_nobody() -> None:
    margin, test, profiles = bank(count=1_000)
    profiles.frame["is_female"] = 1.0
    by_sex = by(judged(margin, test, profiles), "Sex")
    assert [one.name for one in by_sex.groups] == [WOMEN]
    assert by_sex.gaps == ()


def test_who_has_no_value_is_not_known_and_in_no_comparison() -> None:
    margin, test, profiles = bank()
    profiles.frame.loc[:999, "is_female"] = np.nan
    unknown = np.isnan(profiles.frame["is_female"].to_numpy())
    by_sex = by(judged(margin + 3.0 * unknown, test, profiles), "Sex")
    assert [(one.name, one.rows) for one in by_sex.groups][-1] == (NOT_KNOWN, 1_000)
    assert {gap.highest for gap in by_sex.gaps} <= {MEN, WOMEN}


def test_nobody_listed_in_one_group_has_a_ratio_of_nothing() -> None:
    margin, test, profiles = bank()
    by_sex = by(
        judged(margin - 30.0 * profiles.frame["is_female"].to_numpy(), test, profiles), "Sex"
    )
    assert [(gap.ratio, gap.difference > 0.1) for gap in by_sex.gaps] == [(0.0, True)] * 2


def test_rows_that_folds_repeat_are_counted_once_and_are_no_more_evidence() -> None:
    margin, test, _ = bank(count=800)
    half = Partition("", "", ("a", "b"), (np.arange(800) // 2 % 2).astype(np.intp))
    twice = Partition("", "", ("a", "b"), np.tile(half.place, 2))
    once = Unseen(margin, test, "probability").by(half)
    again = Unseen(
        np.tile(margin, 2), pd.concat([test] * 2, ignore_index=True), "probability", copies=2
    ).by(twice)
    for one, other in zip(once, again, strict=True):
        assert (one.group.rows, one.group.events) == (other.group.rows, other.group.events)
        assert one.group.intervals["auc"] == pytest.approx(other.group.intervals["auc"])


def test_every_date_has_its_own_figures() -> None:
    margin, test, _ = bank()
    first, second = by_date(Unseen(margin, test, "probability"))
    assert (first.name, second.name) == ("2024-01-28", "2024-02-28")
    january = (test["as_of"] == date(2024, 1, 28)).to_numpy()
    target = test["target"].to_numpy()
    assert first.figures["auc"] == pytest.approx(judge.auc(margin[january], target[january]))
    assert first.events == target[january].sum()


def test_many_dates_are_judged_by_quarter_and_one_alone_by_none() -> None:
    margin, test, _ = bank()
    days = [date(2024, 1, 1).replace(month=1 + n % 12, day=1 + n % 28) for n in range(COUNT)]
    told = by_date(Unseen(margin, test.assign(as_of=days), "probability"))
    assert [one.name for one in told] == [f"2024 Q{n}" for n in (1, 2, 3, 4)]
    assert by_date(Unseen(margin, test.assign(as_of=days[0]), "probability")) == ()


def test_bands_begin_at_their_bounds() -> None:
    ages = np.array([29.0, 30.0, 44.0, 65.0, np.nan])
    assert banded(ages, fairness.AGE_BOUNDS, fairness.AGES).tolist() == [0, 1, 1, 3, 4]


def test_assets_are_cut_at_thirds_of_the_rows_that_taught() -> None:
    _, test, profiles = bank()
    train = test.assign(assets=np.linspace(0, 300_000, COUNT))  # minor units
    parted = fairness.of_profiles(profiles, train, test, read=("assets",))
    assets = {one.title: one for one in parted.segments}["Assets with the bank"]
    assert "thirds of the training rows: 1,000 and 2,000." in assets.about
    assert assets.read


def test_every_protected_attribute_of_the_catalogue_is_a_group_and_age_is_too() -> None:
    grouped = {bands.feature for bands in fairness.PROTECTED}
    protected = {name for name, one in CATALOGUE.items() if one.data_class == "protected"}
    assert grouped == protected | {"age_years"}
    assert {bands.feature for bands in fairness.SEGMENTS} <= CATALOGUE.keys()


def test_what_the_bank_does_not_know_is_no_group() -> None:
    margin, test, profiles = bank()
    without = Profiles(profiles.frame, ("age_years",), {"is_female": "no table customers"}, "")
    assert [one.title for one in judged(margin, test, without).fairness] == ["Age"]


@pytest.mark.slow
def test_sex_divides_the_rows_that_judge_and_stands_in_no_model(trained_home: object) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(trained_home))
        cards = [release.read(folder).card for folder in release.champions().values()]
    assert cards
    for card in cards:
        assert "is_female" not in card.features
        by_sex, by_age = card.judgement["fairness"]
        assert (by_sex["title"], by_sex["read"]) == ("Sex", False)
        assert (by_age["title"], by_age["read"]) == ("Age", True)
        assert sum(one["rows"] for one in by_sex["groups"]) == card.judgement["rows"]
