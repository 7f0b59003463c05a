"""What they have been worth to the bank so far."""

from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import CONTRIBUTIONS


@feature(CONTRIBUTIONS, unit="money", days=365, reason="Contribution of the last year")
def contribution_365d(earned: Facts) -> Measure:
    """Contribution of the last year."""
    return earned.contribution.sum()


@feature(CONTRIBUTIONS, unit="money", days=120, reason="Contribution of the last quarter")
def contribution_120d(earned: Facts) -> Measure:
    """Contribution booked in the last 120 days, about a quarter with its delay."""
    return earned.contribution.sum()


@derived(contribution_120d, contribution_365d, unit="ratio", reason="Contribution lately")
def contribution_trend(quarter: Array, year: Array) -> Array:
    """Contribution of the last 120 days over a third of the year's."""
    return quotient(3.0 * quarter, year)
