"""Observed against expected defaults by grade of the master scale."""

from typing import Any

import numpy as np
from scipy.stats import beta

from features.definition import Array
from training.grades import BOUNDS, GRADES, band, grade


def jeffreys(events: float, rows: int) -> tuple[float, float]:
    """Jeffreys' 95 % interval of a rate (Brown, Cai and DasGupta 2001)."""
    low, high = (float(beta.ppf(q, events + 0.5, rows - events + 0.5)) for q in (0.025, 0.975))
    return low, high


def by_grade(pd: Array, target: Array) -> list[dict[str, Any]]:
    """A row for each grade, best first: PD bounds, rows, defaults, rates, O/E with its interval.

    The interval of O/E is that of the observed rate over the expected one. Figures of a grade
    without rows are None.
    """
    graded = np.array([grade(float(p)) for p in pd], object)
    return [_of_grade(name, pd[graded == name], target[graded == name]) for name in GRADES]


def _of_grade(name: str, pd: Array, target: Array) -> dict[str, Any]:
    place = GRADES.index(name)
    found: dict[str, Any] = {
        "grade": name,
        "band": band(name),
        "from": BOUNDS[place - 1] if place else 0.0,
        "to": BOUNDS[place] if place < len(BOUNDS) else 1.0,
        "rows": len(pd),
        "events": int(target.sum()),
    }
    if not len(pd):
        return found | dict.fromkeys(("expected", "observed", "o_e", "low", "high"))
    expected, observed = float(pd.mean()), float(target.mean())
    low, high = jeffreys(float(target.sum()), len(pd))
    return found | {
        "expected": expected,
        "observed": observed,
        "o_e": observed / expected,
        "low": low / expected,
        "high": high / expected,
    }
