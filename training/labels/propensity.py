"""Propensity: a product taken up without a contact about it."""

from data.tables import PRODUCT_FAMILIES
from training.labels.contract import HELD, STATUS, LabelContract

OFFERED = tuple(f for f in PRODUCT_FAMILIES if f not in ("current", "savings"))
CONTACT_DAYS = 90  # for so long a delivered contact may still work


def propensity(family: str) -> LabelContract:
    """The label of taking up a product family within 90 days without a contact about it.

    Whoever was reached shortly before or meanwhile shows what a contact does, which is another
    question. The control group was not reached and stays in.
    """
    product = family.replace("_", " ")
    return LabelContract(
        question="propensity",
        version=f"propensity.{family}/2",
        population=(
            f"Customers with an open account and no {product} now; the model learns from those"
            f" whom no contact about one reached in the last {CONTACT_DAYS} days or in the next 90."
        ),
        outcome=f"Opens a {product} within 90 days without a contact about it.",
        answer="probability",
        horizon_days=90,
        status=STATUS.format(
            held=HELD,
            facts=f"bool_or(family = '{family}') AS holds",
            cases="WHEN c.holds THEN 'holds_it_already'",
        ),
        target=f"""
            SELECT s.place, CAST(count(a.account_id) > 0 AS DOUBLE) AS target
            FROM spine s LEFT JOIN (
                accounts a JOIN products p ON p.product_id = a.product_id AND p.family = '{family}'
            ) ON a.customer_id = s.customer_id AND a.event_day >= s.as_of_day
                AND a.event_day < s.as_of_day + {{horizon}}
            GROUP BY s.place
        """,
        clouded=f"""
            SELECT DISTINCT s.place, 'contacted' AS reason
            FROM spine s JOIN contacts c USING (customer_id)
            WHERE c.family = '{family}' AND c.outcome = 'delivered' AND c.arm <> 'control'
                AND c.event_day >= s.as_of_day - {CONTACT_DAYS}
                AND c.event_day < s.as_of_day + {{horizon}}
        """,
        needs=("accounts",),
    )
