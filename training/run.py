"""Train in five verbs: label, split, fit, judge, register."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from data.errors import FeatureError, TooFewEvents, TrainingError
from data.settings import settings
from data.warehouse import Warehouse
from features import catalogue
from features.definition import Array
from features.profile import Profiles, build
from features.spine import customers_as_of, extent, month_ends, months_before
from training import card as model_card
from training import fairness, registry, release
from training.fit import Fitted, fit, require_events
from training.groups import Unseen
from training.judge import (
    ENOUGH_EVENTS,
    Judgement,
    Margins,
    by_horizon,
    calibrated_margins,
    judge,
    margins,
    of_horizon,
    with_coverage,
    with_stability,
)
from training.labels import (
    HORIZON,
    LabelContract,
    Labelled,
    credit_spine,
    label,
    loan_spine,
)
from training.outbox import Dispatch, Outbox
from training.profit import STAKES, Profit, profit
from training.recipes import Recipe, chosen
from training.registry import Trial
from training.rivals import against_champion, benchmark
from training.search import Searched, search, unsearched
from training.split import TEST_DATES, Split, bucket, split

HISTORY_MONTHS = 6
EVERY_MONTHS = 3
Report = Callable[[str, int, int], None]
Say = Callable[[str, int], None]
Work = tuple[Recipe, Labelled, Split]


@dataclass(frozen=True)
class Trained:
    """A version that was released; the remarks tell what is not as usual with it."""

    name: str
    version: str
    judgement: Judgement
    provisional: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotTrained:
    """A question the data cannot carry, and why."""

    name: str
    reason: str


Outcome = Trained | NotTrained


@dataclass(frozen=True)
class Made:
    """A fitted and judged model, and the rows it was made and judged on.

    ``before`` is what it says of the training rows, ``said`` what of the test rows. Of several horizons these are the rows of the main one; ``horizons`` holds the test rows of
    each, and ``taught`` every row that taught.
    """

    fitted: Fitted
    judgement: Judgement
    train_rows: pd.DataFrame
    test_rows: pd.DataFrame
    before: Array
    said: Margins
    taught: pd.DataFrame
    horizons: Mapping[int, pd.DataFrame]


Watch = Callable[[Recipe, Made], None]


@dataclass(frozen=True)
class Seek:
    """How long to search for better parameters: trials, and seconds where there is a limit."""

    trials: int
    seconds: float = 0.0


def train(
    warehouse: Warehouse,
    question: str = "all",
    *,
    trainer: str = "",
    report: Report | None = None,
    watch: Watch | None = None,
    seek: Seek | None = None,
) -> list[Outcome]:
    """Train the recipes of a question; what the data cannot carry says why and the rest goes on.

    What earlier trainings could not tell MLflow is told first. Where MLflow fails, a version is
    released all the same and waits in the outbox.

    Args:
        trainer: the actor whose name the releases carry.
        watch: is shown each recipe's model with its rows before it is registered.

    Raises:
        UnknownQuestion: no recipe answers to that name.
        WarehouseError: nothing is loaded.
    """
    wanted = chosen(warehouse.manifest.tables, question)
    count, steps = len(wanted), 3 * len(wanted) + 2

    def say(step: str, done: int) -> None:
        if report:
            report(step, done, steps)

    labelled, outcomes = _all_labelled(warehouse, wanted, say)
    if labelled:
        say("profiles", count)
        profiles = _profiles(warehouse, [parts for _, _, parts in labelled])
        with Outbox() as outbox:
            outbox.sync()
            dispatches = {r.name: outbox.begin(r.name, r.label.question) for r, _, _ in labelled}
            searched: dict[str, Searched] = {}
            if seek:
                for number, (recipe, _, parts) in enumerate(labelled):
                    say(f"search {recipe.name}", count + number)
                    tell = dispatches[recipe.name].try_out
                    searched[recipe.name] = _sought(recipe, parts, profiles, seek, tell)
                labelled = [(searched[r.name].recipe, f, p) for r, f, p in labelled]
            made = _all_made(labelled, profiles, say, count + 1)
            # Not beside the fits: whoever silences warnings does so for all threads.
            for number, ((recipe, found, _), task) in enumerate(zip(labelled, made, strict=True)):
                say(f"register {recipe.name}", 2 * count + 1 + number)
                dispatch = dispatches[recipe.name]
                try:
                    one = task.result()
                    if watch:
                        watch(recipe, one)
                    told = searched.get(recipe.name)
                    outcomes.append(
                        _registered(warehouse, recipe, found, one, trainer, dispatch, told)
                    )
                except TrainingError as refusal:
                    dispatch.drop(str(refusal))
                    outcomes.append(NotTrained(recipe.name, str(refusal)))
    _note(outcomes)
    order = [recipe.name for recipe in wanted]
    return sorted(outcomes, key=lambda outcome: order.index(outcome.name))


def _all_labelled(
    warehouse: Warehouse, wanted: Sequence[Recipe], say: Say
) -> tuple[list[Work], list[Outcome]]:
    """What there is to fit, and what the data cannot carry."""
    labelled: list[Work] = []
    refused: list[Outcome] = []
    with ThreadPoolExecutor(settings().threads) as pool:
        asked = [pool.submit(_carried, warehouse, recipe) for recipe in wanted]
        for number, (recipe, task) in enumerate(zip(wanted, asked, strict=True)):
            say(f"label {recipe.name}", number)
            try:
                labelled.append(task.result())
            except (TrainingError, FeatureError) as refusal:
                refused.append(NotTrained(recipe.name, str(refusal)))
    return labelled, refused


def _all_made(
    labelled: Sequence[Work], profiles: Profiles, say: Say, start: int
) -> list[Future[Made]]:
    """Every model, fitted and judged, or what refused it.

    LightGBM leaves Python's lock: on tables of this size two models at once, each on one thread,
    are quicker than one model on two.
    """
    with ThreadPoolExecutor(settings().threads) as pool:
        made = [pool.submit(_made, *one, profiles) for one in labelled]
        for number, ((recipe, _, _), task) in enumerate(zip(labelled, made, strict=True)):
            say(f"fit {recipe.name}", start + number)
            wait([task])
    return made


def _sought(
    recipe: Recipe, parts: Split, profiles: Profiles, seek: Seek, tell: Callable[[Trial], None]
) -> Searched:
    if parts.folds:
        return unsearched(recipe, f"judged over {parts.folds} folds, no row is left to search with")
    features = tuple(name for name in recipe.features if name in profiles.features)
    rows = _joined(parts.train, profiles, features)
    return search(recipe, rows, features, seek.trials, seconds=seek.seconds, tell=tell)


def _note(outcomes: Sequence[Outcome]) -> None:
    named = {outcome.name for outcome in outcomes}
    kept = {name: why for name, why in release.not_trained().items() if name not in named}
    news = {o.name: o.reason for o in outcomes if isinstance(o, NotTrained)}
    release.note_not_trained(kept | news)


def _carried(warehouse: Warehouse, recipe: Recipe) -> Work:
    """The recipe with the horizons that the history carries, labelled and split."""
    try:
        return recipe, *_labelled(warehouse, recipe)
    except TooFewEvents:
        shorter = recipe.label.without_longest()
        if shorter is None:
            raise
    return _carried(warehouse, replace(recipe, label=shorter))


def _labelled(warehouse: Warehouse, recipe: Recipe) -> tuple[Labelled, Split]:
    found = label(warehouse, recipe.label, spine_of(warehouse, recipe.label))
    try:
        parts = split(found.rows, recipe.label)
        for rows, least, purpose in (
            (parts.train, recipe.least_events[0], "to learn from"),
            (parts.test, recipe.least_events[1], "to judge by"),
        ):
            main = rows[of_horizon(rows, recipe.label.horizon_days)]
            require_events(recipe, _target(main), least, purpose)
    except TooFewEvents as refusal:
        raise TooFewEvents(f"{refusal}{_aside(found.left_out)}") from None
    return found, parts


def _target(rows: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return rows["target"].to_numpy(np.float64)


def _aside(left_out: dict[str, int]) -> str:
    if not left_out:
        return ""
    counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(left_out.items()))
    return f" (left out: {counts})"


def spine_of(warehouse: Warehouse, contract: LabelContract) -> pd.DataFrame:
    """The spine a label is asked of.

    Month-ends: the last three whose outcome is known, and every third before them, back to
    half a year after the extract begins. Openings of credit: from that day on.
    """
    if contract.spine == "day_before_loan":
        return loan_spine(warehouse)
    first, last = extent(warehouse)
    begin = months_before(first, -HISTORY_MONTHS)
    if contract.spine == "day_before_credit":
        return credit_spine(warehouse, begin)
    mature = [
        day
        for day in month_ends(last, (last.year - first.year + 1) * 12)
        if begin <= day and contract.mature(day, last)
    ]
    earlier = mature[:-TEST_DATES][::-1][::EVERY_MONTHS][::-1]
    days = [*earlier, *mature[-TEST_DATES:]]
    if not days:
        raise TooFewEvents(
            f"the data run from {first} to {last}: too short for {HISTORY_MONTHS} months of"
            f" history and an outcome of {contract.longest} days. Load more months."
        )
    return customers_as_of(warehouse, days)


def _profiles(warehouse: Warehouse, splits: Sequence[Split]) -> Profiles:
    rows = pd.concat([part for s in splits for part in (s.train, s.test)])
    spine = rows[["customer_id", "as_of"]].drop_duplicates().sort_values(["as_of", "customer_id"])
    return build(warehouse, spine.reset_index(drop=True))


def _made(recipe: Recipe, found: Labelled, parts: Split, profiles: Profiles) -> Made:
    label = recipe.label
    known = tuple(name for name in recipe.features if name in profiles.features)
    features = (*known, HORIZON) if label.horizons else known
    taught = _joined(parts.train, profiles, known)
    tested = _joined(parts.test, profiles, known)
    fitted = fit(recipe, taught, features)
    told = (
        _unseen(recipe, tested, features, parts.folds) if parts.folds else margins(fitted, tested)
    )
    train_rows, test_rows = (_of(rows, label.horizon_days) for rows in (taught, tested))
    said = told.of(of_horizon(tested, label.horizon_days))
    judgement = judge(said, test_rows, label.answer, parts.protocol)
    before = calibrated_margins(fitted, train_rows)
    if not parts.folds:
        judgement = with_stability(judgement, before, said.calibrated, test_rows)
    if fitted.spread and not parts.folds:
        judgement = with_coverage(judgement, fitted.spread, said.calibrated, test_rows)
    ours = said.calibrated
    judgement = replace(
        judgement,
        benchmark=benchmark(recipe, ours, train_rows, test_rows, features, parts.folds),
        champion=against_champion(recipe, ours, test_rows, parts.folds),
        horizons=by_horizon(told, tested, taught, parts.protocol) if label.horizons else {},
        profit=_profit(recipe, ours, test_rows),
    )
    groups = fairness.of_profiles(profiles, train_rows, test_rows, features)
    judgement = fairness.with_groups(judgement, Unseen(ours, test_rows, label.answer), groups)
    horizons = {h: _of(tested, h) for h in label.windows}
    return Made(fitted, judgement, train_rows, test_rows, before, said, taught, horizons)


def _of(rows: pd.DataFrame, horizon: int) -> pd.DataFrame:
    return rows[of_horizon(rows, horizon)].reset_index(drop=True)


def _profit(recipe: Recipe, ours: Array, test_rows: pd.DataFrame) -> Profit | None:
    stakes = STAKES.get(recipe.label.question)
    return profit(expit(ours), _target(test_rows), stakes) if stakes else None


def _unseen(recipe: Recipe, rows: pd.DataFrame, features: tuple[str, ...], folds: int) -> Margins:
    """Margins of each fold's rows from a model made without them, calibration included."""
    fold = np.array([bucket(f"judge:{c}") % folds for c in rows["customer_id"]])
    calibrated, raw = np.zeros(len(rows)), np.zeros(len(rows))
    for k in range(folds):
        out = fold == k
        found = margins(fit(recipe, rows[~out], features), rows[out])
        calibrated[out], raw[out] = found.calibrated, found.raw
    return Margins(calibrated, raw)


