"""What would change a score: the least there is, verified, and no more than the model says."""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from data import audit
from data.database import Database
from data.errors import NotReady, UnknownQuestion
from features.catalogue import CATALOGUE
from features.levers import LEVERS, Now
from serving.__main__ import app
from serving.changes import CHANGEABLE, Change, percents, what_would_change
from serving.reach import Action
from serving.reasons import Language
from serving.scoring import Model, Profile, Scorer
from training.labels import SCORABLE

NAMED = {lever.name: lever for lever in LEVERS}


def value_of(model: Model, profile: Profile) -> float:
    return model.score(profile.row(model.release.card.profiled)).value or 0.0


def risky(model: Model, profiles: list[Profile], count: int) -> list[Profile]:
    fit = [p for p in profiles if p.standing[model.release.card.name] == SCORABLE]
    return sorted(fit, key=lambda p: (-value_of(model, p), p.customer_id))[:count]


def found_for(
    model: Model, profiles: list[Profile], share: float = 0.9, language: Language = "en"
) -> list[tuple[Profile, Change]]:
    tried = [
        (one, what_would_change(model, one, share * value_of(model, one), language))
        for one in risky(model, profiles, 40)
    ]
    return [(one, told) for one, told in tried if told.status == "found"]


@pytest.mark.parametrize("question", CHANGEABLE)
def test_every_change_is_verified_by_scoring_the_changed_profile(
    scorer: Scorer, published_profiles: list[Profile], question: str
) -> None:
    model = scorer.models[question]
    card = model.release.card
    given = found_for(model, published_profiles)
    assert len(given) >= 5
    for profile, told in given:
        assert told.smallest is not None
        for option in [told.smallest, *(told.others or [])]:
            now = Now(zip(profile.features, profile.vector.tolist(), strict=True))
            for step in option.steps:
                lever = NAMED[step.lever]
                steps = 1 + round((step.amount - lever.least) / lever.step)
                now = Action(lever, steps).after(now)
            row = profile.row(card.profiled)
            for place, name in enumerate(card.profiled):
                row[place] = now[name]
            assert model.score(row).value == option.value < told.threshold


@pytest.mark.parametrize("question,by", [("credit_risk", "customer"), ("churn", "bank")])
def test_who_acts_is_the_customer_for_credit_and_the_bank_for_churn(
    scorer: Scorer, published_profiles: list[Profile], question: str, by: str
) -> None:
    for _, told in found_for(scorer.models[question], published_profiles):
        assert told.smallest is not None
        for step in told.smallest.steps:
            assert step.by == by
            assert question in NAMED[step.lever].questions
            assert {CATALOGUE[moved.feature].data_class for moved in step.moved} <= {
                "ordinary",
                "personal",
            }
            assert all(moved.before != moved.after for moved in step.moved)


def test_none_within_reach_is_an_answer(scorer: Scorer, published_profiles: list[Profile]) -> None:
    model = scorer.models["credit_risk"]
    [profile] = risky(model, published_profiles, 1)
    told = what_would_change(model, profile, 1e-6)
    assert (told.status, told.smallest) == ("none_within_reach", None)
    assert told.lowest is not None
    assert 1e-6 < told.lowest <= (told.value or 0.0)
    assert "nothing within reach takes it below" in told.text


def test_a_score_that_is_below_already_needs_no_change(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    model = scorer.models["churn"]
    [profile] = risky(model, published_profiles, 1)
    told = what_would_change(model, profile, 1.0)
    assert (told.status, told.smallest, told.value) == (
        "below_already",
        None,
        value_of(model, profile),
    )


def test_whom_the_question_does_not_fit_gets_the_reason(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    model = scorer.models["credit_risk"]
    other = next(p for p in published_profiles if p.standing["credit_risk"] == "no_exposure")
    told = what_would_change(model, other, 0.05)
    assert (told.status, told.reason, told.value) == ("not_scorable", "no_exposure", None)


def test_nobody_is_asked_to_change_what_they_are_worth(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    with pytest.raises(UnknownQuestion, match="credit_risk or churn"):
        what_would_change(scorer.models["lifetime_value"], published_profiles[0], 0.5)


def test_a_model_without_bounds_is_not_searched(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    model = scorer.models["churn"]
    old = replace(model.release, card=model.release.card.model_copy(update={"spans": {}}))
    with pytest.raises(NotReady, match="train it again"):
        what_would_change(
            Model(old, model.explainer), risky(model, published_profiles, 1)[0], 0.001
        )


@pytest.mark.parametrize("language", get_args(Language))
def test_a_change_is_told_in_three_languages_and_promises_nothing(
    scorer: Scorer, published_profiles: list[Profile], language: Language
) -> None:
    _, told = found_for(scorer.models["credit_risk"], published_profiles, language=language)[0]
    assert told.smallest is not None
    texts = [told.text, told.statement, *(step.text for step in told.smallest.steps)]
    promise = {"en": "no promise", "zh-TW": "並非承諾", "zh-CN": "并非承诺"}[language]
    assert promise in told.statement
    assert all(text.isascii() == (language == "en") for text in texts)
    charset = {"en": "ascii", "zh-TW": "big5", "zh-CN": "gb2312"}[language]
    for text in texts:
        text.encode(charset)


def test_percentages_show_as_many_places_as_tell_them_apart() -> None:
    assert percents(0.0641, 0.05, None) == ["6.41%", "5.00%", ""]
    assert percents(0.064099, 0.0641) == ["6.4099%", "6.4100%"]


def ask(client: TestClient, **asked: Any) -> Any:
    return client.post("/v1/changes", json=asked)


def test_the_api_answers_and_records_a_change(
    client: TestClient, served: Database, scorer: Scorer, published_profiles: list[Profile]
) -> None:
    profile, told = found_for(scorer.models["churn"], published_profiles)[0]
    answered = ask(
        client, customer_id=profile.customer_id, question="churn", threshold=told.threshold
    )
    assert answered.status_code == 200, answered.text
    body = answered.json()
    assert told.smallest is not None
    assert body["smallest"] == told.smallest.model_dump(mode="json", exclude_none=True)
    [*_, last] = audit.records(served, ("change",))
    assert last.sequence == body["audit"]
    assert profile.customer_id not in last.body
    assert audit.first_broken(served) is None


@pytest.mark.parametrize(
    "change,status",
    [
        ({"customer_id": "marker-nobody"}, 404),
        ({"question": "weather"}, 404),
        ({"question": "lifetime_value"}, 404),
        ({"question": "propensity.fund"}, 404),
        ({"threshold": 0}, 422),
        ({"threshold": 1.5}, 422),
        ({"threshold": "0.1"}, 422),
        ({"mood": 1}, 422),
    ],
)
def test_what_cannot_be_changed_is_refused(
    client: TestClient, customer: str, change: dict[str, Any], status: int
) -> None:
    asked = {"customer_id": customer, "question": "churn", "threshold": 0.05} | change
    refused = ask(client, **asked)
    assert (refused.status_code, refused.json()["status"]) == (status, status)
    assert "marker" not in refused.text


def test_the_command_prints_the_change_and_what_it_moves(
    served: Database, scorer: Scorer, published_profiles: list[Profile]
) -> None:
    profile, told = found_for(scorer.models["credit_risk"], published_profiles)[0]
    words = ["what-would-change", profile.customer_id, "--question", "credit_risk"]
    words += ["--threshold", repr(told.threshold)]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert told.text in said.output
    assert told.smallest is not None
    assert told.smallest.steps[0].moved[0].text in said.output
    line = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(line.output)["smallest"]["value"] == told.smallest.value
