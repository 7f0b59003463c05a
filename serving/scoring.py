"""Score profiles with exact reasons; knows no HTTP and needs neither LightGBM nor MLflow."""

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from data.database import Database
from data.errors import NotReady, NotScorable, ReleaseError, UnknownQuestion
from data.settings import settings
from features.definition import Array
from serving.credit import CreditRisk, credit
from serving.reasons import Language, Reason, Told, column_reasons, impact_of_a_unit, reasons
from training.actors import registered
from training.labels import SCORABLE
from training.losses import Exposure
from training.recipes import QUESTIONS, recipes
from training.release import Release, champions, not_trained, read
from training.seal import Keys

os.environ.setdefault("NUMBA_CACHE_DIR", str(settings().home / "cache" / "numba"))

from training.shapley import Explainer
from training.trees import Forest

MODELS = {
    question: [r.name for r in recipes(()) if r.label.question == question]
    for question in QUESTIONS
}
NO_CHAMPION = "no model is champion yet; ./zhike training train --promote makes some."
NAMES = [name for names in MODELS.values() for name in names]


def registered_keys() -> Keys:
    """The public keys of all actors in the database that the settings name.

    Raises:
        NotReady: the database does not answer.
    """
    database = Database()
    try:
        return registered(database)
    finally:
        database.engine.dispose()


