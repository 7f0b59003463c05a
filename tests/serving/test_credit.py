"""A credit-risk answer carries its grade, and where there is exposure what a default would cost."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.database import Database, migrated
from data.errors import NotReady
from data.warehouse import Warehouse
from serving.answering import answer
from serving.book import newest_book, score_book
from serving.credit import credit
from serving.scoring import Score, Scorer
from serving.stress import stress
from tests.training.test_release import card
from training import actors, life
from training.grades import band, grade
from training.labels import DefaultDefinition
from training.labels.credit import NO_REJECTS, acquisition
from training.losses import Exposure, Part
from training.recipes import Recipe, chosen
from training.run import Trained, train

PART = Part("credit_card", "none", 300.0, 700.0, 0.4, 580.0, 0.5, "observed", 40)
OWED = Exposure("TWD", 580.0, 0.5, (PART,))
BEHAVIOURAL = card(name="credit_risk", question="credit_risk", horizon_days=365)
ACQUIRED = card(name="credit_risk.acquisition", question="credit_risk", horizon_days=365)


def test_expected_loss_is_pd_times_lgd_times_ead() -> None:
    found = credit(BEHAVIOURAL, "scorable", 0.02, OWED)
    assert found is not None
    assert (found.grade, found.band, found.scale) == ("6", "medium", "master-scale/1")
    assert (found.ead, found.lgd, found.expected_loss) == (580, 0.5, 0.02 * 0.5 * 580)
    assert (found.currency, found.tables) == ("TWD", "losses/1")
    assert found.parts is not None
    assert (found.parts[0].lgd_source, found.parts[0].lgd_cases) == ("observed", 40)


def test_who_is_in_default_has_grade_d_and_loses_the_whole_lgd() -> None:
    found = credit(BEHAVIOURAL, "in_default", None, OWED)
    assert found is not None
    assert (found.grade, found.band, found.expected_loss) == ("D", "high", 290)


def test_new_credit_has_a_grade_and_no_exposure_yet() -> None:
    found = credit(ACQUIRED, "scorable", 0.02, OWED)
    assert found is not None
    assert (found.grade, found.ead, found.expected_loss) == ("6", None, None)


@pytest.mark.parametrize("standing", ["no_exposure", "no_open_account"])
def test_whom_the_question_does_not_fit_has_no_grade(standing: str) -> None:
    assert credit(BEHAVIOURAL, standing, None, OWED) is None


def test_other_questions_and_a_loan_s_final_status_have_no_grade() -> None:
    assert credit(card(), "scorable", 0.02, OWED) is None
    final = card(name="credit_risk", question="credit_risk", horizon_days=0)
    assert credit(final, "scorable", 0.02, OWED) is None


def test_several_currencies_have_no_expected_loss() -> None:
    found = credit(BEHAVIOURAL, "scorable", 0.02, Exposure(None, None, None, (PART, PART)))
    assert found is not None
    assert (found.ead, found.expected_loss, found.tables) == (None, None, "losses/1")


@pytest.fixture
def told(served: Database) -> pd.DataFrame:
    """The book's rows of credit risk."""
    return pq.read_table(newest_book(served) / "credit_risk.parquet").to_pandas()


def test_the_book_grades_all_it_scores_and_prices_what_they_owe(told: pd.DataFrame) -> None:
    scored = told[told["status"] == "scorable"]
    assert list(scored["grade"]) == [grade(value) for value in scored["value"]]
    assert list(scored["band"]) == [band(name) for name in scored["grade"]]
    assert set(scored["scale"]) == {"master-scale/1"}
    assert scored["ead"].notna().all()
    assert (scored["ead"] > 0).all()
    assert np.array_equal(scored["expected_loss"], scored["value"] * scored["lgd"] * scored["ead"])
    assert told.loc[told["status"] == "no_exposure", "grade"].isna().all()
    assert set(told.loc[told["status"] == "in_default", "grade"]) == {"D"}


def test_a_customer_in_default_is_answered_with_grade_d_and_the_reason(
    served: Database, scorer: Scorer, told: pd.DataFrame
) -> None:
    customer = told.loc[told["status"] == "in_default", "customer_id"].iloc[0]
    score = answer(scorer, served, customer, ["credit_risk"], actor="test")[0].scores["credit_risk"]
    assert isinstance(score, Score)
    assert (score.status, score.reason, score.value) == ("not_scorable", "in_default", None)
    assert score.credit is not None
    assert score.credit.grade == "D"


def test_a_worse_economy_costs_more_and_an_unchanged_one_the_same(
    served: Database, told: pd.DataFrame
) -> None:
    (same,), (worse,) = (stress(newest_book(served), shift) for shift in (0.0, 0.5))
    scored = told[told["status"] == "scorable"]
    assert same.expected == pytest.approx(scored["expected_loss"].sum())
    assert same.stressed == same.expected == worse.expected
    assert worse.stressed > worse.expected
    in_default = told.loc[told["grade"] == "D", "expected_loss"].sum()
    assert worse.in_default == pytest.approx(in_default)


def test_without_a_book_there_is_nothing_to_stress(store: Database, home: Path) -> None:
    with pytest.raises(NotReady, match="score-book"):
        newest_book(store)
    with pytest.raises(NotReady, match="train credit_risk"):
        stress(home, 0.5)


@pytest.mark.slow
def test_new_credit_is_trained_released_and_answered_with_its_caveat(
    loaded_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    (usual,) = chosen(Warehouse().manifest.tables, "credit_risk.acquisition")
    # A small bank's new credit hardly defaults within a year: any arrears stand in for default.
    eager = acquisition(DefaultDefinition(days_past_due=0, materiality=0))
    recipe = Recipe(usual.name, eager, usual.features, usual.monotone, leaves=4, rounds=40)
    monkeypatch.setattr("training.run.chosen", lambda *_: (recipe,))
    store = migrated()
    ann, ben = (actors.available(store, name) for name in ("ann", "ben"))
    (outcome,) = train(Warehouse(), trainer=ann.name)
    assert isinstance(outcome, Trained), outcome
    assert outcome.judgement.protocol == "5 folds"
    life.vouch(store, outcome.name, outcome.version, ann, ben)
    life.promote(store, outcome.name, outcome.version, actor="test")
    book = score_book(Warehouse(), store, actor="test")
    rows = pq.read_table(book.folder / "credit_risk.acquisition.parquet").to_pandas()
    scored = rows[rows["status"] == "scorable"]
    assert len(scored) > 500
    assert list(scored["grade"]) == [grade(value) for value in scored["value"]]
    customer = scored["customer_id"].iloc[0]
    given, _ = answer(Scorer.load(), store, customer, ["credit_risk"], actor="test")
    score = given.scores["credit_risk.acquisition"]
    assert isinstance(score, Score)
    assert score.notes == [NO_REJECTS]
    assert score.label_version == "credit_risk.acquisition/1(0,0,92,365)"
    page = (home / "releases" / outcome.name / outcome.version / "card.html").read_text()
    assert NO_REJECTS in page
    store.engine.dispose()
