"""The simple model that trees on a table have to beat: a linear one, categories one by one."""

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.definition import Array
from training.labels import Answer
from training.rivals import plain_logistic
from training.tables.columns import Column

MOST_DUMMIES = 20
NAMED = {"probability": "logistic regression", "money": "linear regression"}


def simple_margins(
    columns: tuple[Column, ...],
    names: tuple[str, ...],
    train: pd.DataFrame,
    test: pd.DataFrame,
    answer: Answer,
) -> Array:
    """Margins of test rows from a logistic regression, or amounts from a linear one.

    Args:
        names: what the coded frames call the columns.
    """
    taught, asked = _spread(columns, names, train), _spread(columns, names, test)
    wide = list(taught.columns)
    if answer == "probability":
        return plain_logistic(taught.assign(target=train["target"].to_numpy()), asked, wide)
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), Ridge()
    )
    model.fit(taught.to_numpy(np.float64), train["target"].to_numpy(np.float64))
    return np.asarray(model.predict(asked.to_numpy(np.float64)), np.float64)


def _spread(
    columns: tuple[Column, ...], names: tuple[str, ...], rows: pd.DataFrame
) -> pd.DataFrame:
    """Coded rows with a column of its own for each of a category's commonest codes."""
    wide: dict[str, Array] = {}
    for column, name in zip(columns, names, strict=True):
        values = rows[name].to_numpy(np.float64)
        if column.kind != "category":
            wide[name] = values
            continue
        for code in range(min(len(column.categories) + 1, MOST_DUMMIES)):
            wide[f"{name}_{code}"] = (values == code).astype(np.float64)
    return pd.DataFrame(wide)