def _joined(rows: pd.DataFrame, profiles: Profiles, features: tuple[str, ...]) -> pd.DataFrame:
    columns = ["customer_id", "as_of", *features]
    return rows.merge(profiles.frame[columns], on=["customer_id", "as_of"], how="left")


def _registered(
    warehouse: Warehouse,
    recipe: Recipe,
    found: Labelled,
    made: Made,
    trainer: str,
    dispatch: Dispatch,
    searched: Searched | None,
) -> Trained:
    judgement, label = made.judgement, recipe.label
    lineage = _lineage(warehouse, found, made)
    provisional = judgement.events < ENOUGH_EVENTS or bool(label.extrapolation)
    text = made.fitted.booster.model_to_string(num_iteration=-1)
    version = dispatch.announce(_described(recipe, made, lineage, provisional), text)
    about = _about(
        recipe,
        made,
        lineage=lineage,
        version=version,
        unit=_currency(warehouse) if label.answer == "money" else "probability",
        provisional=provisional,
        search=searched.account if searched else None,
        trainer=trainer,
        notes=warehouse.manifest.notes,
    )
    material = model_card.Material(
        made.fitted.booster, made.train_rows, made.test_rows, made.before, made.said.calibrated
    )
    report, page = model_card.make(about, material)
    taught = made.taught[list(made.fitted.features)].to_numpy(np.float64)
    folder = release.write(about, text, taught, report, page)
    written = release.read(folder)
    model_card.update_life(folder, written.digest, written.report_digest, ())
    waits = dispatch.deliver()
    remarks = (
        searched.sentence if searched else "",
        _upgraded(about),
        f"{recipe.name} version {version} is released, but MLflow has not been told: {waits}."
        " ./zhike training sync tells it, and so does the next training."
        if waits
        else "",
    )
    return Trained(recipe.name, version, judgement, provisional, tuple(filter(None, remarks)))


