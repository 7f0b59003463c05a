"""Score profiles with exact reasons; knows no HTTP and needs neither LightGBM nor MLflow."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from data.errors import NotReady, ReleaseError, UnknownQuestion
from data.settings import settings
from features.definition import Array
from serving.reasons import Reason, reasons
from training.labels import OFFERED, SCORABLE
from training.recipes import QUESTIONS
from training.release import Release, champions, not_trained, read

os.environ.setdefault("NUMBA_CACHE_DIR", str(settings().home / "cache" / "numba"))

from training.shapley import Explainer
from training.trees import Forest

MODELS = {
    question: [f"propensity.{family}" for family in OFFERED]
    if question == "propensity"
    else [question]
    for question in QUESTIONS
}


class Score(BaseModel):
    """One answer. On the model's scale base_value + sum(contributions) = margin to 1e-9."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str
    reason: str | None = None
    value: float | None = None
    unit: str | None = None
    interval: tuple[float, float] | None = None
    coverage: float | None = None
    margin: float | None = None
    base_value: float | None = None
    contributions: dict[str, float] | None = None
    reasons: list[Reason] | None = None
    horizon: int | None = None
    label_version: str | None = None
    model: str
    version: str | None = None


class Answer(BaseModel):
    """All scores of one customer as of one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: str
    as_of: date
    scores: dict[str, Score | dict[str, Score]]


@dataclass(frozen=True)
class Model:
    """A champion, verified and ready to explain itself."""

    release: Release
    explainer: Explainer

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a release: digests first, our own parser next, golden rows before any answer.

        Raises:
            ReleaseError: the release is damaged, or does not give its golden margins.
        """
        release = read(folder)
        explainer = Explainer(
            Forest.from_text(release.model), cache=settings().home / "cache" / "tables"
        )
        if tuple(explainer.forest.feature_names) != release.card.features:
            raise ReleaseError(f"{folder}: the trees and the card disagree on the features.")
        margins, _ = explainer.explain(release.golden_rows)
        if tuple(float(margin).hex() for margin in margins) != release.golden_margins:
            raise ReleaseError(f"{folder} does not give its golden margins; it is not served.")
        return cls(release, explainer)

    def explain(self, rows: Array) -> tuple[Array, Array]:
        """Margins (n,) and contributions (n, features) of profiles (n, features).

        Raises:
            AdditivityBroken: base value and contributions do not add up to the margin.
        """
        return self.explainer.explain(rows)

    def value(self, margin: float) -> float:
        """What people read: 1/(1+exp(-margin)) for a probability, the margin itself for money."""
        if self.release.card.answer == "money":
            return margin
        return 1.0 / (1.0 + math.exp(min(-margin, 700.0)))

    def score(self, row: Array, *, stale: bool = False) -> Score:
        """The score of one profile (features,) with its contributions and reasons."""
        card = self.release.card
        margins, contributions = self.explain(row[np.newaxis, :])
        pushes = dict(zip(card.features, contributions[0].tolist(), strict=True))
        values = dict(zip(card.features, row.tolist(), strict=True))
        status = "stale" if stale else "provisional" if card.provisional else "scored"
        return Score(
            status=status,
            value=self.value(float(margins[0])),
            unit=card.unit,
            interval=card.spread.interval(float(margins[0])) if card.spread else None,
            coverage=card.spread.coverage if card.spread else None,
            margin=float(margins[0]),
            base_value=self.explainer.base_value,
            contributions=pushes,
            reasons=reasons(pushes, values, card.typical),
            horizon=card.horizon_days,
            label_version=card.label_version,
            model=card.name,
            version=card.version,
        )

    def not_scorable(self, reason: str) -> Score:
        """The answer for a customer whom the question does not fit."""
        card = self.release.card
        return Score(
            status="not_scorable",
            reason=reason,
            horizon=card.horizon_days,
            label_version=card.label_version,
            model=card.name,
            version=card.version,
        )


@dataclass(frozen=True)
class Profile:
    """One customer's profile as published, and where the customer stands to each question."""

    customer_id: str
    as_of: date
    features: tuple[str, ...]
    vector: Array
    standing: Mapping[str, str]
    stale: bool


class Scorer:
    """All champions of a home."""

    def __init__(self, models: Mapping[str, Model], untrained: Mapping[str, str]) -> None:
        self.models, self.untrained = dict(models), dict(untrained)

    @classmethod
    def load(cls) -> Self:
        """Load every champion under the home.

        Raises:
            NotReady: there is none.
            ReleaseError: one is damaged.
        """
        found = {name: Model.load(folder) for name, folder in champions().items()}
        if not found:
            raise NotReady("no model is champion yet; ./zhike training train --promote makes some.")
        return cls(found, not_trained())

    @staticmethod
    def named(questions: Sequence[str]) -> dict[str, list[str]]:
        """Question -> its models, for questions or models by name.

        Raises:
            UnknownQuestion: nothing answers to a name.
        """
        picked: dict[str, list[str]] = {}
        for asked in questions:
            question = asked.partition(".")[0]
            if asked not in MODELS and asked not in MODELS["propensity"]:
                known = ", ".join((*MODELS, *MODELS["propensity"]))
                raise UnknownQuestion(f"no such question or model; ask one of: {known}")
            names = [asked] if "." in asked else MODELS[question]
            picked.setdefault(question, [])
            picked[question] += [name for name in names if name not in picked[question]]
        return picked

    def answer(self, profile: Profile, questions: Sequence[str] = QUESTIONS) -> Answer:
        """The scores of one customer; a question without a model says so."""
        scores: dict[str, Score | dict[str, Score]] = {}
        for question, names in self.named(questions).items():
            given = {name: self._score(name, profile) for name in names}
            if question == "propensity":
                scores[question] = {n.partition(".")[2]: s for n, s in given.items()}
            else:
                scores[question] = given[question]
        return Answer(customer_id=profile.customer_id, as_of=profile.as_of, scores=scores)

    def _score(self, name: str, profile: Profile) -> Score:
        if name not in self.models:
            why = self.untrained.get(name, "nobody has trained it")
            return Score(status="not_scorable", reason=f"no model: {why}", model=name)
        model = self.models[name]
        card = model.release.card
        standing = profile.standing.get(card.name, "profile published before this model")
        if standing != SCORABLE:
            return model.not_scorable(standing)
        missing = [name for name in card.features if name not in profile.features]
        if missing:
            return model.not_scorable(f"the profile lacks {', '.join(missing[:3])}")
        places = [profile.features.index(name) for name in card.features]
        return model.score(profile.vector[places], stale=profile.stale)
