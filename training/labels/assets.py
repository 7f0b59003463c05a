"""What customers hold with the bank, as SQL: on a day, and on the average of a month."""

MONTH = 30  # days
SMALL = 1_000_000  # minor units: 10,000 units of the account's currency

# ``moment`` puts a closing behind the balance of its day; after it nothing is held.
POSITIONS = """
    holdings AS (
        SELECT a.customer_id, a.account_id FROM accounts a JOIN products p USING (product_id)
        WHERE p.family NOT IN ('personal_loan', 'mortgage', 'credit_card')
    ),
    positions AS (
        SELECT h.customer_id, h.account_id, b.event_day, b.known_day, 2 * b.event_day AS moment,
            coalesce(b.market_value, b.ledger_balance) AS value
        FROM holdings h JOIN balances b USING (account_id)
        UNION ALL
        SELECT h.customer_id, h.account_id, x.event_day, x.known_day, 2 * x.event_day + 1, 0
        FROM holdings h JOIN closings x USING (account_id)
    )
"""
# The area under an account's value up to each position, in money days: the days between two days
# come from two look-ups, however many positions lie between them. For what is known afterwards.
AREAS = """
    areas AS (
        SELECT account_id, event_day, moment, value, coalesce(sum(value * days) OVER (
            PARTITION BY account_id ORDER BY moment
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS area
        FROM (
            SELECT *, lead(event_day) OVER (PARTITION BY account_id ORDER BY moment) - event_day
                AS days
            FROM positions
        )
    )
"""
# Of windows (place, month, customer_id, since, known_before) of 30 days the sum of the assets at
# the end of each day. A position learnt more than 30 days late is looked for by itself, as-of
# joins do not know of a second clock.
MONTHLY = f"""
    within AS (
        SELECT w.place, w.month, w.since, p.account_id, p.event_day, p.moment, p.value
        FROM (SELECT *, unnest([since // {MONTH}, since // {MONTH} + 1]) AS bucket FROM windows) w
        JOIN positions p ON p.customer_id = w.customer_id AND p.event_day // {MONTH} = w.bucket
        WHERE p.event_day >= w.since AND p.event_day < w.since + {MONTH}
            AND p.known_day < w.known_before
    ),
    punctual AS (FROM positions WHERE known_day <= event_day + {MONTH}),
    late AS (FROM positions WHERE known_day > event_day + {MONTH}),
    before AS (
        SELECT w.place, w.month, w.since, h.account_id, p.moment, p.value
        FROM (windows w JOIN holdings h USING (customer_id)) ASOF JOIN punctual p
            ON p.account_id = h.account_id AND 2 * w.since > p.moment
        UNION ALL
        SELECT w.place, w.month, w.since, p.account_id, p.moment, p.value
        FROM windows w JOIN late p USING (customer_id)
        WHERE p.event_day < w.since AND p.known_day < w.known_before
    ),
    opening AS (
        SELECT place, month, since, account_id, since AS event_day, 2 * since - 1 AS moment,
            arg_max(value, moment) AS value
        FROM before GROUP BY ALL
    ),
    held_for AS (
        SELECT place, month, value, coalesce(lead(event_day) OVER (
            PARTITION BY place, month, account_id ORDER BY moment), since + {MONTH}) - event_day
            AS days
        FROM (FROM opening UNION ALL BY NAME FROM within)
    ),
    monthly AS (
        SELECT w.place, w.month, coalesce(sum(f.value * f.days), 0) AS money_days
        FROM windows w LEFT JOIN held_for f USING (place, month) GROUP BY ALL
    )
"""
