"""What they hold, have held, and since when."""

from features.definition import Array, Facts, Measure, derived, feature
from features.sources import APPLICATIONS, CLOSINGS, CONTACTS, OPENINGS


@feature(OPENINGS, unit="days", reason="Time with the bank")
def tenure_days(opened: Facts) -> Measure:
    """Days since the first account was opened."""
    return opened.age.max()


@feature(OPENINGS, unit="days", reason="Time since the last product was opened")
def days_since_opening(opened: Facts) -> Measure:
    """Days since the latest account was opened."""
    return opened.age.min()


@feature(OPENINGS, unit="count", reason="Products ever held")
def products_opened(opened: Facts) -> Measure:
    """Accounts, cards, loans and policies ever opened."""
    return opened.count()


@feature(OPENINGS, unit="count", days=365, reason="Products opened in the last year")
def products_opened_365d(opened: Facts) -> Measure:
    """Accounts, cards, loans and policies opened in the last year."""
    return opened.count()


@feature(OPENINGS, unit="count", reason="Kinds of product ever held")
def families_opened(opened: Facts) -> Measure:
    """Different product families ever held."""
    return opened.family.distinct()


@feature(CLOSINGS, unit="count", reason="Products closed")
def products_closed(closed: Facts) -> Measure:
    """Accounts, cards, loans and policies ever closed."""
    return closed.count()


@feature(CLOSINGS, unit="count", days=180, reason="Products closed in the last half year")
def products_closed_180d(closed: Facts) -> Measure:
    """Accounts the customer had closed in the last 180 days."""
    return closed.where(closed.reason == "customer").count()


@derived(products_opened, products_closed, unit="count", reason="Products held")
def products_held(opened: Array, closed: Array) -> Array:
    """Accounts, cards, loans and policies held now."""
    return opened - closed


@feature(OPENINGS, unit="count")
def deposits_opened(opened: Facts) -> Measure:
    """Term deposits ever opened."""
    return opened.where(opened.family == "term_deposit").count()


@feature(OPENINGS, unit="count")
def cards_opened(opened: Facts) -> Measure:
    """Credit cards ever opened."""
    return opened.where(opened.family == "credit_card").count()


@feature(OPENINGS, unit="count")
def loans_opened(opened: Facts) -> Measure:
    """Personal loans and mortgages ever opened."""
    return opened.where(opened.family.isin("personal_loan", "mortgage")).count()


@feature(OPENINGS, unit="count")
def investments_opened(opened: Facts) -> Measure:
    """Wealth products, funds and policies ever opened."""
    return opened.where(opened.family.isin("wealth_management", "fund", "insurance")).count()


@feature(APPLICATIONS, unit="count", days=180, reason="Recent applications")
def applications_180d(applied: Facts) -> Measure:
    """Applications submitted in the last 180 days."""
    return applied.where(applied.stage == "submitted").count()


@feature(APPLICATIONS, unit="count", days=365, reason="Refused applications")
def refusals_365d(applied: Facts) -> Measure:
    """Applications the bank refused in the last year."""
    return applied.where(applied.stage == "refused").count()


@feature(CONTACTS, unit="count", days=90, reason="Campaign contacts in the last quarter")
def contacts_90d(contacted: Facts) -> Measure:
    """Campaign contacts delivered in the last 90 days."""
    return contacted.where(contacted.outcome == "delivered").count()
