"""A recipe reads what the catalogue describes, and nothing that the law protects."""

import pytest

from data.errors import TrainingError, UnknownQuestion
from features.catalogue import CATALOGUE
from training.labels import CHURN, CREDIT_RISK, OFFERED
from training.recipes import PURPOSES, QUESTIONS, Recipe, chosen, recipes

SIMULATED = ("accounts", "balances", "contributions", "loans", "repayments", "transactions")
BERKA = ("accounts", "balances", "loan_outcomes", "loans", "transactions")
EVERY = (*recipes(SIMULATED), *recipes(BERKA))


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.label.version)
def test_a_recipe_uses_catalogued_features_once_each(recipe: Recipe) -> None:
    assert set(recipe.features) <= set(CATALOGUE)
    assert len(recipe.features) == len(set(recipe.features)) >= 25
    assert set(recipe.monotone.values()) <= {-1, 1}


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.label.version)
def test_no_recipe_reads_a_protected_attribute(recipe: Recipe) -> None:
    assert all(CATALOGUE[name].data_class != "protected" for name in recipe.features)


def test_a_protected_attribute_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match=r"protected attributes.*is_female"):
        Recipe("churn", CHURN, ("tenure_days", "is_female"))


def test_a_feature_that_may_not_serve_the_question_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match=r"serves credit, which .* may not: complaints_180d"):
        Recipe("credit_risk", CREDIT_RISK, ("tenure_days", "complaints_180d"))


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.label.version)
def test_every_feature_of_a_recipe_may_serve_what_it_is_asked_for(recipe: Recipe) -> None:
    purpose = PURPOSES[recipe.label.question]
    assert all(purpose in CATALOGUE[name].purposes for name in recipe.features)


@pytest.mark.parametrize("monotone", [{}, {"mood": 1}])
def test_an_uncatalogued_feature_is_refused_by_name(monotone: dict[str, int]) -> None:
    features = ("tenure_days",) if monotone else ("tenure_days", "mood")
    with pytest.raises(TrainingError, match="not in the catalogue: mood"):
        Recipe("churn", CHURN, features, monotone=monotone)


@pytest.mark.parametrize("name", ["scale_pos_weight", "is_unbalance", "objective"])
def test_a_class_weight_cannot_be_tuned(name: str) -> None:
    with pytest.raises(TrainingError, match=f"not to be tuned: {name}.*bend the probabilities"):
        Recipe("churn", CHURN, ("tenure_days",), tuned={name: 1})


def test_a_recipe_cannot_be_changed_after_it_was_written() -> None:
    recipe = Recipe("churn", CHURN, ("tenure_days",), monotone={"tenure_days": -1})
    with pytest.raises(TypeError):
        recipe.monotone["tenure_days"] = 1  # type: ignore[index]  # what must not work


def test_every_question_has_a_recipe_and_propensity_one_a_product() -> None:
    found = recipes(SIMULATED)
    assert {recipe.label.question for recipe in found} == set(QUESTIONS)
    assert [r.name for r in found][-2:] == ["credit_risk", "credit_risk.acquisition"]
    products = [r.product for r in found if r.label.question == "propensity"]
    assert products == list(OFFERED)
    assert len({recipe.name for recipe in found}) == len(found)


def test_credit_risk_without_statements_asks_for_the_final_status_and_says_so() -> None:
    (recipe,) = chosen(BERKA, "credit_risk")
    assert recipe.label.version == "credit_risk.final_status/1"
    assert "not default within 12 months" in recipe.label.outcome


@pytest.mark.parametrize(
    "asked, count",
    [
        ("all", len(recipes(SIMULATED))),
        ("propensity", len(OFFERED)),
        ("churn", 2),
        ("churn.run_off", 1),
        ("lifetime_value", 2),
        ("lifetime_value.five_years", 1),
    ],
)
def test_recipes_are_chosen_by_question_or_model(asked: str, count: int) -> None:
    assert len(chosen(SIMULATED, asked)) == count
    assert [r.name for r in chosen(SIMULATED, "propensity.fund")] == ["propensity.fund"]


def test_an_unknown_question_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownQuestion, match=r"'mood'.*lifetime_value"):
        chosen(SIMULATED, "mood")
