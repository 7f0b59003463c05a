"""The recipes: one frozen object a model, to be compared by eye."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypedDict

from data.errors import TrainingError, UnknownQuestion
from features.catalogue import CATALOGUE
from features.definition import Purpose
from training.labels import (
    ACQUISITION,
    CHURN,
    CREDIT_RISK,
    FIVE_YEARS,
    LIFETIME_VALUE,
    LOAN_STATUS,
    OFFERED,
    RUN_OFF,
    LabelContract,
    propensity,
)

PURPOSES: Mapping[str, Purpose] = {
    "churn": "service",
    "lifetime_value": "value",
    "propensity": "marketing",
    "credit_risk": "credit",
}
QUESTIONS = tuple(PURPOSES)
TUNABLE = (
    "num_leaves",
    "max_depth",
    "learning_rate",
    "min_data_in_leaf",
    "lambda_l2",
    "feature_fraction",
    "bagging_fraction",
)


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes:
        name: of the model: the question, with the product for propensities, or with what else is
            asked under the question.
        monotone: feature -> +1 or -1, the direction a banker insists on.
        leaves, rounds, shrinkage, smallest_leaf: size and pace of the trees.
        least_events: outcomes of the rarer kind needed to train and to test.
        categorical: features whose values are codes without an order.
        parameters: of LightGBM, where they differ from what ``fit`` takes.
        tuned: LightGBM's parameters that a search put in the place of the usual ones.

    Raises:
        TrainingError: a feature that is not in the catalogue, is a protected attribute, or may not
            serve what the question is asked for; a tuned parameter that is none of size or pace.
    """

    name: str
    label: LabelContract
    features: tuple[str, ...]
    monotone: Mapping[str, int] = field(default_factory=dict)
    leaves: int = 15
    rounds: int = 250
    shrinkage: float = 0.06
    smallest_leaf: int = 50
    least_events: tuple[int, int] = (20, 5)
    categorical: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [n for n in (*self.features, *self.monotone) if n not in CATALOGUE]
        if unknown:
            raise TrainingError(f"recipe {self.name}: not in the catalogue: {', '.join(unknown)}")
        banned = [n for n in self.features if CATALOGUE[n].data_class == "protected"]
        if banned:
            raise TrainingError(
                f"recipe {self.name}: protected attributes may not be used: {', '.join(banned)}"
            )
        purpose = PURPOSES[self.label.question]
        foreign = [n for n in self.features if purpose not in CATALOGUE[n].purposes]
        if foreign:
            raise TrainingError(
                f"recipe {self.name} serves {purpose}, which these features may not:"
                f" {', '.join(foreign)}"
            )
        if odd := [n for n in self.tuned if n not in TUNABLE]:
            raise TrainingError(
                f"recipe {self.name}: not to be tuned: {', '.join(odd)}. Class weights, above all,"
                " would bend the probabilities."
            )
        object.__setattr__(self, "monotone", MappingProxyType(dict(self.monotone)))
        object.__setattr__(self, "tuned", MappingProxyType(dict(self.tuned)))

    @property
    def product(self) -> str | None:
        """The product family of a propensity; None for the other questions."""
        return self.name.partition(".")[2] if self.label.question == "propensity" else None


def _serving(purpose: Purpose, *subjects: str) -> tuple[str, ...]:
    """Every feature of the subjects (all of them by default) that may serve a purpose."""
    return tuple(
        f.name
        for f in CATALOGUE.values()
        if purpose in f.purposes
        and (not subjects or f.subject in subjects)
        and f.name != "days_since_birth"  # age_years says it in people's words
    )


_RISK_DIRECTIONS = {
    "loan_days_past_due": 1,
    "loan_worst_arrears_90d": 1,
    "loan_worst_arrears_365d": 1,
    "loan_worst_arrears": 1,
    "loan_arrears_months_365d": 1,
    "loan_arrears_months": 1,
    "card_days_past_due": 1,
    "card_worst_arrears_90d": 1,
    "card_worst_arrears_365d": 1,
    "card_worst_arrears": 1,
    "card_arrears_months_365d": 1,
    "card_arrears_months": 1,
    "card_arrears_30_365d": 1,
    "over_limit_365d": 1,
    "limit_use": 1,
    "minimum_payments_180d": 1,
    "minimum_payments_365d": 1,
    "penalties_365d": 1,
    "refusals_365d": 1,
    "days_overdrawn_90d": 1,
    "days_overdrawn_365d": 1,
    "lowest_balance_30d": -1,
    "lowest_balance_90d": -1,
    "lowest_balance_365d": -1,
}


class _Size(TypedDict):
    """The size and pace of a recipe's trees."""

    leaves: int
    rounds: int
    shrinkage: float
    parameters: Mapping[str, Any]


# What was earned ever grows with the history a bank has loaded, not with the customer.
_WORTH = tuple(name for name in _serving("value") if name != "contribution")

# Of many features and few events: small trees, each of which sees a fifth of the features.
_RARE = _Size(
    leaves=8, rounds=500, shrinkage=0.05, parameters=MappingProxyType({"feature_fraction": 0.2})
)

_RECIPES = (
    Recipe("churn", CHURN, _serving("service"), **_RARE),
    Recipe("churn.run_off", RUN_OFF, _serving("service"), **_RARE),
    Recipe("lifetime_value", LIFETIME_VALUE, _WORTH, rounds=400),
    Recipe("lifetime_value.five_years", FIVE_YEARS, _WORTH, rounds=100, shrinkage=0.12),
    *(
        Recipe(f"propensity.{family}", propensity(family), _serving("marketing"), **_RARE)
        for family in OFFERED
    ),
    Recipe(
        "credit_risk",
        CREDIT_RISK,
        _serving("credit"),
        monotone=_RISK_DIRECTIONS,
        leaves=8,
        rounds=500,
        shrinkage=0.04,
    ),
    Recipe(
        "credit_risk.acquisition",
        ACQUISITION,
        _serving("credit"),
        monotone=_RISK_DIRECTIONS,
        leaves=6,
        smallest_leaf=20,
        shrinkage=0.05,
    ),
)
_LOAN_STATUS = Recipe(
    "credit_risk",
    LOAN_STATUS,
    _serving("credit", "demographics", "products", "balances", "activity"),
    monotone=_RISK_DIRECTIONS,
    leaves=6,
    smallest_leaf=10,
    shrinkage=0.05,
)


def recipes(tables: tuple[str, ...]) -> tuple[Recipe, ...]:
    """The recipes that suit a warehouse with these tables.

    Credit risk is asked of statements where there are any, else of the loans' final status.
    """
    behavioural = "repayments" in tables or "loan_outcomes" not in tables
    risk = () if behavioural else (_LOAN_STATUS,)
    return tuple(r for r in _RECIPES if not risk or r.label.question != "credit_risk") + risk


def chosen(tables: tuple[str, ...], question: str) -> tuple[Recipe, ...]:
    """The recipes of one question or model; 'all' for every one.

    Raises:
        UnknownQuestion: no recipe answers to that name.
    """
    found = tuple(r for r in recipes(tables) if question in ("all", r.name, r.label.question))
    if not found:
        names = ", ".join(r.name for r in recipes(tables))
        raise UnknownQuestion(f"there is no question '{question}'. Choose all or one of: {names}.")
    return found
