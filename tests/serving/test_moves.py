"""Why a score moved: by reason group, adding up exactly, with the model's change told apart."""

import json
import math
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from data import audit
from data.database import Database
from data.errors import (
    AdditivityBroken,
    ConfigurationError,
    OutsideData,
    ReleaseError,
    UnknownCustomer,
    UnknownQuestion,
)
from features.definition import Array
from features.reason_groups import GROUPS
from serving.__main__ import app
from serving.moves import Asked, Movement, Then, apportioned, movement, why_moved
from serving.reasons import Language
from serving.scoring import Model, Profile, Scorer
from training.labels import SCORABLE

SINCE, UNTIL = date(2026, 3, 31), date(2026, 6, 30)
MODELS = ("churn", "lifetime_value", "credit_risk", "propensity.fund")


def profiles(model: Model) -> list[dict[str, float]]:
    """Real profiles: the golden rows but the odd ones at their end."""
    names = model.release.card.profiled
    return [dict(zip(names, row.tolist(), strict=False)) for row in model.release.golden_rows[:-4]]


def between(
    old: dict[str, float],
    new: dict[str, float],
    model: Model,
    before: Model | None = None,
    language: Language = "en",
) -> Movement:
    return movement(
        Then(SINCE, old, SCORABLE, before or model, "book"),
        Then(UNTIL, new, SCORABLE, model, "book"),
        language,
    )


def adds_up(told: Movement) -> None:
    assert told.lines is not None
    assert told.before.margin is not None
    assert told.after.margin is not None
    assert told.before.value is not None
    assert told.after.value is not None
    pushed = math.fsum(line.contribution for line in told.lines)
    assert told.before.margin + pushed == pytest.approx(told.after.margin, rel=1e-9, abs=1e-9)
    impact = math.fsum(line.impact for line in told.lines)
    assert told.before.value + impact == pytest.approx(told.after.value, rel=1e-9, abs=1e-9)
    assert sum(line.shown for line in told.lines) == told.shown
    for line in told.lines:
        assert line.shown * line.contribution >= 0
        assert (line.direction == "raises") == (line.contribution > 0)


@pytest.mark.parametrize("name", MODELS)
def test_the_groups_add_up_to_the_difference_exactly(scorer: Scorer, name: str) -> None:
    model = scorer.models[name]
    groups = {group.name for group in GROUPS}
    for old, new in pairwise(profiles(model)):
        told = between(old, new, model)
        adds_up(told)
        assert told.lines
        assert not told.model_changed
        assert told.before.base_value == told.after.base_value
        assert {line.name for line in told.lines if line.kind == "group"} <= groups
        assert {line.kind for line in told.lines} <= {"group", "period"}
        ranked = [abs(line.contribution) for line in told.lines]
        assert ranked == sorted(ranked, reverse=True)


def test_a_changed_model_is_a_line_of_its_own(scorer: Scorer) -> None:
    """Two models of the same features stand in for two versions of one."""
    before, after = scorer.models["propensity.fund"], scorer.models["propensity.insurance"]
    for old, new in pairwise(profiles(after)):
        told = between(old, new, after, before)
        adds_up(told)
        assert told.model_changed
        assert told.lines is not None
        [line] = [line for line in told.lines if line.kind == "model"]
        row = [old[name] for name in before.release.card.profiled]
        said = [float(model.explain([row])[0][0]) for model in (before, after)]  # type: ignore[arg-type]
        assert line.contribution == said[1] - said[0]
        alone = between(old, new, after).lines or []
        assert [(one.name, one.contribution) for one in told.lines if one is not line] == [
            (one.name, one.contribution) for one in alone
        ]


def test_a_new_version_that_answers_alike_says_so(scorer: Scorer) -> None:
    model = scorer.models["churn"]
    again = Model(
        replace(model.release, digest="of a version with the same trees"), model.explainer
    )
    old, new, *_ = profiles(model)
    told = between(old, new, again, model)
    assert told.lines is not None
    [line] = [line for line in told.lines if line.kind == "model"]
    assert (line.contribution, line.shown) == (0.0, 0)
    assert line.text.endswith("makes no difference")


