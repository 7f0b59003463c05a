"""Credit risk: default of customers with exposure and of new credit, and the final status of a loan."""

from training.labels.contract import HELD, LabelContract
from training.labels.default import USUAL, DefaultDefinition, defaulted, in_default

NO_REJECTS = "Learnt on accepted business only; there is no reject inference."


def behavioural(definition: DefaultDefinition = USUAL) -> LabelContract:
    """Default within 12 months of a customer who owes, or may owe, the bank something."""
    return LabelContract(
        question="credit_risk",
        version=f"credit_risk.behavioural/3{definition.mark}",
        population=(
            "Customers with a loan outstanding or a card limit who are not in default: none of it"
            f" so late, and cured for {definition.probation_days} days if it was; nothing written"
            f" off in the last {definition.written_off_days} days."
        ),
        outcome=f"Within 12 months {definition.outcome}.",
        answer="probability",
        horizon_days=365,
        status=f"""
            WITH {in_default(definition)}, seen AS (
                SELECT s.place, e.id, arg_max(e.exposure, e.event_day) AS exposure
                FROM spine s JOIN exposures e USING (customer_id)
                WHERE e.event_day < s.as_of_day AND e.known_day < s.as_of_day
                    AND e.event_day >= s.as_of_day - 62
                    AND NOT EXISTS (FROM closings x WHERE x.account_id = e.account_id
                        AND x.event_day < s.as_of_day AND x.known_day < s.as_of_day)
                GROUP BY 1, 2
            ),
            summed AS (SELECT place, sum(exposure) AS exposure FROM seen GROUP BY 1)
            SELECT s.place, CASE
                WHEN d.place IS NOT NULL THEN 'in_default'
                WHEN coalesce(u.exposure, 0) = 0 THEN 'no_exposure'
                ELSE 'scorable' END AS status
            FROM spine s LEFT JOIN summed u USING (place) LEFT JOIN in_default d USING (place)
        """,
        target=defaulted(definition),
        needs=("accounts", "repayments"),
        default=definition,
    )


def acquisition(definition: DefaultDefinition = USUAL) -> LabelContract:
    """Default within 12 months on book, as of the day before a loan or card is opened."""
    return LabelContract(
        question="credit_risk",
        version=f"credit_risk.acquisition/1{definition.mark}",
        population=(
            "Customers with an open account who are not in default; the model learns from those"
            " whose loan or card was opened on the day after."
        ),
        outcome=f"Within 12 months on book {definition.outcome}.",
        answer="probability",
        horizon_days=365,
        gap_days=1,  # the window begins on the day of the opening
        spine="day_before_credit",
        status=f"""
            WITH {in_default(definition)}, {HELD}, banked AS (SELECT DISTINCT place FROM held)
            SELECT s.place, CASE
                WHEN d.place IS NOT NULL THEN 'in_default'
                WHEN h.place IS NULL THEN 'no_open_account'
                ELSE 'scorable' END AS status
            FROM spine s LEFT JOIN banked h USING (place) LEFT JOIN in_default d USING (place)
        """,
        target=defaulted(definition),
        needs=("accounts", "repayments", "loans"),
        default=definition,
        notes=(NO_REJECTS,),
    )


CREDIT_RISK, ACQUISITION = behavioural(), acquisition()

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
