"""Reasons: one a group, the strongest first, five at most, each with where the customer stands."""

import math
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from features.catalogue import CATALOGUE
from features.definition import Unit
from features.reason_groups import GROUPS
from serving.reasons import MOST, Language, Reason, Told, impact_of_a_unit, reasons, shown
from serving.scoring import Scorer

# One feature each of the first groups by name.
NAMES = [group.features[0] for group in sorted(GROUPS, key=lambda group: group.name)[:8]]
RISK = Told("credit_risk")


def reasons_of(
    pushes: dict[str, float], value: float = 3.0, typical: float | None = 2.0, told: Told = RISK
) -> list[Reason]:
    return reasons(pushes, dict.fromkeys(pushes, value), dict.fromkeys(pushes, typical), told)


def features_of(pushes: dict[str, float]) -> list[str]:
    return [reason.feature for reason in reasons_of(pushes)]


def test_the_strongest_reasons_come_first_whichever_way_they_push() -> None:
    a, b, c = NAMES[:3]
    assert features_of({a: 0.1, b: -0.3, c: 0.2}) == [b, c, a]


def test_there_are_five_at_most() -> None:
    assert len(features_of({name: 1.0 + n for n, name in enumerate(NAMES)})) == MOST == 5


def test_equal_reasons_always_stand_in_the_same_order() -> None:
    orders = {tuple(features_of(dict.fromkeys(names, 0.5))) for names in permutations(NAMES[:4])}
    assert orders == {tuple(NAMES[:4])}


def test_what_pushes_nothing_or_next_to_nothing_is_no_reason() -> None:
    a, b, c = NAMES[:3]
    assert features_of({a: 1.0, b: 0.0, c: 0.019}) == [a]
    assert features_of({a: 0.0}) == features_of({}) == []


def test_three_arrears_features_are_one_reason_led_by_the_strongest() -> None:
    pushes = {
        "loan_days_past_due": 0.2, "card_days_past_due": 0.5, "loan_arrears_months": -0.1,
        "limit_use": 0.55,
    }  # fmt: skip
    arrears, use = reasons_of(pushes)
    assert (arrears.group, arrears.feature) == ("arrears", "card_days_past_due")
    assert arrears.contribution == pytest.approx(0.6, abs=1e-15)
    assert (use.group, use.contribution) == ("card_use", 0.55)


def test_the_lead_pushes_the_way_of_its_group() -> None:
    [arrears] = reasons_of({"loan_days_past_due": -0.5, "card_days_past_due": 0.3})
    assert (arrears.feature, arrears.direction) == ("loan_days_past_due", "lowers")


def test_the_horizon_is_no_reason() -> None:
    assert reasons({"horizon_days": 3.0}, {"horizon_days": 91.0}, {}, RISK) == []


@pytest.mark.parametrize("push,direction", [(0.5, "raises"), (-0.5, "lowers")])
def test_a_reason_says_which_way_it_pushes_and_where_the_customer_stands(
    push: float, direction: str
) -> None:
    [reason] = reasons({"age_years": push}, {"age_years": 61.0}, {"age_years": 44.0}, RISK)
    assert (reason.direction, reason.contribution) == (direction, push)
    assert (reason.value, reason.typical) == (61.0, 44.0)
    assert reason.text == f"Age 61 years (typical 44 years) {direction} the risk of default"


@pytest.mark.parametrize(
    "language,text",
    [
        ("en", "Arrears: Loan days past due 35 days (typical 0 days) raises the risk of default"),
        ("zh-TW", "逾期紀錄：貸款逾期天數 35天（一般客戶 0天），提高違約風險"),
        ("zh-CN", "逾期记录：贷款逾期天数 35天（一般客户 0天），提高违约风险"),
    ],
)
def test_a_reason_is_told_in_three_languages(language: Language, text: str) -> None:
    [reason] = reasons_of({"loan_days_past_due": 1.0}, 35.0, 0.0, Told("credit_risk", 1, language))
    assert reason.text == text


def test_a_missing_value_is_a_reason_like_any_other() -> None:
    [reason] = reasons({"age_years": 0.5}, {"age_years": math.nan}, {"age_years": None}, RISK)
    assert (reason.value, reason.typical) == (None, None)
    assert reason.text == "Age none raises the risk of default"


def test_points_are_those_of_the_scorecard_and_for_credit_risk_only() -> None:
    [worse] = reasons_of({"limit_use": math.log(2)})
    assert worse.points == pytest.approx(-20.0, abs=1e-12)
    [leaving] = reasons_of({"limit_use": math.log(2)}, told=Told("churn"))
    assert leaving.points is None


@given(
    base=st.floats(-8, 8),
    pushes=st.lists(st.floats(-3, 3), min_size=1, max_size=30),
)
def test_impacts_add_up_to_the_difference_of_probability(base: float, pushes: list[float]) -> None:
    margin = base + math.fsum(pushes)
    unit = impact_of_a_unit(margin, base)
    assert unit > 0
    assert math.fsum(push * unit for push in pushes) == pytest.approx(
        float(expit(margin) - expit(base)), abs=1e-9
    )


@pytest.mark.parametrize(
    "value,unit,text",
    [
        (123_456_789, "money", "1,234,568"),  # kept in minor units
        (0.256, "share", "26%"),
        (2.5, "ratio", "2.50"),
        (35_000, "rate", "3.5%"),  # kept in millionths
        (1, "flag", "yes"),
        (0, "flag", "no"),
        (1234, "count", "1,234"),
        (30, "days", "30 days"),
        (math.nan, "money", "none"),
    ],
)
def test_a_value_is_shown_as_people_read_it(value: float, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


def test_values_are_shown_in_chinese() -> None:
    assert shown(123_456_789, "money", "zh-TW") == "1,234,568元"
    assert (shown(6, "months", "zh-TW"), shown(6, "months", "zh-CN")) == ("6個月", "6个月")
    assert (shown(math.nan, "days", "zh-TW"), shown(0, "flag", "zh-CN")) == ("無", "否")


@pytest.mark.parametrize("language", get_args(Language))
def test_every_reason_served_adds_up_and_names_a_feature_that_may_be_used(
    scorer: Scorer, language: Language
) -> None:
    groups = {group.name: group.features for group in GROUPS}
    for model in scorer.models.values():
        for row in model.release.golden_rows[:20]:
            score = model.score(row[: len(model.release.card.profiled)], language=language)
            assert score.contributions is not None
            assert score.value is not None
            for reason in score.reasons or []:
                parts = [score.contributions.get(name, 0.0) for name in groups[reason.group]]
                assert reason.contribution == math.fsum(parts)
                assert CATALOGUE[reason.feature].data_class != "protected"
                assert reason.text.isascii() == (language == "en")