def test_a_profile_that_stayed_moves_nothing(scorer: Scorer) -> None:
    model = scorer.models["credit_risk"]
    same = profiles(model)[0]
    told = between(same, dict(same), model)
    assert (told.shown, told.lines) == (0, [])


def test_a_day_on_which_the_question_did_not_fit_has_its_reason_and_no_lines(
    scorer: Scorer,
) -> None:
    model = scorer.models["churn"]
    old, new, *_ = profiles(model)
    told = movement(
        Then(SINCE, old, "dormant", model, "book"), Then(UNTIL, new, SCORABLE, model, "book")
    )
    assert (told.status, told.lines, told.shown) == ("not_scorable", None, None)
    assert (told.before.status, told.before.value) == ("dormant", None)
    assert told.after.value is not None
    assert "as of 2026-03-31: dormant" in told.text


class Lying(Model):
    """A model whose contributions are a little too large."""

    def explain(self, rows: Array) -> tuple[Array, Array]:
        margins, contributions = super().explain(rows)
        return margins, contributions * 1.000001


def test_lines_that_do_not_add_up_are_an_error(scorer: Scorer) -> None:
    model = scorer.models["lifetime_value"]
    old, new, *_ = profiles(model)
    with pytest.raises(AdditivityBroken, match="lifetime_value misses the difference"):
        between(old, new, Lying(model.release, model.explainer))


@pytest.mark.parametrize("language", get_args(Language))
def test_a_movement_is_told_in_three_languages(scorer: Scorer, language: Language) -> None:
    before, after = scorer.models["propensity.fund"], scorer.models["propensity.insurance"]
    old, new, *_ = profiles(after)
    told = between(old, new, after, before, language)
    texts = [told.text, *(line.text for line in told.lines or [])]
    charset = {"en": "ascii", "zh-TW": "big5", "zh-CN": "gb2312"}[language]
    for text in texts:
        text.replace("→", "").encode(charset)
        assert text.replace("→", "").isascii() == (language == "en")


@given(
    parts=st.lists(st.floats(-5_000, 5_000), min_size=1, max_size=25),
    start=st.floats(0, 10_000),
)
def test_whole_numbers_add_up_to_what_is_shown_and_none_turns_its_sign(
    parts: list[float], start: float
) -> None:
    end = start + math.fsum(parts)
    total = math.floor(end + 0.5) - math.floor(start + 0.5)
    whole = apportioned(parts, total)
    assert sum(whole) == total
    misses = [abs(one - part) for one, part in zip(whole, parts, strict=True)]
    assert all(miss <= 1 + 1e-6 for miss in misses)
    assert all(
        one * part >= 0 or miss < 1e-6 for one, part, miss in zip(whole, parts, misses, strict=True)
    )


@pytest.fixture
def known(published_profiles: list[Profile]) -> Profile:
    """A customer with a churn score who has been with the bank for years."""
    return next(
        p
        for p in published_profiles
        if p.standing["churn"] == SCORABLE and p.row(["tenure_days"])[0] > 600
    )


def moved(scorer: Scorer, database: Database, asked: Asked) -> Movement:
    return why_moved(scorer, database, asked, actor="test")[0]


def test_the_later_side_is_what_the_service_answers_for_that_day(
    scorer: Scorer, served: Database, known: Profile
) -> None:
    told = moved(scorer, served, Asked(known.customer_id, "churn", SINCE, known.as_of))
    adds_up(told)
    model = scorer.models["churn"]
    given = model.score(known.row(model.release.card.profiled))
    assert (told.after.value, told.after.margin) == (given.value, given.margin)
    assert (told.after.grounds, told.before.grounds) == ("book", "answers now")


