"""Credit risk: default of customers with exposure, and the final status of a loan."""

from training.labels.contract import LabelContract

_EXPOSURES = """
    exposures AS (
        SELECT a.customer_id, a.account_id, 'loan ' || l.loan_id AS id, r.event_day, r.known_day, r.days_past_due,
            r.outstanding AS exposure
        FROM repayments r JOIN loans l USING (loan_id) JOIN accounts a USING (account_id)
        UNION ALL
        SELECT a.customer_id, a.account_id, 'card ' || s.account_id, s.event_day, s.known_day, s.days_past_due,
            greatest(s.credit_limit, s.balance)
        FROM statements s JOIN accounts a USING (account_id)
    )
"""
_WRITTEN_OFF = """
    SELECT a.customer_id, o.event_day, o.known_day
    FROM loan_outcomes o JOIN loans l USING (loan_id) JOIN accounts a USING (account_id)
    WHERE o.status = 'written_off'
    UNION ALL
    SELECT a.customer_id, x.event_day, x.known_day
    FROM closings x JOIN accounts a USING (account_id) WHERE x.reason = 'written_off'
"""
CREDIT_RISK = LabelContract(
    question="credit_risk",
    version="credit_risk.behavioural/2",
    population=(
        "Customers with a loan outstanding or a card limit, none of it more than 90 days past due"
        " or written off in the last year."
    ),
    outcome="Within 12 months more than 90 days past due on any exposure, or written off.",
    answer="probability",
    horizon_days=365,
    status=f"""
        WITH {_EXPOSURES}, seen AS (
            SELECT s.place, e.id, arg_max(e.exposure, e.event_day) AS exposure,
                arg_max(e.days_past_due, e.event_day) AS days_past_due,
                max(e.event_day) AS told
            FROM spine s JOIN exposures e USING (customer_id)
            WHERE e.event_day < s.as_of_day AND e.known_day < s.as_of_day
                AND e.event_day >= s.as_of_day - 62
                AND NOT EXISTS (FROM closings x WHERE x.account_id = e.account_id
                    AND x.event_day < s.as_of_day AND x.known_day < s.as_of_day)
            GROUP BY 1, 2
        ),
        lost AS (
            SELECT DISTINCT s.place FROM spine s JOIN ({_WRITTEN_OFF}) w USING (customer_id)
            WHERE w.event_day < s.as_of_day AND w.known_day < s.as_of_day
                AND w.event_day >= s.as_of_day - 365
        ),
        summed AS (
            SELECT place, sum(exposure) AS exposure, max(days_past_due) AS days_past_due
            FROM seen GROUP BY 1
        )
        SELECT s.place, CASE
            WHEN l.place IS NOT NULL OR u.days_past_due > 90 THEN 'in_default'
            WHEN coalesce(u.exposure, 0) = 0 THEN 'no_exposure'
            ELSE 'scorable' END AS status
        FROM spine s LEFT JOIN summed u USING (place) LEFT JOIN lost l USING (place)
    """,
    target=f"""
        WITH {_EXPOSURES}, bad AS (
            SELECT customer_id, event_day FROM exposures WHERE days_past_due > 90
            UNION ALL SELECT customer_id, event_day FROM ({_WRITTEN_OFF})
        )
        SELECT s.place, CAST(count(b.customer_id) > 0 AS DOUBLE) AS target
        FROM spine s LEFT JOIN bad b ON b.customer_id = s.customer_id
            AND b.event_day >= s.as_of_day AND b.event_day < s.as_of_day + {{horizon}}
        GROUP BY s.place
    """,
    needs=("accounts", "repayments"),
)

LOAN_STATUS = LabelContract(
    question="credit_risk",
    version="credit_risk.final_status/1",
    population=(
        "Borrowers as of the day before their loan was granted, where the bookings up to then are"
        " all there."
    ),
    outcome=(
        "The loan's final status is bad: ended unpaid, running in debt, or written off. This is"
        " not default within 12 months."
    ),
    answer="probability",
    horizon_days=0,
    lag_days=0,
    spine="day_before_loan",
    status="""
        SELECT s.place, CASE
            WHEN count(a.account_id) = 0 THEN 'no_open_account'
            WHEN count(t.account_id) = 0 THEN 'no_bookings'
            ELSE 'scorable' END AS status
        FROM spine s
        LEFT JOIN accounts a ON a.customer_id = s.customer_id
            AND a.event_day < s.as_of_day AND a.known_day < s.as_of_day
        LEFT JOIN (SELECT account_id, min(greatest(event_day, known_day)) AS first_day
            FROM transactions GROUP BY 1) t
            ON t.account_id = a.account_id AND t.first_day < s.as_of_day
        GROUP BY s.place
    """,
    target="""
        SELECT s.place, max(CAST(o.status IN ('unpaid', 'in_debt', 'written_off') AS DOUBLE))
            AS target
        FROM spine s JOIN accounts a USING (customer_id) JOIN loans l USING (account_id)
        JOIN loan_outcomes o USING (loan_id)
        WHERE l.event_day = s.as_of_day + 1 GROUP BY s.place
    """,
    needs=("loans", "loan_outcomes", "transactions"),
)
