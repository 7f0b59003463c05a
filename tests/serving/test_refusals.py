"""F72: reasons for a refusal are true, specific, never banned, one to four."""

import numpy as np
import pytest
from typer.testing import CliRunner

from data.database import Database
from data.errors import ConfigurationError
from features.reason_groups import GROUP_OF
from serving.__main__ import app
from serving.refusals import MOST, NEVER, notice, refuse
from serving.scoring import Model, Scorer
from training.labels import SCORABLE


@pytest.fixture(scope="module")
def risk(scorer: Scorer) -> Model:
    return scorer.models["credit_risk"]


def test_every_reason_of_every_golden_row_lowers_the_risk_when_it_is_taken_away(
    risk: Model,
) -> None:
    """F72"""
    card, given = risk.release.card, 0
    for row in risk.release.golden_rows:
        refusal = refuse(risk, row, 0.0)
        assert refusal == refuse(risk, row.copy(), 0.0)
        assert len(refusal.reasons) <= MOST == 4
        for reason, anew in zip(refusal.reasons, refusal.rescored, strict=True):
            assert reason.group not in NEVER
            assert reason.contribution > 0
            usual = row.copy()
            for name in card.features:
                if GROUP_OF[name].name == reason.group:
                    typical = card.typical[name]
                    usual[card.features.index(name)] = np.nan if typical is None else typical
            assert risk.score(usual).value == anew < refusal.value
            given += 1
    assert given > 2 * len(risk.release.golden_rows)


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
    other = next(c for c in sorted(standings) if standings[c]["credit_risk"] == "no_exposure")
    refused = CliRunner().invoke(app, ["refusal", other, "--cut-off", "0"])
    assert "no_exposure" in str(refused.exception)
