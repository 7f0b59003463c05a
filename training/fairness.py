"""Whether a model treats groups of customers alike, and parts of the business too. The door to fairlearn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate

from features.catalogue import CATALOGUE
from features.definition import Array
from features.profile import Profiles
from training.groups import NOT_KNOWN, Drawn, Partition, Unseen, banded, by_date
from training.judge import Gap, Grouping, Judgement, middle


@dataclass(frozen=True)
class Bands:
    """Groups of customers by a feature; a band begins at its bound.

    Without bounds there are three, cut at thirds of the training rows.
    """

    title: str
    feature: str
    names: tuple[str, ...]
    bounds: tuple[float, ...] = ()


AGES, AGE_BOUNDS = ("under 30", "30 to 44", "45 to 64", "65 and over"), (30.0, 45.0, 65.0)
PROTECTED = (
    Bands("Sex", "is_female", ("registered as male", "registered as female"), (0.5,)),
    Bands("Age", "age_years", AGES, AGE_BOUNDS),
)
SEGMENTS = (
    Bands(
        "Time with the bank",
        "tenure_days",
        ("under 1 year", "1 to 3 years", "3 years and over"),
        (365.0, 1096.0),
    ),
    Bands(
        "Products held", "products_held", ("one or none", "two or three", "four or more"), (2, 4)
    ),
    Bands("Assets with the bank", "assets", ("lowest third", "middle third", "highest third")),
)


@dataclass(frozen=True)
class Partitions:
    """The test rows by segment, and by protected attribute."""

    segments: tuple[Partition, ...] = ()
    protected: tuple[Partition, ...] = ()


def of_profiles(
    profiles: Profiles, train: pd.DataFrame, test: pd.DataFrame, read: Sequence[str]
) -> Partitions:
    """The groups of test rows by what their profiles tell, and a model need not ``read``.

    Args:
        train, test: customer_id, as_of and the features that the model reads.
    """
    here = [bands for bands in (*SEGMENTS, *PROTECTED) if bands.feature in profiles.features]
    names = [bands.feature for bands in here]
    of_test = _looked_up(test, profiles, names)
    of_train = _looked_up(train, profiles, [one.feature for one in here if not one.bounds])
    made = {one.title: _partition(one, of_train, of_test, one.feature in read) for one in here}
    return Partitions(
        tuple(made[one.title] for one in SEGMENTS if one.title in made),
        tuple(made[one.title] for one in PROTECTED if one.title in made),
    )


def _looked_up(rows: pd.DataFrame, profiles: Profiles, names: Sequence[str]) -> dict[str, Array]:
    absent = [name for name in names if name not in rows]
    keys = ["customer_id", "as_of"]
    beside = (
        rows[keys].merge(profiles.frame[[*keys, *absent]], on=keys, how="left") if absent else rows
    )
    return {name: (rows if name in rows else beside)[name].to_numpy(np.float64) for name in names}


def _partition(
    bands: Bands, train: dict[str, Array], test: dict[str, Array], read: bool
) -> Partition:
    about = f"{bands.feature}: {CATALOGUE[bands.feature].sentence}"
    bounds = bands.bounds
    if not bounds:
        bounds = thirds(train[bands.feature])
        shown = (_shown(bound, CATALOGUE[bands.feature].unit) for bound in bounds)
        about += f" Cut at thirds of the training rows: {' and '.join(shown)}."
    place = banded(test[bands.feature], bounds, bands.names)
    return Partition(bands.title, about, (*bands.names, NOT_KNOWN), place, read)


def thirds(values: Array) -> tuple[float, ...]:
    """The two bounds that cut known values into thirds."""
    known = values[~np.isnan(values)]
    return tuple(float(q) for q in np.quantile(known, [1 / 3, 2 / 3])) if len(known) else (0.0, 0.0)


def _shown(bound: float, unit: str) -> str:
    return f"{bound / 100:,.0f}" if unit == "money" else f"{bound:,.4g}"


def with_groups(judged: Judgement, unseen: Unseen, parted: Partitions) -> Judgement:
    """The judgement with its figures within each date, by segment and by protected group."""
    return replace(
        judged,
        dates=by_date(unseen),
        segments=tuple(_grouping(one, unseen.by(one)) for one in parted.segments),
        fairness=tuple(_fairness(one, unseen) for one in parted.protected),
    )


def _grouping(partition: Partition, found: Sequence[Drawn]) -> Grouping:
    groups = tuple(one.group for one in found)
    return Grouping(partition.title, partition.about, partition.read, groups)


def _fairness(partition: Partition, unseen: Unseen) -> Grouping:
    found = unseen.by(partition)
    gaps = [gap(rate, partition, unseen, found) for rate in RATES]
    return replace(_grouping(partition, found), gaps=tuple(one for one in gaps if one))


RATES = {"selection": selection_rate, "tpr": true_positive_rate}


def gap(rate: str, partition: Partition, unseen: Unseen, found: Sequence[Drawn]) -> Gap | None:
    """How far the two groups are apart that differ most; None with fewer than two known groups.

    ``selection`` is demographic parity, ``tpr`` equal opportunity, both at the best-scored tenth.
    The interval is of these two groups, which the same rows chose: it says how well the difference
    is known, not that there is none elsewhere.
    """
    known = {
        one.group.name: one.draws[rate]
        for one in found
        if rate in one.group.figures and one.group.name != NOT_KNOWN
    }
    if len(known) < 2:
        return None
    frame = rates_by_group(rate, partition, unseen, known)
    lowest, highest = str(frame.by_group.idxmin()), str(frame.by_group.idxmax())
    if lowest == highest:
        lowest, highest = list(known)[:2]
    low, high = known[lowest], known[highest]
    ratio = float(frame.ratio(method="between_groups"))
    drawn = low / np.where(high == 0, np.nan, high)
    return Gap(
        rate,
        lowest,
        highest,
        float(frame.difference(method="between_groups")),
        middle(high - low),
        None if np.isnan(ratio) else ratio,
        None if np.isnan(ratio) else middle(drawn),
    )


def rates_by_group(
    rate: str, partition: Partition, unseen: Unseen, names: Iterable[str]
) -> MetricFrame:
    """Fairlearn's frame of a rate over groups, of rows counted by group, outcome and listing."""
    places = [partition.names.index(name) for name in names]
    asked = np.isin(partition.place, places)
    events = unseen.target if unseen.answer != "money" else np.zeros(len(unseen.target))
    cells = pd.DataFrame(
        {"group": partition.place[asked], "event": events[asked], "listed": unseen.listed[asked]}
    )
    counted = cells.groupby(["group", "event", "listed"]).size().reset_index(name="rows")
    return MetricFrame(
        metrics=RATES[rate],
        y_true=counted["event"].astype(int),
        y_pred=counted["listed"].astype(int),
        sensitive_features=pd.Series([partition.names[place] for place in counted["group"]]),
        sample_params={"sample_weight": counted["rows"]},
    )
