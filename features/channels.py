"""How they meet the bank."""

from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import TOUCHES


@feature(TOUCHES, unit="count", days=30, reason="Logins in the last month")
def logins_30d(touched: Facts) -> Measure:
    """Logins in the last 30 days."""
    return touched.where(touched.kind == "login").count()


@feature(TOUCHES, unit="count", days=90, reason="Logins in the last quarter")
def logins_90d(touched: Facts) -> Measure:
    """Logins in the last 90 days."""
    return touched.where(touched.kind == "login").count()


@derived(logins_30d, logins_90d, unit="ratio", reason="Pace of logins lately")
def login_trend(month: Array, quarter: Array) -> Array:
    """Logins of the last month over a third of the quarter's."""
    return quotient(3.0 * month, quarter)


@feature(TOUCHES, unit="days", days=365, reason="Time since the last login")
def days_since_login(touched: Facts) -> Measure:
    """Days since the last login, within a year."""
    return touched.where(touched.kind == "login").age.min()


@feature(TOUCHES, unit="count", days=180, reason="Calls to the bank")
def calls_180d(touched: Facts) -> Measure:
    """Calls in the last 180 days."""
    return touched.where(touched.kind == "call").count()


@feature(TOUCHES, unit="count", days=180, reason="Complaints")
def complaints_180d(touched: Facts) -> Measure:
    """Complaints in the last 180 days."""
    return touched.where(touched.kind == "complaint").count()


@feature(TOUCHES, unit="count", days=180, reason="Branch visits")
def visits_180d(touched: Facts) -> Measure:
    """Branch visits in the last 180 days."""
    return touched.where(touched.kind == "branch_visit").count()
