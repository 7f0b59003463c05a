"""Reasons: the strongest first, five at most, each with where the customer stands."""

import math
from itertools import permutations

import pytest

from features.catalogue import CATALOGUE
from features.definition import Unit
from serving.reasons import MOST, reasons, shown
from serving.scoring import Scorer

NAMES = sorted(CATALOGUE)[:8]


def told(pushes: dict[str, float], value: float = 3.0, typical: float | None = 2.0) -> list[str]:
    values, usual = dict.fromkeys(pushes, value), dict.fromkeys(pushes, typical)
    return [reason.feature for reason in reasons(pushes, values, usual)]


def test_the_strongest_reasons_come_first_whichever_way_they_push() -> None:
    a, b, c = NAMES[:3]
    assert told({a: 0.1, b: -0.3, c: 0.2}) == [b, c, a]


def test_there_are_five_at_most() -> None:
    assert len(told({name: 1.0 + n for n, name in enumerate(NAMES)})) == MOST == 5


def test_equal_reasons_always_stand_in_the_same_order() -> None:
    orders = {tuple(told(dict.fromkeys(names, 0.5))) for names in permutations(NAMES[:4])}
    assert orders == {tuple(NAMES[:4])}


def test_what_pushes_nothing_or_next_to_nothing_is_no_reason() -> None:
    a, b, c = NAMES[:3]
    assert told({a: 1.0, b: 0.0, c: 0.019}) == [a]
    assert told({a: 0.0}) == told({}) == []


@pytest.mark.parametrize("push,direction", [(0.5, "raises"), (-0.5, "lowers")])
def test_a_reason_says_which_way_it_pushes_and_where_the_customer_stands(
    push: float, direction: str
) -> None:
    [reason] = reasons({"age_years": push}, {"age_years": 61.0}, {"age_years": 44.0})
    assert (reason.direction, reason.contribution) == (direction, push)
    assert (reason.value, reason.typical) == (61.0, 44.0)
    assert reason.text == f"{CATALOGUE['age_years'].reason}: 61 years, typical 44 years"


def test_a_missing_value_is_a_reason_like_any_other() -> None:
    [reason] = reasons({"age_years": 0.5}, {"age_years": math.nan}, {"age_years": None})
    assert (reason.value, reason.typical) == (None, None)
    assert reason.text == f"{CATALOGUE['age_years'].reason}: none"


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


def test_every_reason_served_is_a_contribution_of_a_feature_that_may_be_used(
    scorer: Scorer,
) -> None:
    for model in scorer.models.values():
        for row in model.release.golden_rows[:20]:
            score = model.score(row)
            assert score.contributions is not None
            for reason in score.reasons or []:
                assert score.contributions[reason.feature] == reason.contribution
                assert CATALOGUE[reason.feature].data_class != "protected"