def _lineage(warehouse: Warehouse, found: Labelled, made: Made) -> release.Lineage:
    return release.Lineage(
        manifest=warehouse.manifest.digest,
        catalogue=catalogue.version(),
        source=warehouse.manifest.source,
        train_dates=_days(made.taught),
        test_dates=_days(made.test_rows),
        left_out=found.left_out,
        data_until=extent(warehouse)[1].isoformat(),
        libraries=release.libraries(),
    )


def _described(
    recipe: Recipe, made: Made, lineage: release.Lineage, provisional: bool
) -> registry.Registration:
    """What MLflow is told of a version."""
    fitted, judgement = made.fitted, made.judgement
    features = list(fitted.features)
    return registry.describe(
        recipe.name,
        fitted.booster,
        made.taught[features].astype(np.float64).head(100),
        parameters={**fitted.parameters, "features": len(features), "label": recipe.label.version},
        metrics={
            **judgement.metrics,
            **{f"raw_{name}": value for name, value in judgement.raw.items()},
            "test_rows": judgement.rows,
            "test_events": judgement.events,
            **{
                f"{metric}.{horizon}": value
                for horizon, figures in judgement.horizons.items()
                for metric, value in figures.metrics.items()
            },
        },
        tags={
            "question": recipe.label.question,
            "label_version": recipe.label.version,
            "manifest": lineage.manifest,
            "catalogue": lineage.catalogue,
            "provisional": str(provisional).lower(),
        },
        lineage={"training": made.taught, "test": pd.concat(made.horizons.values())},
    )


