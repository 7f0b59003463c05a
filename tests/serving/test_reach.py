"""The search over levers: what it finds is the least, and nothing beyond the bounds."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.definition import Array
from features.levers import Now
from serving.reach import Action, Search, breaks
from serving.scoring import Model, Profile, Scorer

NUMBERS = st.floats(-50, 50).map(lambda number: round(number, 1))


@given(
    start=NUMBERS,
    slope=NUMBERS,
    over=NUMBERS,
    cuts=st.lists(NUMBERS, max_size=5),
    most=st.integers(1, 60),
)
def test_between_two_breaks_no_feature_comes_to_another_side(
    start: float, slope: float, over: float, cuts: list[float], most: int
) -> None:
    def path(steps: Array) -> Mapping[str, Array]:
        level, below = start + slope * steps, over - steps
        share = np.divide(level, below, out=np.full(len(steps), np.nan), where=below != 0)
        return {"level": level, "below": below, "share": share}

    thresholds = np.array(cuts)
    found = breaks(path, most, {"level": thresholds, "share": thresholds})
    each = np.arange(1.0, most + 1)
    last = found[np.searchsorted(found, each, side="right") - 1]
    now, then = path(each), path(last)
    for name in ("level", "share"):
        assert np.array_equal(np.isnan(now[name]), np.isnan(then[name]))
        for cut in cuts:
            assert np.array_equal(now[name] <= cut, then[name] <= cut)


@pytest.fixture(params=["credit_risk", "churn"])
def model(request: pytest.FixtureRequest, scorer: Scorer) -> Model:
    return scorer.models[request.param]


@pytest.fixture
def searches(model: Model, published_profiles: list[Profile]) -> list[Search]:
    """The twentieth with the highest scores, each to come a fifth lower."""
    name, ranked = model.release.card.name, []
    for profile in published_profiles:
        if profile.standing[name] == "scorable":
            value = model.score(profile.row(model.release.card.profiled)).value or 0.0
            ranked.append((value, profile.customer_id, profile))
    ranked.sort(key=lambda one: one[:2], reverse=True)
    return [
        Search(model, Now(zip(p.features, p.vector.tolist(), strict=True)), 0.8 * value)
        for value, _, p in ranked[: len(ranked) // 20]
    ]


def test_the_amount_found_is_the_smallest_that_passes_within_bounds(
    searches: list[Search],
) -> None:
    tried = 0
    for search in searches:
        for found in search.singles():
            [action] = found.actions
            assert passes(search, action)
            for steps in smaller(action.steps):
                assert not passes(search, Action(action.lever, steps)), action
                tried += 1
    assert tried > 50


def passes(search: Search, action: Action) -> bool:
    then = action.after(search.now)
    below = search.model.value(search.margin(then)) < search.threshold
    return below and within(search, then)


def within(search: Search, then: Now) -> bool:
    """Whether whatever the action moved lies within its span, or no further out than before."""
    for name, (low, _, _, high) in search.model.release.card.spans.items():
        before, after = search.now[name], then[name]
        if name in CATALOGUE and CATALOGUE[name].unit != "days" and after != before:
            inside = low <= after <= high or math.isnan(after)
            if not inside and not low > after >= before and not high < after <= before:
                return False
    return True


def smaller(steps: int) -> list[int]:
    """Every smaller number of steps, or a hundred of them."""
    return sorted({max(1, round(n)) for n in np.linspace(1, steps - 1, 100)} - {steps, steps + 1})


def test_pairs_are_tried_where_no_single_lever_passes_and_pass_together(
    searches: list[Search],
) -> None:
    paired = 0
    for search in searches:
        if search.singles():
            continue
        for found in search.pairs():
            first, second = found.actions
            assert first.lever is not second.lever
            then = second.after(first.after(search.now))
            assert search.model.value(search.margin(then)) < search.threshold
            assert search.margin(then) == found.margin
            paired += 1
    assert paired


def test_the_cheapest_comes_first_and_costs_are_spreads(searches: list[Search]) -> None:
    for search in searches:
        found = search.singles()
        assert [one.cost for one in found] == sorted(one.cost for one in found)
        for one in found:
            [action] = one.actions
            spans = search.model.release.card.spans
            _, first, third, _ = spans.get(action.lever.of, (0.0,) * 4)
            if action.lever.unit == "money" and third > first:
                assert one.cost == action.amount(search.now) / (third - first)
            elif action.lever.unit != "money":
                assert one.cost == action.steps


def test_searching_twice_finds_the_same(searches: list[Search]) -> None:
    for search in searches[:10]:
        again = Search(search.model, Now(search.now), search.threshold)
        assert again.singles() == search.singles()
        assert again.pairs() == search.pairs()


def test_a_release_keeps_the_spans_of_its_customers(scorer: Scorer) -> None:
    for model in scorer.models.values():
        card = model.release.card
        known = {name for name, typical in card.typical.items() if typical is not None}
        assert card.spans.keys() == known
        for name, span in card.spans.items():
            assert list(span) == sorted(span)
            assert span[1] <= (card.typical[name] or 0.0) <= span[2]