class AtHorizon(BaseModel):
    """One answer at one horizon, in days; it adds up like a score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon: int
    value: float
    margin: float
    base_value: float | None = None
    contributions: dict[str, float] | None = None
    reasons: list[Reason] | None = None


class Score(BaseModel):
    """One answer. On the model's scale base_value + sum(contributions) = margin to 1e-9.

    Of a model that answers several horizons this is the main one; ``horizons`` holds each of
    them, shortest first, and no longer one has the lower value.
    """

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
    horizons: list[AtHorizon] | None = None
    label_version: str | None = None
    model: str
    version: str | None = None
    credit: CreditRisk | None = None
    notes: list[str] | None = None


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
    def load(cls, folder: Path, keys: Keys | None = None) -> Self:
        """Load a release: digests and signatures first, our own parser next, then golden rows.

        Args:
            keys: registered actor -> public key; by default those of the database in force.

        Raises:
            ReleaseError: the release is damaged, not signed by a registered actor, or does not
                give its golden margins.
        """
        return cls.of(read(folder, registered_keys() if keys is None else keys))

    @classmethod
    def of(cls, release: Release) -> Self:
        """A release that was verified, ready to answer once it gives its golden margins.

        Raises:
            ReleaseError: it does not, or its trees and its card disagree.
        """
        folder = release.folder
        explainer = Explainer(
            Forest.from_text(release.model), cache=settings().home / "cache" / "tables"
        )
        if tuple(explainer.forest.feature_names) != release.card.tree_features:
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

    def lacks(self, features: Collection[str]) -> str:
        """What a profile of some features lacks for this model; empty where it lacks nothing."""
        missing = _missing(tuple(features), self.release.card.profiled)
        return f"the profile lacks {', '.join(missing[:3])}" if missing else ""

    def value(self, margin: float) -> float:
        """What people read: 1/(1+exp(-margin)) for a probability, the margin itself for money."""
        if self.release.card.answer == "money":
            return margin
        return 1.0 / (1.0 + math.exp(min(-margin, 700.0)))

    def score(
        self,
        row: Array,
        *,
        stale: bool = False,
        language: Language = "en",
        exposure: Exposure | None = None,
    ) -> Score:
        """The score of one profile (features,) with its contributions and reasons."""
        (score,) = self.scores(row[np.newaxis, :], [exposure], stale=stale, language=language)
        return score

    def scores(
        self,
        rows: Array,
        exposures: Sequence[Exposure | None],
        *,
        stale: bool = False,
        language: Language = "en",
    ) -> list[Score]:
        """The scores of profiles (n, features), each with the bits that it has alone."""
        each = self._each_horizon(rows, language)
        return [
            self._score(horizons, exposure, stale)
            for horizons, exposure in zip(each, exposures, strict=True)
        ]

    def _score(self, each: list[AtHorizon], exposure: Exposure | None, stale: bool) -> Score:
        card = self.release.card
        main = next(one for one in each if one.horizon == card.horizon_days)
        return Score(
            status=self.standing(stale=stale),
            unit=card.unit,
            **dict(main),
            horizons=each if card.horizons else None,
            interval=card.spread.interval(main.margin) if card.spread else None,
            coverage=card.spread.coverage if card.spread else None,
            label_version=card.label_version,
            model=card.name,
            version=card.version,
            credit=credit(card, SCORABLE, main.value, exposure),
            notes=list(card.answer_notes) or None,
        )

    def standing(self, *, stale: bool = False) -> str:
        """What a score of the model is marked as."""
        return "stale" if stale else "provisional" if self.release.card.provisional else "scored"

    def _each_horizon(self, rows: Array, language: Language) -> list[list[AtHorizon]]:
        """For each profile (n, features) its answers, shortest horizon first."""
        card = self.release.card
        horizons = card.horizons or (card.horizon_days,)
        asked = np.vstack([self.inputs(rows, horizon) for horizon in horizons])
        margins, pushes = (found.tolist() for found in self.explain(asked))
        told: list[list[AtHorizon]] = []
        for place, row in enumerate(rows.tolist()):
            values = dict(zip(card.profiled, row, strict=True))
            at = range(place, len(margins), len(rows))
            told.append(
                [
                    self._at(horizon, margins[n], pushes[n], values, language)
                    for horizon, n in zip(horizons, at, strict=True)
                ]
            )
        return told

    def _at(
        self,
        horizon: int,
        margin: float,
        pushed: Sequence[float],
        values: Mapping[str, float],
        language: Language,
    ) -> AtHorizon:
        pushes = dict(zip(self.release.card.features, pushed, strict=True))
        return AtHorizon(
            horizon=horizon,
            value=self.value(margin),
            margin=margin,
            base_value=self.explainer.base_value,
            contributions=pushes,
            reasons=self._reasons(pushes, values, self._told(margin, language)),
        )

    def _reasons(
        self, pushes: Mapping[str, float], values: Mapping[str, float], told: Told
    ) -> list[Reason]:
        card = self.release.card
        if card.columns:
            return column_reasons(card.columns, pushes, values, card.typical, told)
        return reasons(pushes, values, card.typical, told)

    def _told(self, margin: float, language: Language) -> Told:
        card = self.release.card
        if card.answer == "money":
            return Told(card.question, 1.0, language, card.name)
        impact = impact_of_a_unit(margin, self.explainer.base_value)
        return Told(card.question, impact, language, card.name)

    def inputs(self, profiles: Array, horizon: int) -> Array:
        """What the trees read (n, inputs): profiles (n, features), and the horizon as the last."""
        if not self.release.card.horizons:
            return profiles
        return np.column_stack([profiles, np.full(len(profiles), float(horizon))])

    def not_scorable(self, reason: str, exposure: Exposure | None = None) -> Score:
        """The answer for a customer whom the question does not fit."""
        card = self.release.card
        return Score(
            status="not_scorable",
            reason=reason,
            horizon=card.horizon_days,
            label_version=card.label_version,
            model=card.name,
            version=card.version,
            credit=credit(card, reason, None, exposure),
            notes=list(card.answer_notes) or None,
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
    exposure: Exposure | None = None

    def row(self, features: Sequence[str]) -> Array:
        """The values of some features, in their order."""
        return self.vector[_places(self.features, tuple(features))]


class Scorer:
    """All champions of a home, and the models of tables that are served beside them."""

    def __init__(
        self,
        models: Mapping[str, Model],
        untrained: Mapping[str, str],
        tables: Mapping[str, Model] | None = None,
    ) -> None:
        self.models, self.untrained = dict(models), dict(untrained)
        self.tables = dict(tables or {})

    @classmethod
    def load(cls, tables: Mapping[str, Model] | None = None) -> Self:
        """Load every champion under the home; with ``tables`` there may be none.

        Raises:
            NotReady: there is none.
            ReleaseError: one is damaged or not signed by a registered actor.
        """
        folders = champions()
        if not folders and not tables:
            raise NotReady(NO_CHAMPION)
        keys = registered_keys() if folders else {}
        found = {name: Model.load(folder, keys) for name, folder in folders.items()}
        return cls(found, not_trained(), tables)

    @staticmethod
    def named(questions: Sequence[str]) -> dict[str, list[str]]:
        """Question -> its models, for questions or models by name.

        Raises:
            UnknownQuestion: nothing answers to a name.
        """
        picked: dict[str, list[str]] = {}
        for asked in questions:
            question = asked.partition(".")[0]
            if asked not in MODELS and asked not in NAMES:
                known = ", ".join(dict.fromkeys((*MODELS, *NAMES)))
                raise UnknownQuestion(f"no such question or model; ask one of: {known}")
            names = [asked] if "." in asked else MODELS[question]
            picked.setdefault(question, [])
            picked[question] += [name for name in names if name not in picked[question]]
        return picked

    def answer(
        self,
        profile: Profile,
        questions: Sequence[str] = QUESTIONS,
        language: Language = "en",
    ) -> Answer:
        """The scores of one customer; a question without a model says so."""
        (answer,) = self.answers([profile], questions, language)
        return answer

    def answers(
        self,
        profiles: Sequence[Profile],
        questions: Sequence[str] = QUESTIONS,
        language: Language = "en",
    ) -> list[Answer]:
        """The scores of customers of one publication, each as it would be alone."""
        told: list[dict[str, Score | dict[str, Score]]] = [{} for _ in profiles]
        for question, names in self.named(questions).items():
            for name in names:
                for scores, score in zip(told, self._scores(name, profiles, language), strict=True):
                    if question == "propensity":
                        offers = scores.setdefault(question, {})
                        assert isinstance(offers, dict)
                        offers[name.partition(".")[2]] = score
                    else:
                        scores[name] = score
        return [
            Answer(customer_id=profile.customer_id, as_of=profile.as_of, scores=scores)
            for profile, scores in zip(profiles, told, strict=True)
        ]

    def _scores(
        self, name: str, profiles: Sequence[Profile], language: Language
    ) -> Iterator[Score]:
        if name not in self.models:
            why = self._no_model(name)
            yield from (Score(status="not_scorable", reason=why, model=name) for _ in profiles)
            return
        model = self.models[name]
        reasons = [not_fitting(model, profile) for profile in profiles]
        fitting = [p for p, why in zip(profiles, reasons, strict=True) if not why]
        scored = iter(_scored(model, fitting, language))
        for profile, why in zip(profiles, reasons, strict=True):
            yield model.not_scorable(why, profile.exposure) if why else next(scored)

    def _no_model(self, name: str) -> str:
        return f"no model: {self.untrained.get(name, 'nobody has trained it')}"

    def model(self, name: str, profile: Profile) -> Model:
        """The model that answers a question about a customer.

        Raises:
            NotScorable: there is no such model, or the question does not fit the customer.
        """
        model = self.trained(name)
        if why := not_fitting(model, profile):
            raise NotScorable(f"{name} has no answer for this customer: {why}.")
        return model

    def trained(self, name: str) -> Model:
        """A model by name.

        Raises:
            NotScorable: nobody has trained it.
        """
        if name not in self.models:
            raise NotScorable(f"{name} has no answer: {self._no_model(name)}.")
        return self.models[name]


def _scored(model: Model, profiles: Sequence[Profile], language: Language) -> list[Score]:
    if not profiles:
        return []
    places = _places(profiles[0].features, model.release.card.profiled)
    rows = np.stack([profile.vector for profile in profiles])[:, places]
    exposures = [profile.exposure for profile in profiles]
    return model.scores(rows, exposures, stale=profiles[0].stale, language=language)


def not_fitting(model: Model, profile: Profile) -> str:
    """Why a model does not score a profile; empty where it does."""
    name = model.release.card.name
    standing = profile.standing.get(name, "profile published before this model")
    return standing if standing != SCORABLE else model.lacks(profile.features)


# Profiles of one publication have the same features, and a model always reads the same of them.
@lru_cache(maxsize=64)
def _places(features: tuple[str, ...], wanted: tuple[str, ...]) -> npt.NDArray[np.int64]:
    place = {name: number for number, name in enumerate(features)}
    return np.array([place[name] for name in wanted], dtype=np.int64)


@lru_cache(maxsize=64)
def _missing(features: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    known = set(features)
    return tuple(name for name in wanted if name not in known)


def recorded(features: Sequence[str], vector: Array) -> dict[str, list[str]]:
    """A profile as an audit record keeps it: every bit of every value."""
    return {"features": list(features), "vector": [value.hex() for value in vector.tolist()]}
