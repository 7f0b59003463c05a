"""F72: reasons for a refusal are true, specific, never banned, one to four."""

import math

import numpy as np
import pytest
from typer.testing import CliRunner

from data import audit
from data.database import Database
from data.errors import ConfigurationError
from features.catalogue import CATALOGUE
from features.definition import Array
from features.reason_groups import GROUP_OF
from serving.__main__ import app
from serving.baselines import just_within
from serving.refusals import MOST, NEVER, Refusal, notice, refuse
from serving.scoring import Model, Profile, Scorer
from training.labels import SCORABLE


@pytest.fixture(scope="module")
def risk(scorer: Scorer) -> Model:
    return scorer.models["credit_risk"]


def fitting(model: Model, profiles: list[Profile]) -> list[Array]:
    """The profiles of everybody in the published book whom a model scores, as it reads them."""
    card = model.release.card
    fit = [one for one in profiles if one.standing.get(card.name) == SCORABLE]
    return [one.row(card.profiled) for one in fit]


def test_every_reason_for_every_borrower_of_the_book_lowers_the_risk_when_it_is_taken_away(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    """F72"""
    for name in (name for name in scorer.models if name.startswith("credit_risk")):
        model, given = scorer.models[name], 0
        rows = fitting(model, published_profiles)
        for row in rows:
            refused = refuse(model, row, 0.0)
            assert refused == refuse(model, row.copy(), 0.0)
            given += check(model, row, refused)
        assert len(rows) > 300
        assert given > len(rows)


def check(model: Model, row: Array, refused: Refusal) -> int:
    """How many reasons there are, each of them true, allowed and verified."""
    card, few = model.release.card, len(refused.reasons)
    assert refused.manual_review if few == 0 else 1 <= few <= MOST == 4
    assert len({reason.group for reason in refused.reasons}) == few
    for reason, anew in zip(refused.reasons, refused.rescored, strict=True):
        assert reason.group not in NEVER | set(refused.passed_over)
        assert CATALOGUE[reason.feature].data_class in ("ordinary", "personal")
        assert reason.contribution > 0
        assert reason.direction == "raises"
        usual = row.copy()
        for name in card.features:
            if GROUP_OF[name].name == reason.group:
                typical = refused.baseline.typical[name]
                usual[card.features.index(name)] = np.nan if typical is None else typical
        assert model.score(usual).value == anew < refused.value
    return few


@pytest.mark.slow
def test_every_score_of_the_book_adds_up_and_the_same_customer_has_the_same_reasons(
    scorer: Scorer, published_profiles: list[Profile]
) -> None:
    """F72"""
    scored = 0
    for model in scorer.models.values():
        for row in fitting(model, published_profiles):
            score = model.score(row)
            for each in (score, *(score.horizons or ())):
                assert each.margin is not None
                assert each.base_value is not None
                total = math.fsum([each.base_value, *(each.contributions or {}).values()])
                assert abs(total - each.margin) <= 1e-9 * max(1.0, abs(each.margin))
            assert model.score(row.copy()) == score
            scored += 1
    assert scored > 5_000


def test_protected_attributes_and_their_groups_stand_in_no_refusal(risk: Model) -> None:
    """Raise age and district alone: there is nothing that may be said."""
    card = risk.release.card
    for row in risk.release.golden_rows:
        said = refuse(risk, row, 0.0)
        assert not {reason.group for reason in said.reasons} & NEVER
    sensitive = {name for name in card.features if CATALOGUE[name].data_class == "sensitive"}
    assert {GROUP_OF[name].name for name in sensitive} <= NEVER


def test_the_baseline_can_be_those_who_were_only_just_accepted(
    served: Database, risk: Model, published_profiles: list[Profile]
) -> None:
    rows = fitting(risk, published_profiles)
    values = sorted(risk.score(row).value or 0.0 for row in rows)
    cut_off = values[int(0.9 * len(values))]
    near = just_within(served, risk, cut_off)
    assert (near.kind, near.customers) == ("cut_off", 200)
    typical = [near.typical[name] for name in risk.release.card.features]
    worse, better = (risk.score(np.array(usual, np.float64)).value for usual in (
        typical, [risk.release.card.typical[name] for name in risk.release.card.features]
    ))  # fmt: skip
    assert (worse or 0.0) > (better or 0.0)
    for row in rows:
        if (risk.score(row).value or 0.0) >= cut_off:
            refused = refuse(risk, row, cut_off, baseline=near)
            check(risk, row, refused)
            if refused.reasons:
                assert "borrowers who were only just accepted" in refused.notice


def test_too_few_who_were_just_accepted_are_no_baseline(served: Database, risk: Model) -> None:
    with pytest.raises(ConfigurationError, match="take --baseline all"):
        just_within(served, risk, 1e-9)


def test_a_reason_that_fails_its_test_is_passed_over_for_the_next(risk: Model) -> None:
    refusals = [refuse(risk, row, 0.0) for row in risk.release.golden_rows]
    passed_over = [refusal for refusal in refusals if refusal.passed_over]
    assert passed_over
    for refusal in passed_over:
        assert not {reason.group for reason in refusal.reasons} & set(refusal.passed_over)


def test_somebody_at_the_baseline_in_everything_goes_to_manual_review(risk: Model) -> None:
    card = risk.release.card
    usual = np.array([card.typical[name] for name in card.features], dtype=np.float64)
    refusal = refuse(risk, usual, 0.0)
    assert refusal.manual_review
    assert refusal.notice == "No reason could be verified; a person must review this application."


def test_a_score_below_the_cut_off_is_no_refusal(risk: Model) -> None:
    with pytest.raises(ConfigurationError, match=r"below the cut-off of 100\.00%"):
        refuse(risk, risk.release.golden_rows[0], 1.0)


def test_another_question_refuses_nobody(scorer: Scorer) -> None:
    churn = scorer.models["churn"]
    with pytest.raises(ConfigurationError, match="churn refuses nobody"):
        refuse(churn, churn.release.golden_rows[0], 0.0)


def test_a_notice_is_worded_by_jurisdiction_and_language(risk: Model) -> None:
    row = next(row for row in risk.release.golden_rows if refuse(risk, row, 0.0).reasons)
    said = refuse(risk, row, 0.0, language="zh-TW", jurisdiction="us").notice
    assert said.startswith("您的信貸申請未獲核准。與一般借款人相比")
    assert "\n1. " in said
    assert notice([], "zh-CN", "general") == "无法确认具体原因，须由专人审查。"


def test_the_command_prints_the_notice_and_what_verified_it(
    served: Database, standings: dict[str, dict[str, str]]
) -> None:
    who = next(c for c in sorted(standings) if standings[c]["credit_risk"] == SCORABLE)
    said = CliRunner().invoke(app, ["refusal", who, "--cut-off", "0"])
    assert said.exit_code == 0, said.output
    assert "compared with the typical borrower" in said.output
    assert "\n1. " in said.output
    [*_, last] = audit.records(served, ("refusal",))
    assert '"baseline":"all"' in last.body
    assert who not in last.body
    other = next(c for c in sorted(standings) if standings[c]["credit_risk"] == "no_exposure")
    refused = CliRunner().invoke(app, ["refusal", other, "--cut-off", "0"])
    assert "no_exposure" in str(refused.exception)
