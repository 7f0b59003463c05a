"""Lifetime value: the contribution that the coming months bring."""

from training.labels.contract import HELD, STATUS, LabelContract

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
