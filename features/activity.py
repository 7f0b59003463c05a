"""What they do with their money, and whether they still do it."""

from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import BOOKINGS

INCOME = ("salary", "pension")


@feature(BOOKINGS, unit="days", days=365, reason="Time since the last own payment")
def days_since_own_booking(booked: Facts) -> Measure:
    """Days since the customer last moved money, within a year."""
    return booked.where(~booked.automatic.expr).age.min()


@feature(BOOKINGS, unit="count", days=30, reason="Payments in the last month")
def own_bookings_30d(booked: Facts) -> Measure:
    """Bookings the customer made in the last 30 days."""
    return booked.where(~booked.automatic.expr).count()


@feature(BOOKINGS, unit="count", days=90, reason="Payments in the last quarter")
def own_bookings_90d(booked: Facts) -> Measure:
    """Bookings the customer made in the last 90 days."""
    return booked.where(~booked.automatic.expr).count()


@feature(BOOKINGS, unit="count", days=365, reason="Payments in the last year")
def own_bookings_365d(booked: Facts) -> Measure:
    """Bookings the customer made in the last year."""
    return booked.where(~booked.automatic.expr).count()


@derived(own_bookings_30d, own_bookings_90d, unit="ratio", reason="Pace of payments lately")
def booking_trend_90d(month: Array, quarter: Array) -> Array:
    """Own bookings of the last month over a third of the quarter's."""
    return quotient(3.0 * month, quarter)


@derived(own_bookings_90d, own_bookings_365d, unit="ratio", reason="Pace of payments this year")
def booking_trend_365d(quarter: Array, year: Array) -> Array:
    """Own bookings of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@feature(BOOKINGS, unit="money", days=90, reason="Money coming in over the last quarter")
def money_in_90d(booked: Facts) -> Measure:
    """Money that came in during the last 90 days."""
    return booked.where(booked.amount > 0).amount.sum()


@feature(BOOKINGS, unit="money", days=90, reason="Money going out over the last quarter")
def spend_90d(booked: Facts) -> Measure:
    """Money paid out in the last 90 days."""
    return -booked.where(booked.amount < 0).amount.sum()


@feature(BOOKINGS, unit="money", days=365, reason="Money coming in over the last year")
def money_in_365d(booked: Facts) -> Measure:
    """Money that came in during the last year."""
    return booked.where(booked.amount > 0).amount.sum()


@feature(BOOKINGS, unit="money", days=365, reason="Money going out over the last year")
def spend_365d(booked: Facts) -> Measure:
    """Money paid out in the last year."""
    return -booked.where(booked.amount < 0).amount.sum()


@derived(spend_90d, spend_365d, unit="ratio", reason="Spending lately against the year")
def spend_trend(quarter: Array, year: Array) -> Array:
    """Spending of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@derived(money_in_90d, money_in_365d, unit="ratio", reason="Income lately against the year")
def money_in_trend(quarter: Array, year: Array) -> Array:
    """Money in during the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@feature(BOOKINGS, unit="money", days=90, reason="Salary or pension in the last quarter")
def income_90d(booked: Facts) -> Measure:
    """Salary and pension received in the last 90 days."""
    return booked.where(booked.category.isin(*INCOME)).amount.sum()


@feature(BOOKINGS, unit="count", days=365, reason="Months with a salary or pension")
def income_payments_365d(booked: Facts) -> Measure:
    """Salary and pension payments received in the last year."""
    return booked.where(booked.category.isin(*INCOME)).count()


@feature(BOOKINGS, unit="days", days=365, reason="Time since the last salary or pension")
def days_since_income(booked: Facts) -> Measure:
    """Days since the last salary or pension, within a year."""
    return booked.where(booked.category.isin(*INCOME)).age.min()


@feature(BOOKINGS, unit="share", days=90, reason="Share of bookings that run by themselves")
def automatic_share_90d(booked: Facts) -> Measure:
    """Share of the last 90 days' bookings that were automatic."""
    return booked.where(booked.automatic.expr).count() / booked.count()


@feature(BOOKINGS, unit="money", days=90, reason="Cash taken out")
def cash_out_90d(booked: Facts) -> Measure:
    """Cash taken out in the last 90 days."""
    return -booked.where(booked.category == "cash_out").amount.sum()


@feature(BOOKINGS, unit="money", days=90, reason="Money transferred away")
def transfers_out_90d(booked: Facts) -> Measure:
    """Money transferred to other accounts in the last 90 days."""
    return -booked.where(booked.category == "transfer_out").amount.sum()


@feature(BOOKINGS, unit="money", days=365, reason="Fees paid")
def fees_365d(booked: Facts) -> Measure:
    """Fees paid in the last year."""
    return -booked.where(booked.category == "fee").amount.sum()


@feature(BOOKINGS, unit="count", days=365, reason="Penalty interest charged")
def penalties_365d(booked: Facts) -> Measure:
    """Times penalty interest was charged in the last year."""
    return booked.where(booked.category == "penalty_interest").count()


@feature(BOOKINGS, unit="count", days=90, reason="Kinds of spending")
def categories_90d(booked: Facts) -> Measure:
    """Different booking categories in the last 90 days."""
    return booked.category.distinct()


@feature(BOOKINGS, unit="money", days=365, reason="Largest single amount received")
def largest_inflow_365d(booked: Facts) -> Measure:
    """Largest single amount received in the last year."""
    return booked.where(booked.amount > 0).amount.max()
