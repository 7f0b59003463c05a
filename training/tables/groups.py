"""The groups by which a table's model is judged: its protected columns, and the segments it declares."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.definition import Array
from training.fairness import AGE_BOUNDS, AGES, Partitions
from training.groups import NOT_KNOWN, Mask, Partition, banded
from training.tables.declaration import Declaration, words
from training.tables.finding import Found, Texts

MOST_GROUPS = 8
OTHERS = "others"


def partitions(
    found: Sequence[Found],
    said: Declaration,
    train: Mask,
    test: NDArray[np.intp],
    read: Sequence[str],
) -> Partitions:
    """The test rows by protected column, and by declared segment.

    Args:
        train: which rows teach; quarters of an amount are theirs.
        test: the places of the rows that judge, once for every repetition.
        read: columns that the model reads.
    """

    def of(one: Found) -> Partition:
        return _partition(one, said, train, test, one.name in read)

    return Partitions(
        tuple(of(one) for one in found if one.name in said.segments),
        tuple(of(one) for one in found if said.is_protected(one.name)),
    )


def _partition(
    found: Found, said: Declaration, train: Mask, test: NDArray[np.intp], read: bool
) -> Partition:
    about = said.of(found.name).about
    if found.kind == "number":
        values = np.asarray(found.values, np.float64)
        known = np.unique(values[~np.isnan(values)])
        if len(known) > MOST_GROUPS:
            bounds, names = _bands(found.name, values[train])
            place = banded(values[test], bounds, names)
            return Partition(found.name, about, (*names, NOT_KNOWN), place, read)
    texts = _texts(found)
    names = _commonest(texts[train])
    code = {text: place for place, text in enumerate(names)}
    places = [
        len(names) if text is None else code.get(text, len(names) - 1) for text in texts[test]
    ]
    return Partition(found.name, about, (*names, NOT_KNOWN), np.array(places, np.intp), read)


def _bands(name: str, values: Array) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Bands of years where the name says age, else quarters of the rows that teach."""
    if "age" in words(name):
        return AGE_BOUNDS, AGES
    known = values[~np.isnan(values)]
    if not len(known):
        return (), ("any",)
    bounds = tuple(float(q) for q in np.unique(np.quantile(known, [0.25, 0.5, 0.75])))
    between = (f"{a:,.6g} to {b:,.6g}" for a, b in pairwise(bounds))
    return bounds, (f"under {bounds[0]:,.6g}", *between, f"{bounds[-1]:,.6g} and over")


def _texts(found: Found) -> Texts:
    if found.kind == "category":
        return np.asarray(found.values, object)
    named = {0.0: "no", 1.0: "yes"} if found.kind == "flag" else {}
    texts = [
        None if np.isnan(value) else named.get(value, f"{value:g}")
        for value in np.asarray(found.values, np.float64).tolist()
    ]
    return np.array(texts, object)


def _commonest(texts: Texts) -> tuple[str, ...]:
    """The values by name, the commonest alone where they are many; the last takes the rest."""
    counts = Counter(text for text in texts.tolist() if text is not None)
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    if len(ranked) <= MOST_GROUPS:
        return (*sorted(ranked), OTHERS)
    return (*sorted(ranked[: MOST_GROUPS - 1]), OTHERS)