def test_the_version_of_a_day_is_the_one_that_scored_its_book(
    scorer: Scorer, served: Database, database: Database, known: Profile
) -> None:
    asked = Asked(known.customer_id, "churn", SINCE, known.as_of)
    digest = scorer.models["churn"].release.digest
    book = {"as_of": SINCE.isoformat(), "releases": {"churn": digest}}
    audit.append(database, kind="book", actor="test", body=book)
    told = moved(scorer, database, asked)
    assert (told.before.grounds, told.after.grounds) == ("book", "answers now")
    audit.append(database, kind="book", actor="test", body=book | {"releases": {"churn": "gone"}})
    with pytest.raises(ReleaseError, match="scored the book of 2026-03-31 is gone"):
        moved(scorer, database, asked)


def test_a_version_can_be_asked_for(scorer: Scorer, served: Database, known: Profile) -> None:
    version = scorer.models["churn"].release.card.version
    asked = Asked(known.customer_id, "churn", SINCE, known.as_of, version, version)
    told = moved(scorer, served, asked)
    assert {told.before.grounds, told.after.grounds} == {"asked for"}
    with pytest.raises(UnknownQuestion, match="no such version of churn"):
        moved(scorer, served, replace(asked, old_version="999"))
    with pytest.raises(UnknownQuestion, match="no such version"):
        moved(scorer, served, replace(asked, old_version=".."))


def test_what_cannot_be_compared_is_refused(
    scorer: Scorer, served: Database, known: Profile
) -> None:
    asked = Asked(known.customer_id, "churn", SINCE, known.as_of)
    with pytest.raises(UnknownCustomer, match="known before 2026-03-31"):
        moved(scorer, served, replace(asked, customer_id="nobody"))
    with pytest.raises(OutsideData, match="2001-01-31 lies outside"):
        moved(scorer, served, replace(asked, since=date(2001, 1, 31)))
    with pytest.raises(ConfigurationError, match="earlier day first"):
        moved(scorer, served, replace(asked, until=SINCE))
    with pytest.raises(UnknownQuestion, match="no such model"):
        moved(scorer, served, replace(asked, named="propensity"))


def test_the_api_answers_and_records_a_movement(
    client: TestClient, served: Database, known: Profile
) -> None:
    asked: dict[str, Any] = {
        "customer_id": known.customer_id,
        "question": "lifetime_value",
        "since": "2026-03-31",
        "until": known.as_of.isoformat(),
    }
    answered = client.post("/v1/movements", json=asked)
    assert answered.status_code == 200, answered.text
    body = answered.json()
    adds_up(Movement.model_validate({k: v for k, v in body.items() if k != "audit"}))
    [*_, last] = audit.records(served, ("movement",))
    assert (last.sequence, last.kind) == (body["audit"], "movement")
    assert known.customer_id not in last.body
    assert audit.first_broken(served) is None


@pytest.mark.parametrize(
    "change,status",
    [
        ({"customer_id": "marker-nobody"}, 404),
        ({"question": "weather"}, 404),
        ({"old_version": "marker"}, 404),
        ({"old_version": "../marker"}, 422),
        ({"since": "2001-01-31"}, 422),
        ({"since": "2026-06-30"}, 422),
        ({"since": "marker"}, 422),
        ({"mood": 1}, 422),
    ],
)
def test_what_cannot_be_compared_is_a_problem_that_echoes_nothing(
    client: TestClient, known: Profile, change: dict[str, Any], status: int
) -> None:
    asked = {
        "customer_id": known.customer_id,
        "question": "churn",
        "since": "2026-03-31",
        "until": "2026-06-30",
    }
    refused = client.post("/v1/movements", json=asked | change)
    assert (refused.status_code, refused.json()["status"]) == (status, status)
    assert "marker" not in refused.text


def test_the_command_prints_lines_and_their_sum(served: Database, known: Profile) -> None:
    words = ["why-moved", known.customer_id, "--question", "churn"]
    words += ["--from", "2026-03-31", "--to", known.as_of.isoformat()]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "  in all" in said.output
    line = CliRunner().invoke(app, [*words, "--json"])
    adds_up(Movement.model_validate(json.loads(line.output)))
