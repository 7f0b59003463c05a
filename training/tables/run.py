"""From a bank's own table to a release: fit, judge, weigh the protected columns, write the card."""

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import TrainingError
from data.settings import settings
from data.terminal import Report
from training import card as model_card
from training import fairness, release
from training.fit import Fitted, fit
from training.groups import Unseen
from training.judge import (
    ENOUGH_EVENTS,
    Comparison,
    Judgement,
    Margins,
    compare,
    judge,
    margins,
    normalised_gini,
    with_stability,
)
from training.recipes import Recipe
from training.tables.columns import Column
from training.tables.finding import Found, column, encoded
from training.tables.groups import partitions
from training.tables.preparing import Asked, Prepared, TableRecipe, prepare, refuse_full
from training.tables.rival import NAMED, simple_margins
from training.tables.split import FOLDS, Apart, folds_of

GENTLE = {
    "max_depth": 6,
    "lambda_l2": 20.0,
    "bagging_fraction": 0.6,
    "feature_fraction_bynode": 0.4,
}


@dataclass(frozen=True)
class Protection:
    """What protected columns are worth: the model as it is, and the one with them or without."""

    columns: tuple[str, ...]
    used: bool
    other: Judgement
    difference: Comparison


@dataclass(frozen=True)
class TableModel:
    """A released model of a table, and what became of its rows and columns."""

    folder: Path
    card: release.ReleaseCard
    judgement: Judgement
    protection: Protection | None
    rows_in: int
    rows_used: int
    gini: float
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The figures in short; those that an amount does not have are None."""
        metrics, spans = self.judgement.metrics, self.judgement.intervals
        span = spans.get("auc")
        return {
            "rows": self.rows_used,
            "auc": metrics.get("auc"),
            "auc_interval": list(span) if span else None,
            "auc_within_period": metrics.get("auc_within_date"),
            "calibration_slope": metrics["calibration_slope"],
            "o_e": metrics["o_e"],
            "gini_normalised": self.gini,
            "seconds": round(self.seconds, 1),
        }


def train_table(asked: Asked, report: Report | None = None) -> TableModel:
    """Train a model on a table and write its release.

    Raises:
        ConfigurationError: names the file does not have, or an out folder that holds something.
        SourceError: the file cannot be read, or its values cannot be used.
        TrainingError: columns that know the outcome, or too few events.
    """
    began = monotonic()
    say = report or (lambda *_: None)
    refuse_full(asked.out)
    say("read", 0, 4)
    prepared = prepare(asked)
    protected = {one.name for one in prepared.found if prepared.said.is_protected(one.name)}
    chosen = [
        one for one in prepared.found if one.name not in protected or one.name in asked.allowed
    ]
    if not chosen:
        raise TrainingError(f"{asked.path.name} has no column left to learn from.")
    say("fit and judge", 1, 4)
    made = _with_benchmark(_made(asked, prepared, chosen, prepared.apart), prepared)
    made = _with_groups(made, prepared)
    say("protected columns", 2, 4)
    protection = _protection(asked, prepared, made, chosen, protected) if protected else None
    say("card", 3, 4)
    about = _card(asked, prepared, made, protection)
    _write(asked, made, about)
    return TableModel(
        folder=asked.out,
        card=about,
        judgement=made.judgement,
        protection=protection,
        rows_in=prepared.raw.rows,
        rows_used=int((prepared.apart.train | prepared.apart.test).sum()),
        gini=normalised_gini(made.judged.calibrated, _target(made.stacked)),
        seconds=monotonic() - began,
    )


def _target(rows: pd.DataFrame) -> NDArray[np.float64]:
    return rows["target"].to_numpy(np.float64)


@dataclass(frozen=True)
class Made:
    """A fitted and judged model of some columns.

    ``train`` and ``test`` are coded rows with the trees' names; ``stacked`` are the test rows once
    for every repetition, ``judged`` the margins of those.
    """

    columns: tuple[Column, ...]
    recipe: Recipe
    fitted: Fitted
    train: pd.DataFrame
    test: pd.DataFrame
    stacked: pd.DataFrame
    judged: Margins
    judgement: Judgement


def _made(asked: Asked, prepared: Prepared, chosen: Sequence[Found], apart: Apart) -> Made:
    taught = np.flatnonzero(apart.train)
    columns = tuple(column(one, prepared.said, taught) for one in chosen)
    recipe = _recipe(asked, prepared, columns)
    coded = {
        name: encoded(about, one)
        for name, about, one in zip(recipe.features, columns, chosen, strict=True)
    }
    rows = pd.concat([prepared.spine, pd.DataFrame(coded)], axis=1)
    train, test = rows[apart.train], rows[apart.test]
    fitted = fit(recipe, train, recipe.features)
    if apart.repetitions:
        stacked = pd.concat([test] * apart.repetitions, ignore_index=True)
        judged = _unseen(test, apart.repetitions, lambda out: _folded(recipe, test, out))
    else:
        stacked, judged = test.reset_index(drop=True), margins(fitted, test)
    judgement = judge(judged, stacked, recipe.label.answer, apart.protocol)
    if apart.repetitions:
        judgement = replace(judgement, rows=len(test), events=judgement.events // apart.repetitions)
    else:
        told = margins(fitted, train).calibrated
        judgement = with_stability(judgement, told, judged.calibrated, stacked)
    return Made(columns, recipe, fitted, train, test, stacked, judged, judgement)


def _recipe(asked: Asked, prepared: Prepared, columns: tuple[Column, ...]) -> Recipe:
    names = release.tree_names(len(columns))
    pairs = list(zip(names, columns, strict=True))
    return TableRecipe(
        asked.question,
        prepared.label,
        names,
        {name: one.direction for name, one in pairs},
        leaves=31,
        rounds=600,
        shrinkage=0.03,
        smallest_leaf=int(np.clip(prepared.apart.train.sum() // 200, 10, 100)),
        categorical=tuple(name for name, one in pairs if one.kind == "category"),
        parameters=GENTLE,
    )


Answer = Callable[[NDArray[np.bool_]], Margins]


def _unseen(rows: pd.DataFrame, repetitions: int, answer: Answer) -> Margins:
    """Margins of every row, repetition after repetition, from models made without its fold."""
    folds = [folds_of(rows["customer_id"], repetition) for repetition in range(repetitions)]
    outs = [fold == k for fold in folds for k in range(FOLDS)]
    # LightGBM leaves Python's lock: two models at once, each on one thread.
    with ThreadPoolExecutor(settings().threads) as pool:
        answers = list(pool.map(answer, outs))
    calibrated, raw = np.zeros((2, repetitions, len(rows)))
    for place, (out, told) in enumerate(zip(outs, answers, strict=True)):
        calibrated[place // FOLDS, out], raw[place // FOLDS, out] = told.calibrated, told.raw
    return Margins(calibrated.ravel(), raw.ravel())


def _folded(recipe: Recipe, rows: pd.DataFrame, out: NDArray[np.bool_]) -> Margins:
    return margins(fit(recipe, rows[~out], recipe.features), rows[out])


def _with_benchmark(made: Made, prepared: Prepared) -> Made:
    answer, names = made.recipe.label.answer, made.recipe.features

    def simple(train: pd.DataFrame, test: pd.DataFrame) -> Margins:
        told = simple_margins(made.columns, names, train, test, answer)
        return Margins(told, told)

    if prepared.apart.repetitions:
        theirs = _unseen(
            made.test,
            prepared.apart.repetitions,
            lambda out: simple(made.test[~out], made.test[out]),
        )
    else:
        theirs = simple(made.train, made.test)
    found = compare(made.stacked, made.judged.calibrated, theirs.calibrated, answer, NAMED[answer])
    return replace(made, judgement=replace(made.judgement, benchmark=found))


def _with_groups(made: Made, prepared: Prepared) -> Made:
    """The model judged by protected column too, and by the segments that were declared."""
    apart, read = prepared.apart, [one.name for one in made.columns]
    copies = max(1, apart.repetitions)
    rows = np.tile(np.flatnonzero(apart.test), copies)
    parted = partitions(prepared.found, prepared.said, apart.train, rows, read)
    unseen = Unseen(made.judged.calibrated, made.stacked, made.recipe.label.answer, copies)
    return replace(made, judgement=fairness.with_groups(made.judgement, unseen, parted))


def _protection(
    asked: Asked,
    prepared: Prepared,
    made: Made,
    chosen: Sequence[Found],
    protected: set[str],
) -> Protection | None:
    """The model without its protected columns; where it has none, the one that had them all."""
    used = any(one.name in protected for one in chosen)
    columns = tuple(
        one.name for one in (chosen if used else prepared.found) if one.name in protected
    )
    other = [one for one in prepared.found if not used or one.name not in protected]
    if not other:
        return None
    once = replace(prepared.apart, repetitions=min(1, prepared.apart.repetitions))
    theirs = _made(asked, prepared, other, once)
    named = f"{'without' if used else 'with'} {', '.join(columns)}"
    difference = compare(
        theirs.stacked,
        made.judged.calibrated[: len(theirs.stacked)],
        theirs.judged.calibrated,
        made.recipe.label.answer,
        named,
    )
    return Protection(columns, used, theirs.judgement, difference)


def model_name(asked: Asked) -> str:
    """What the model is called: as it was asked for, else after its file."""
    given = asked.name or asked.path.stem
    return "table." + (re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")[:40] or "own")


def _card(
    asked: Asked, prepared: Prepared, made: Made, protection: Protection | None
) -> release.ReleaseCard:
    fitted, label = made.fitted, made.recipe.label
    text = fitted.booster.model_to_string(num_iteration=-1)
    names = [one.name for one in made.columns]
    medians = made.train[list(fitted.features)].median()
    declared = hashlib.sha256("".join(c.model_dump_json() for c in made.columns).encode())
    aside = {
        one.name: "a protected attribute, not allowed"
        for one in prepared.found
        if prepared.said.is_protected(one.name) and one.name not in names
    }
    return release.ReleaseCard(
        name=model_name(asked),
        question=asked.question,
        product=None,
        version=hashlib.sha256(text.encode() + declared.digest()).hexdigest()[:12],
        unit=prepared.said.unit if label.answer == "money" else "probability",
        answer=label.answer,
        label_version=label.version,
        population=label.population,
        outcome=label.outcome,
        horizon_days=label.horizon_days,
        features=tuple(names),
        typical={
            one.name: _typical(one, float(median))
            for one, median in zip(made.columns, medians, strict=True)
        },
        parameters=fitted.parameters,
        calibration=asdict(fitted.calibration),
        judgement=asdict(made.judgement),
        lineage=release.Lineage(
            manifest=prepared.raw.digest,
            catalogue=declared.hexdigest(),
            source=asked.path.name,
            train_dates=_periods(made.train, asked),
            test_dates=_periods(made.test, asked),
            left_out=prepared.left_out,
            libraries=release.libraries(),
            data_until=max(prepared.spine["as_of"]) if asked.time else "",
        ),
        provisional=made.judgement.events < ENOUGH_EVENTS,
        notes=_notes(asked, made),
        columns=made.columns,
        unused={**prepared.unused, **aside},
        protected=_told(protection) if protection else None,
    )


def _typical(one: Column, median: float) -> float | None:
    """The median; of a category the commonest, whose code is 0."""
    if one.kind == "category":
        return 0.0
    return None if np.isnan(median) else median


def _periods(rows: pd.DataFrame, asked: Asked) -> tuple[str, ...]:
    if not asked.time:
        return ()
    periods = sorted(set(rows["as_of"]))
    return tuple(periods if len(periods) <= 24 else (periods[0], periods[-1]))


def _notes(asked: Asked, made: Made) -> tuple[str, ...]:
    notes = [f"allowed by whoever trained: {', '.join(asked.allowed)}"] if asked.allowed else []
    gaps = [
        one.name
        for one, name in zip(made.columns, made.recipe.features, strict=True)
        if not one.missing and made.test[name].isna().any()
    ]
    if gaps:
        notes.append(
            f"missing in the test though never in the training, and read as 0: {', '.join(gaps)}"
        )
    return tuple(notes)


def _told(protection: Protection) -> dict[str, Any]:
    return {
        "columns": list(protection.columns),
        "used": protection.used,
        "metrics": protection.other.metrics,
        "intervals": protection.other.intervals,
        "comparison": asdict(protection.difference),
    }


def _write(asked: Asked, made: Made, about: release.ReleaseCard) -> None:
    called = dict(zip(made.recipe.features, about.features, strict=True))
    trees = list(made.recipe.features)
    once = made.judged.calibrated[: len(made.test)]
    report, page = model_card.make(
        about,
        model_card.Material(
            made.fitted.booster,
            made.train.rename(columns=called),
            made.test.rename(columns=called),
            margins(made.fitted, made.train).calibrated,
            once,
        ),
    )
    text = made.fitted.booster.model_to_string(num_iteration=-1)
    release.write(about, text, made.train[trees].to_numpy(), report, page, asked.out)
    written = release.read(asked.out)
    model_card.update_life(asked.out, written.digest, written.report_digest, ())
