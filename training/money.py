"""Fit amounts whose tails are heavy: a staircase carries the large, trees learn the rest.

Trees say nothing beyond the largest amount they were taught, and one customer may hold more than
a thousand others. So the first tree is a staircase over the contribution of the last 120 days,
with steps far beyond any that was seen, and boosting learns what it leaves. Few write-offs and
windfalls would drown the others in a squared error: what is left is winsorised for learning, and
the mean of the realised amounts is given back by the calibration's intercept.
"""

from dataclasses import dataclass
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.definition import Array

RECENT = "contribution_120d"
YEARLY = 3 / 100  # of 120 days in minor units, a year in units
TAIL = 0.0025
# Minor units; from 10 units of currency to so many times the largest taught.
LOWEST, BEYOND, STEPS = 1e3, 20.0, 200
# A taught row weighs so many of the rows that stand for steps nobody has reached.
TAUGHT = 100


@dataclass(frozen=True)
class Staircase:
    """pace x what the last 120 days would make in a year, in steps; losses are not continued."""

    pace: float
    highest: float

    @classmethod
    def fitted(cls, rows: pd.DataFrame) -> Self:
        """The pace of the training rows, total over total, with the largest amounts cut."""
        target = rows["target"].to_numpy(np.float64)
        recent = np.nan_to_num(rows[RECENT].to_numpy(np.float64))
        low, high = np.quantile(target, [TAIL, 1 - TAIL])
        earning = recent > 0
        total = float(np.minimum(recent[earning] * YEARLY, high).sum())
        pace = float(np.clip(target[earning], low, high).sum()) / total if total > 0 else 0.0
        return cls(max(pace, 0.0), BEYOND * max(float(recent.max(initial=0.0)), LOWEST))

    @property
    def steps(self) -> Array:
        """Where each step begins, minor units of 120 days: the floor, then equal ratios."""
        return np.asarray(np.r_[0.0, np.geomspace(LOWEST, self.highest, STEPS)], np.float64)

    @property
    def heights(self) -> Array:
        """Units of currency by step: the geometric middle of each; the floor brings nothing."""
        begins = self.steps[1:]
        middles = np.r_[0.0, np.sqrt(begins[:-1] * begins[1:]), begins[-1]]
        return np.asarray(self.pace * YEARLY * middles, np.float64)

    def step(self, recent: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Number of the step of contributions of 120 days in minor units."""
        known = np.nan_to_num(recent, nan=0.0)
        return np.maximum(np.searchsorted(self.steps, known, side="right") - 1, 0)

    def booster(self, rows: pd.DataFrame, features: tuple[str, ...]) -> lgb.Booster:
        """One tree over all features that reads one, with a leaf a step.

        It is grown on the numbers of the steps, so that its paths stay short, over the training
        rows and one more a step. Its counts are those of the training rows.
        """
        recent = np.r_[rows[RECENT].to_numpy(np.float64), self.steps]
        number = self.step(recent)
        grown = np.zeros((len(recent), len(features)))
        grown[:, features.index(RECENT)] = np.where(np.isnan(recent), np.nan, self.steps[number])
        data = lgb.Dataset(
            grown, number.astype(np.float64), params=_GROWTH, feature_name=list(features)
        )
        tree = lgb.train(_GROWTH, data, num_boost_round=1)
        leaves = np.asarray(tree.predict(grown, pred_leaf=True)).ravel().astype(int)
        for leaf in np.unique(leaves):
            tree.set_leaf_output(0, int(leaf), float(self.heights[number[leaves == leaf]].mean()))
        counts = 1 + TAUGHT * np.bincount(leaves[: len(rows)], minlength=leaves.max() + 1)
        return _counted(tree, counts.tolist())


def _counted(tree: lgb.Booster, counts: list[int]) -> lgb.Booster:
    """The same tree with other numbers of rows in its leaves, from which SHAP values weigh them."""
    text = str(tree.model_to_string(num_iteration=-1))
    lines = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    left, right = ([int(n) for n in lines[f"{side}_child"].split()] for side in ("left", "right"))
    inner = [0] * len(left)

    def total(node: int) -> int:
        if node < 0:
            return counts[~node]
        inner[node] = total(left[node]) + total(right[node])
        return inner[node]

    total(0)
    new = {"leaf_count": counts, "internal_count": inner}
    kept = [line for line in text.split("\n") if not line.startswith("tree_sizes=")]
    told = [
        f"{key}={' '.join(map(str, new[key]))}" if (key := line.split("=")[0]) in new else line
        for line in kept
    ]
    return lgb.Booster(model_str="\n".join(told))


_GROWTH: dict[str, Any] = {
    "objective": "regression",
    "boost_from_average": False,
    "learning_rate": 1.0,
    "num_leaves": STEPS + 2,
    "max_bin": 4 * STEPS,
    "min_data_in_bin": 1,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 0.0,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def winsorised(values: Array) -> Array:
    """Values with the outermost quarter per cent at either end moved to where it begins."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return np.clip(values, low, high)
