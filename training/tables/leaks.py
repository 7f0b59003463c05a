"""What knows the outcome: columns that give themselves away by name, or by how well they guess."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import TrainingError
from features.definition import Array
from training.judge import auc, normalised_gini
from training.labels import Answer
from training.split import bucket
from training.tables.declaration import words
from training.tables.finding import Found

MOST_AUC = 0.95
BINS = 50
RESERVED = ("customer_id", "as_of", "target")
_OUTCOME = {
    "target", "label", "outcome", "result", "future", "y", "churned", "defaulted", "chargeoff",
    "writeoff", "结果", "結果", "标签", "標籤",
}  # fmt: skip
_EVENT = r"(outcome|default|churn|target|closure|closing|closed|exit|write_?off|charge_?off)"
_PATTERNS = (
    rf"(^|_){_EVENT}_?(date|day|dt|time|at|on|month)($|_)",
    rf"(^|_)(date|day|time|month)_of_{_EVENT}($|_)",
    r"(^|_)(after|post|next|following)($|_)",
)


@dataclass(frozen=True)
class Leak:
    """A column that seems to know the outcome, and how one sees it."""

    name: str
    why: str


def by_name(names: Sequence[str], target: str) -> list[Leak]:
    """Columns whose names say that they hold the outcome or come after it."""
    return [Leak(name, why) for name in names if (why := _told(name, target))]


def _told(name: str, target: str) -> str:
    split, asked = words(name), words(target)
    joined = "_".join(split)
    if name in RESERVED:
        return "its name is kept for the table's own use; rename it"
    if _holds(split, asked):
        return f"its name holds the target's, {target}"
    if _OUTCOME & set(split):
        return "its name says that it is an outcome"
    if any(re.search(pattern, joined) for pattern in _PATTERNS):
        return "its name says that it is known after the as-of day"
    return ""


def _holds(split: list[str], asked: list[str]) -> bool:
    """Whether a name's words hold the target's, or a word begins with a target of one long word."""
    if len(asked) == 1 and len(asked[0]) > 3:
        return any(word.startswith(asked[0]) for word in split)
    return bool(asked) and any(split[i : i + len(asked)] == asked for i in range(len(split)))


def by_guess(
    found: Sequence[Found], target: Array, ids: Sequence[str], answer: Answer
) -> list[Leak]:
    """Columns of which a single one guesses the target too well.

    Args:
        target: 0 or 1, or amounts; of the rows the columns are of.
        ids: who each row is of; what a value tells is learnt on other customers.
    """
    half = np.array([bucket(f"leak:{one}") % 2 for one in ids])
    named = "normalised Gini" if answer == "money" else "AUC"
    leaks = []
    for one in found:
        figure = _guess(one, target, half, answer)
        if figure > MOST_AUC:
            leaks.append(Leak(one.name, f"alone it has {named} {figure:.3f}, above {MOST_AUC:g}"))
    return leaks


def _guess(found: Found, target: Array, half: Array, answer: Answer) -> float:
    """How well a column alone ranks the target, each half by what the other half teaches."""
    groups = _groups(found)
    told = np.zeros(len(target))
    for k in (0, 1):
        taught, asked = half != k, half == k
        means = pd.Series(target[taught]).groupby(groups[taught]).mean()
        mean = float(target[taught].mean()) if taught.any() else 0.0
        told[asked] = pd.Series(groups[asked]).map(means).fillna(mean).to_numpy()
    if answer == "money":
        return normalised_gini(told, target)
    figures = [auc(told, target)]
    if found.kind != "category":
        values = np.asarray(found.values, np.float64)
        lowest = np.nan_to_num(values, nan=np.nanmin(values) - 1)
        figures += [one := auc(lowest, target), 1 - one]
    return max(figures)


def _groups(found: Found) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which value, or which of fifty bins of values, each row has; -1 where it has none."""
    if found.kind == "category":
        return np.asarray(pd.factorize(found.values)[0], np.int64)
    values = np.asarray(found.values, np.float64)
    known = ~np.isnan(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, values), -1).astype(np.int64)


def refuse(leaks: Sequence[Leak], allowed: Collection[str]) -> None:
    """Refuse leaks that are not allowed.

    Raises:
        TrainingError: with every column, its reason and both remedies.
    """
    found = [one for one in leaks if one.name not in allowed or one.name in RESERVED]
    if found:
        told = "; ".join(f"{one.name}: {one.why}" for one in found)
        raise TrainingError(
            f"columns that seem to know the outcome: {told}. Put them under never in the"
            " declaration (--columns FILE.toml), or insist with --allow COLUMN."
        )
