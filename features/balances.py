"""What they have with the bank, and where it is going."""

import numpy as np

from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import BALANCES, BOOKINGS

DEPOSITS = ("current", "savings", "term_deposit")
INVESTMENTS = ("wealth_management", "fund", "insurance")


@feature(BALANCES, unit="money", reason="Assets with the bank")
def assets(position: Facts) -> Measure:
    """Deposits and investments now."""
    return position.latest().where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(BALANCES, unit="money", reason="Assets with the bank a quarter ago")
def assets_90d_ago(position: Facts) -> Measure:
    """Deposits and investments 90 days ago."""
    held = position.latest(before=90)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(BALANCES, unit="money", reason="Assets with the bank a year ago")
def assets_365d_ago(position: Facts) -> Measure:
    """Deposits and investments a year ago."""
    held = position.latest(before=365)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@derived(assets, assets_90d_ago, unit="ratio", reason="Change of assets over a quarter")
def assets_trend_90d(now: Array, then: Array) -> Array:
    """Assets now over assets 90 days ago."""
    return quotient(now, np.maximum(then, 0.0))


@derived(assets, assets_365d_ago, unit="ratio", reason="Change of assets over a year")
def assets_trend_365d(now: Array, then: Array) -> Array:
    """Assets now over assets a year ago."""
    return quotient(now, np.maximum(then, 0.0))


@feature(BALANCES, unit="money", reason="Balance of current accounts")
def current_balance(position: Facts) -> Measure:
    """Money on current accounts now."""
    return position.latest().where(position.family == "current").worth.sum()


@feature(BALANCES, unit="money", reason="Investments held")
def investments(position: Facts) -> Measure:
    """Wealth products, funds and policies now."""
    return position.latest().where(position.family.isin(*INVESTMENTS)).worth.sum()


@derived(investments, assets, unit="share", reason="Share of assets invested")
def investment_share(invested: Array, total: Array) -> Array:
    """Share of assets in wealth products, funds and policies."""
    return quotient(invested, total)


@feature(BALANCES, unit="money", reason="Debt to the bank")
def debt(position: Facts) -> Measure:
    """Owed to the bank on loans and cards now."""
    owed = position.latest().where(position.family.isin("personal_loan", "mortgage", "credit_card"))
    return -owed.worth.sum()


@feature(BALANCES, unit="money", days=90, reason="Lowest balance in the last quarter")
def lowest_balance_90d(position: Facts) -> Measure:
    """Lowest end-of-day balance of a current account in the last 90 days."""
    return position.where(position.family == "current").worth.min()


@feature(BALANCES, unit="money", days=90, reason="Highest balance in the last quarter")
def highest_balance_90d(position: Facts) -> Measure:
    """Highest end-of-day balance of a current account in the last 90 days."""
    return position.where(position.family == "current").worth.max()


@feature(BALANCES, unit="money", days=365, reason="Lowest balance in the last year")
def lowest_balance_365d(position: Facts) -> Measure:
    """Lowest end-of-day balance of a current account in the last year."""
    return position.where(position.family == "current").worth.min()


@feature(BALANCES, unit="count", days=365, reason="Days that ended overdrawn")
def days_overdrawn_365d(position: Facts) -> Measure:
    """End-of-day balances below zero on current accounts in the last year."""
    return position.where((position.family == "current") & (position.worth < 0)).count()


@feature(BOOKINGS, unit="money", days=90, reason="Average balance after bookings")
def balance_after_bookings_90d(booked: Facts) -> Measure:
    """Mean balance after a booking in the last 90 days."""
    told = booked.where(~booked.balance_after.expr.is_null())
    return told.balance_after.sum() / told.count()
