"""What they owe, and how they pay it back."""

from features.activity import income_90d, money_in_365d
from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import LOANS, REPAYMENTS, STATEMENTS


@feature(LOANS, unit="count", reason="Loans granted before")
def loans_granted(granted: Facts) -> Measure:
    """Loans ever granted."""
    return granted.count()


@feature(LOANS, unit="money", days=365, reason="Loans granted in the last year")
def loan_amount_365d(granted: Facts) -> Measure:
    """Amount of loans granted in the last year."""
    return granted.amount.sum()


@feature(REPAYMENTS, unit="money", reason="Loans outstanding")
def loans_outstanding(repaid: Facts) -> Measure:
    """Principal still owed on loans, as last stated."""
    return repaid.latest().outstanding.sum()


@feature(REPAYMENTS, unit="days", reason="Loan days past due")
def loan_days_past_due(repaid: Facts) -> Measure:
    """Days past due on the worst loan, as last stated."""
    return repaid.latest().days_past_due.max()


@feature(REPAYMENTS, unit="days", days=365, reason="Deepest loan arrears in the last year")
def loan_worst_arrears_365d(repaid: Facts) -> Measure:
    """Most days past due on a loan in the last year."""
    return repaid.days_past_due.max()


@feature(REPAYMENTS, unit="count", days=365, reason="Months with loan arrears")
def loan_arrears_months_365d(repaid: Facts) -> Measure:
    """Loan statements of the last year with arrears."""
    return repaid.where(repaid.days_past_due > 0).count()


@feature(REPAYMENTS, unit="money", days=90, reason="Instalments due in the last quarter")
def instalments_90d(repaid: Facts) -> Measure:
    """Loan instalments due in the last 90 days."""
    return repaid.due.sum()


@derived(instalments_90d, income_90d, unit="ratio", reason="Debt service against income")
def debt_service(due: Array, income: Array) -> Array:
    """Instalments due over salary and pension received, last 90 days."""
    return quotient(due, income)


@feature(STATEMENTS, unit="money", reason="Card limit")
def card_limit(stated: Facts) -> Measure:
    """Card limits in force, as last stated."""
    return stated.latest().credit_limit.sum()


@feature(STATEMENTS, unit="money", reason="Owed on cards")
def card_balance(stated: Facts) -> Measure:
    """Owed on cards, as last stated."""
    return stated.latest().balance.sum()


@derived(card_balance, card_limit, unit="share", reason="Use of the card limit")
def limit_use(owed: Array, limit: Array) -> Array:
    """Share of the card limits in use."""
    return quotient(owed, limit)


@feature(STATEMENTS, unit="days", reason="Card days past due")
def card_days_past_due(stated: Facts) -> Measure:
    """Days past due on the worst card, as last stated."""
    return stated.latest().days_past_due.max()


@feature(STATEMENTS, unit="days", days=365, reason="Deepest card arrears in the last year")
def card_worst_arrears_365d(stated: Facts) -> Measure:
    """Most days past due on a card in the last year."""
    return stated.days_past_due.max()


@feature(STATEMENTS, unit="ratio", days=180, reason="How much of the card bill is paid")
def card_paid_share_180d(stated: Facts) -> Measure:
    """Paid over stated card balances in the last 180 days."""
    return stated.paid.sum() / stated.balance.sum()


@feature(STATEMENTS, unit="count", days=365, reason="Card payments at or below the minimum")
def minimum_payments_365d(stated: Facts) -> Measure:
    """Card statements of the last year paid with no more than the minimum due."""
    return stated.where((stated.balance > 0) & (stated.paid <= stated.minimum_due)).count()


@derived(loans_outstanding, money_in_365d, unit="ratio", reason="Debt against yearly inflow")
def debt_to_inflow(owed: Array, inflow: Array) -> Array:
    """Loans outstanding over money received in the last year."""
    return quotient(owed, inflow)
