"""Lifetime value: what the coming months bring, and five years, of which most is extrapolated."""

from training.labels.contract import HELD, STATUS, LabelContract
from training.labels.extrapolation import Extrapolation

# Contribution is booked at month-ends: the twelve after any as-of day, leap year or not.
LIFETIME_VALUE = LabelContract(
    question="lifetime_value",
    version="lifetime_value/1",
    population="Customers with an open account.",
    outcome=(
        "Contribution of the next 12 months: margin on balances, fees, less cost to serve and"
        " net losses, over all accounts, also those opened later."
    ),
    answer="money",
    horizon_days=365,
    status=STATUS.format(held=HELD, facts="count(*) AS n", cases=""),
    target="""
        SELECT s.place, coalesce(sum(c.contribution), 0) / 100.0 AS target
        FROM spine s LEFT JOIN contributions c ON c.customer_id = s.customer_id
            AND c.event_day > s.as_of_day AND c.event_day <= s.as_of_day + {horizon} + 1
            AND date_diff('month', DATE '1970-01-02' + CAST(s.as_of_day AS INTEGER),
                DATE '1970-01-01' + CAST(c.event_day AS INTEGER)) < 12
        GROUP BY s.place
    """,
    needs=("contributions",),
)

FIVE = Extrapolation(months=60, observed=12, recent=12, yearly_rate=0.03, held_back=3)
EXTRAPOLATED = (
    "Extrapolated: five years are not observed. What was observed is carried on with the survival"
    " curve; that this tells five years is validated only on simulated banks. There is no interval."
)
FIVE_YEARS = LabelContract(
    question="lifetime_value",
    version="lifetime_value.five_years/1",
    population=LIFETIME_VALUE.population,
    outcome=(
        f"Contribution of the next {FIVE.months} months, discounted at {FIVE.yearly_rate:.0%} a"
        f" year from the end of each. The months observed, at least {FIVE.observed}, count as they"
        " were. Whoever has left by their end (as churn counts it) brings nothing more; for others"
        f" the mean of their last {FIVE.recent} months goes on, times the share of customers still"
        " there by a Kaplan-Meier curve; in it their own net losses are replaced by the share of"
        " lending's contribution that losses take. Curve and share stand on what was known before"
        " the first test date. New products, loans that end and growth are not foretold."
    ),
    answer="money",
    horizon_days=5 * 365 + 1,
    observed_days=LIFETIME_VALUE.horizon_days,
    status=LIFETIME_VALUE.status,
    extrapolation=FIVE,
    needs=("accounts", "contributions", "products", "transactions"),
    notes=(EXTRAPOLATED,),
)
