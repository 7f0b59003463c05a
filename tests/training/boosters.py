"""Random LightGBM boosters that hold everything a real one may hold, and awkward rows for them."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from training.trees import Forest

Floats = npt.NDArray[np.float64]
AWKWARD = [
    np.nan,
    0.0,
    -0.0,
    1e-36,
    -1e-36,
    2e-35,
    np.inf,
    -np.inf,
    -0.5,
    -1.0,
    3.7,
    31.0,
    99.0,
    1e9,
]


@dataclass(frozen=True)
class Case:
    booster: lgb.Booster
    forest: Forest
    rows: Floats

    def margins(self) -> Floats:
        return np.asarray(self.booster.predict(self.rows, raw_score=True, num_threads=1))

    def contributions(self) -> Floats:
        """LightGBM's own, (rows, classes, features + 1); the last is the base value."""
        told = np.asarray(self.booster.predict(self.rows, pred_contrib=True, num_threads=1))
        return told.reshape(len(self.rows), self.forest.num_class, self.rows.shape[1] + 1)


def case(
    seed: int,
    objective: str = "binary",
    missing: str = "nan",
    features: int = 4,
    categorical: int = 1,
    leaves: int = 16,
    rounds: int = 4,
    smallest_leaf: int = 1,
) -> Case:
    """Few features and many leaves repeat features on a path; a large leaf makes single-leaf trees."""
    draw = np.random.default_rng(seed)
    rows = np.round(draw.normal(size=(240, features)), 1)
    coded = list(range(min(categorical, features)))
    rows[:, coded] = draw.integers(0, 40, size=(240, len(coded)))
    if missing != "none":
        rows[draw.random(rows.shape) < 0.15] = np.nan if missing == "nan" else 0.0
    signal = np.nan_to_num(rows).sum(axis=1) % 3.0 + draw.normal(size=240)
    target = np.digitize(signal, np.quantile(signal, [1 / 3, 2 / 3])).astype(float)
    if objective == "binary":
        target = np.minimum(target, 1.0)
    parameters = {
        "objective": objective, "num_class": 3 if objective == "multiclass" else 1,
        "num_leaves": leaves, "min_data_in_leaf": smallest_leaf, "min_sum_hessian_in_leaf": 0.0,
        "min_data_per_group": 2, "cat_smooth": 1.0, "max_cat_to_onehot": 4,
        "use_missing": missing != "none", "zero_as_missing": missing == "zero",
        "feature_pre_filter": False, "verbose": -1, "num_threads": 1, "seed": 1,
    }  # fmt: skip
    data = lgb.Dataset(rows, target, categorical_feature=coded, params=parameters)
    text = lgb.train(parameters, data, rounds).model_to_string()
    odd = draw.choice(AWKWARD, size=(60, features))
    mixed = np.where(draw.random(odd.shape) < 0.4, odd, rows[:60])
    return Case(lgb.Booster(model_str=text), Forest.from_text(text), np.vstack([rows, odd, mixed]))


cases = st.builds(
    case,
    seed=st.integers(0, 2**32 - 1),
    objective=st.sampled_from(["binary", "regression", "multiclass"]),
    missing=st.sampled_from(["none", "nan", "zero"]),
    features=st.integers(1, 7),
    categorical=st.integers(0, 2),
    leaves=st.integers(2, 40),
    rounds=st.integers(1, 5),
    smallest_leaf=st.sampled_from([1, 5, 60, 200]),
)
