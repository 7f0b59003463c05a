"""Churn: the last account closed or a customer fallen silent, and money that runs off before."""

from training.labels.assets import AREAS, MONTH, MONTHLY, POSITIONS, SMALL
from training.labels.contract import HELD, LabelContract

SILENCE = 90  # days
_ACTIVE = f"""
    active AS (
        SELECT DISTINCT s.place
        FROM spine s JOIN accounts a USING (customer_id) JOIN transactions t USING (account_id)
        WHERE NOT t.automatic AND t.event_day < s.as_of_day AND t.known_day < s.as_of_day
            AND t.event_day >= s.as_of_day - {SILENCE}
    )
"""
_LAST_MONTH = f"""
    SELECT place, 0 AS month, customer_id, as_of_day - {MONTH} AS since, as_of_day AS known_before
    FROM spine
"""
_CHURN_STATUS = f"""
    WITH {HELD}, {_ACTIVE}, {POSITIONS},
    windows AS ({_LAST_MONTH} WHERE place NOT IN (SELECT place FROM active)), {MONTHLY}
    SELECT s.place, CASE
        WHEN NOT EXISTS (FROM held h WHERE h.place = s.place) THEN 'no_open_account'
        WHEN m.money_days < {MONTH * SMALL} THEN 'dormant'
        ELSE 'scorable' END AS status
    FROM spine s LEFT JOIN monthly m USING (place)
"""
# Who opened an account has given a sign of life. Whoever comes back later has left all the same.
_LEFT = f"""
    WITH {POSITIONS},
    own AS (
        SELECT a.customer_id, t.event_day FROM transactions t JOIN accounts a USING (account_id)
        WHERE NOT t.automatic AND a.customer_id IN (SELECT customer_id FROM spine) GROUP BY ALL
        UNION
        SELECT customer_id, min(event_day) FROM accounts GROUP BY 1
    ),
    silences AS (
        SELECT customer_id, event_day + {SILENCE} AS day FROM own
        QUALIFY coalesce(lead(event_day) OVER (PARTITION BY customer_id ORDER BY event_day)
            > event_day + {SILENCE}, true)
    ),
    worth AS (
        SELECT s.customer_id, s.day, sum(p.value) AS assets
        FROM (silences s JOIN holdings h USING (customer_id)) ASOF JOIN positions p
            ON p.account_id = h.account_id AND 2 * s.day + 2 > p.moment
        GROUP BY ALL
    ),
    silent AS (
        SELECT s.customer_id, s.day FROM silences s LEFT JOIN worth w USING (customer_id, day)
        WHERE coalesce(w.assets, 0) < {SMALL}
    ),
    spans AS (
        SELECT a.customer_id, a.event_day AS opened, x.event_day AS closed
        FROM accounts a LEFT JOIN closings x USING (account_id)
    ),
    gone AS (
        SELECT DISTINCT c.customer_id, c.closed AS day,
            (SELECT min(o.opened) FROM spans o
                WHERE o.customer_id = c.customer_id AND o.opened > c.closed) AS returned
        FROM spans c
        WHERE c.closed IS NOT NULL AND NOT EXISTS (FROM spans o
            WHERE o.customer_id = c.customer_id AND o.opened <= c.closed
                AND (o.closed IS NULL OR o.closed > c.closed))
    ),
    left_on AS (
        SELECT s.place, l.day FROM spine s JOIN silent l USING (customer_id)
        WHERE l.day >= s.as_of_day
        UNION ALL
        SELECT s.place, greatest(g.day, s.as_of_day) FROM spine s JOIN gone g USING (customer_id)
        WHERE coalesce(g.returned > s.as_of_day, true)
    )
    SELECT s.place, min(l.day) AS event_day FROM spine s JOIN left_on l USING (place)
    WHERE l.day < s.as_of_day + {{horizon}} GROUP BY 1
"""
CHURN = LabelContract(
    question="churn",
    version="churn/2",
    population=(
        "Customers with an open account who moved money themselves in the last 90 days, or whose"
        " assets averaged 10,000 units of currency or more over the last 30; others are dormant."
    ),
    outcome=(
        "Within 3, 6 or 12 months the last account is closed, or the 90th day without an own"
        " booking ends with less than 10,000 units of currency left, and dates the leaving;"
        " automatic postings are no activity, and coming back later undoes nothing."
    ),
    answer="probability",
    horizon_days=182,
    horizons=(91, 182, 365),
    status=_CHURN_STATUS,
    target=_LEFT,
    needs=("accounts", "transactions"),
)

RUN_OFF = LabelContract(
    question="churn",
    version="churn.run_off/1",
    population=(
        "Customers with an open account whose assets averaged 10,000 units of currency or more over"
        " the last 30 days."
    ),
    outcome=(
        "In one of the next three months of 30 days the assets average half of the last month's or"
        " less."
    ),
    answer="probability",
    horizon_days=3 * MONTH,
    status=f"""
        WITH {HELD}, {POSITIONS}, windows AS ({_LAST_MONTH}), {MONTHLY}
        SELECT s.place, CASE
            WHEN NOT EXISTS (FROM held h WHERE h.place = s.place) THEN 'no_open_account'
            WHEN m.money_days < {MONTH * SMALL} THEN 'few_assets'
            ELSE 'scorable' END AS status
        FROM spine s JOIN monthly m USING (place)
    """,
    target=f"""
        WITH {POSITIONS}, {AREAS},
        bounds AS (
            SELECT place, customer_id, month, as_of_day + {MONTH} * (month - 1) AS day
            FROM spine, (SELECT unnest(range(0, {{horizon}} // {MONTH} + 2)) AS month)
        ),
        until AS (
            SELECT b.place, b.month, sum(a.area + a.value * (b.day - a.event_day)) AS area
            FROM (bounds b JOIN holdings h USING (customer_id)) ASOF JOIN areas a
                ON a.account_id = h.account_id AND 2 * b.day > a.moment
            GROUP BY ALL
        ),
        monthly AS (
            SELECT b.place, b.month, coalesce(lead(area) OVER later, 0) - coalesce(area, 0)
                AS money_days
            FROM bounds b LEFT JOIN until USING (place, month)
            WINDOW later AS (PARTITION BY b.place ORDER BY b.month)
        )
        SELECT place, CAST(2 * min(money_days) FILTER (
                month BETWEEN 1 AND {{horizon}} // {MONTH})
            <= sum(money_days) FILTER (month = 0) AS DOUBLE) AS target
        FROM monthly GROUP BY place
    """,
    needs=("accounts", "balances"),
)
