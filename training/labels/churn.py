"""Churn: the last account closed, or a customer who has fallen silent with little left."""

from training.labels.contract import HELD, LabelContract

_CHURN_STATUS = f"""
    WITH {HELD}, active AS (
        SELECT DISTINCT s.place
        FROM spine s JOIN accounts a USING (customer_id) JOIN transactions t USING (account_id)
        WHERE NOT t.automatic AND t.event_day < s.as_of_day AND t.known_day < s.as_of_day
            AND t.event_day >= s.as_of_day - 90
    )
    SELECT s.place, CASE
        WHEN NOT EXISTS (FROM held h WHERE h.place = s.place) THEN 'no_open_account'
        WHEN v.place IS NULL THEN 'dormant'
        ELSE 'scorable' END AS status
    FROM spine s LEFT JOIN active v USING (place)
"""
# Minor units: 10,000 units of the account's currency.
_SMALL_ASSETS = 1_000_000
_CHURN_TARGET = f"""
    WITH ends AS (SELECT place, customer_id, as_of_day, as_of_day + {{horizon}} AS end_day FROM spine),
    accounts_then AS (
        SELECT e.place, e.end_day, a.account_id, x.event_day AS closed_day, p.family
        FROM ends e JOIN accounts a USING (customer_id) JOIN products p USING (product_id)
        LEFT JOIN closings x ON x.account_id = a.account_id AND x.event_day < e.end_day
        WHERE a.event_day < e.end_day
    ),
    own AS (
        SELECT e.place, max(t.event_day) AS last_own
        FROM ends e JOIN accounts a USING (customer_id) JOIN transactions t USING (account_id)
        WHERE NOT t.automatic AND t.event_day < e.end_day GROUP BY 1
    ),
    worth AS (
        SELECT n.place, sum(CASE WHEN n.family IN ('personal_loan', 'mortgage', 'credit_card')
            THEN 0 ELSE coalesce(b.market_value, b.ledger_balance) END) AS assets
        FROM accounts_then n ASOF JOIN balances b
            ON b.account_id = n.account_id AND n.end_day > b.event_day
        WHERE n.closed_day IS NULL GROUP BY 1
    )
    SELECT e.place, CAST(
        NOT EXISTS (FROM accounts_then n WHERE n.place = e.place AND n.closed_day IS NULL)
        OR (coalesce(o.last_own, 0) < e.end_day - 90 AND coalesce(w.assets, 0) < {_SMALL_ASSETS})
        AS DOUBLE) AS target
    FROM ends e LEFT JOIN own o USING (place) LEFT JOIN worth w USING (place)
"""
CHURN = LabelContract(
    question="churn",
    version="churn/1",
    population="Customers with an open account who moved money themselves in the last 90 days.",
    outcome=(
        "Within six months the last account is closed, or the six months end with 90 days without"
        " an own booking and less than 10,000 units of currency left; automatic postings are no"
        " activity."
    ),
    answer="probability",
    horizon_days=182,
    status=_CHURN_STATUS,
    target=_CHURN_TARGET,
    needs=("accounts", "transactions"),
)