def _about(recipe: Recipe, made: Made, **given: Any) -> release.ReleaseCard:
    """What the release says of itself: of the recipe, its label and the fit, and what is given."""
    label, fitted = recipe.label, made.fitted
    known = made.train_rows[list(fitted.features)]
    return release.ReleaseCard(
        name=recipe.name,
        question=label.question,
        product=recipe.product,
        answer=label.answer,
        label_version=label.version,
        population=label.population,
        outcome=label.outcome,
        horizon_days=label.horizon_days,
        horizons=label.horizons,
        extrapolated=bool(label.extrapolation),
        features=fitted.features,
        typical={n: None if np.isnan(v) else float(v) for n, v in known.median().items()},
        spans=_spans(known),
        parameters=fitted.parameters,
        calibration=asdict(fitted.calibration),
        judgement=asdict(made.judgement),
        definition=label.default.told() if label.default else {},
        answer_notes=label.notes,
        spread=fitted.spread,
        **given,
    )


def _upgraded(about: release.ReleaseCard) -> str:
    """How the libraries differ from those of the champion; empty where they do not."""
    champion = release.answering(about.name)
    if champion is None:
        return ""
    changed = release.differing(champion.card.lineage.libraries, about.lineage.libraries)
    if not changed:
        return ""
    return (
        f"{about.name} version {about.version} was made with other libraries than the champion"
        f" ({changed}): the same data may give other trees."
    )


def _spans(rows: pd.DataFrame) -> dict[str, release.Span]:
    """Feature -> its 1st, 25th, 75th and 99th percentile, where anybody has it."""
    found = rows.quantile(list(release.SPAN)).T
    return {str(n): (a, b, c, d) for n, a, b, c, d in found.dropna().itertuples()}


def _currency(warehouse: Warehouse) -> str:
    found = warehouse.frame("SELECT mode(currency) AS currency FROM accounts")
    return str(found["currency"][0])


def _days(rows: pd.DataFrame) -> tuple[str, ...]:
    days: list[date] = sorted(set(rows["as_of"]))
    shown = days if len(days) <= 24 else [days[0], days[-1]]
    return tuple(day.isoformat() for day in shown)
