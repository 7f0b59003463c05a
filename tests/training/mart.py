"""A small feature mart with names as banks give them, whose truth is known."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

ROWS = 1_200
DECLARED = """
protected = ["sex"]
segments = ["region"]
never = ["notes"]
outcome = "the customer closed the last account"
[columns."負債 ratio, %"]
direction = "raises"
about = "Debt over income"
[columns.grade]
kind = "category"
"""


def mart(rows: int = ROWS, seed: int = 5) -> pd.DataFrame:
    draws = np.random.default_rng(seed)
    debt = draws.gamma(2.0, 20.0, rows).round(2)
    region = draws.choice(["north", "south", "east"], rows, p=[0.5, 0.3, 0.2])
    sex = draws.choice(["f", "m"], rows)
    margin = 0.05 * debt - 3 + 1.2 * (region == "east") + 0.5 * (sex == "m")
    frame = pd.DataFrame(
        {
            "client": [f"C{n:05}" for n in range(rows)],
            "負債 ratio, %": debt,
            "region": region,
            "sex": sex,
            "grade": draws.integers(1, 4, rows),
            "digital": draws.choice(["true", "false"], rows),
            "visits": draws.poisson(3, rows).astype(object),
            "notes": [f"note {n}" for n in range(rows)],
            "branch": "001",
            "y": (draws.random(rows) < expit(margin)).astype(int),
        }
    )
    frame.loc[draws.random(rows) < 0.1, "visits"] = ""  # nobody counted
    frame.loc[:2, "region"] = "islands"  # too few for a code of their own
    return frame


def dated(periods: int = 6, customers: int = 300) -> pd.DataFrame:
    """The mart of the same customers at several month-ends."""
    parts = []
    for number in range(periods):
        part = mart(customers, seed=number)
        parts.append(part.assign(day=f"2025-{number + 1:02}-28"))
    return pd.concat(parts, ignore_index=True)


def written(frame: pd.DataFrame, path: Path, **options: str) -> Path:
    frame.to_csv(path, index=False, **options)  # type: ignore[call-overload]
    return path
