"""What each question asks, exactly: who is asked about, what counts, by when it is known."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pandas as pd

from data.errors import TrainingError
from data.tables import PRODUCT_FAMILIES
from data.warehouse import Warehouse
from features.profile import day_number
from features.spine import extent

Answer = Literal["probability", "money"]
SCORABLE = "scorable"
COVERAGE_SLACK = 31  # days: bookings may be rare at the end of a history
OFFERED = tuple(f for f in PRODUCT_FAMILIES if f not in ("current", "savings"))


@dataclass(frozen=True)
class LabelContract:
    """One question's label.

    Attributes:
        question: churn, lifetime_value, propensity or credit_risk.
        version: changes when any other field does.
        population: who is asked about, as a sentence; ``status`` is the same as SQL.
        outcome: what counts, as a sentence; ``target`` is the same as SQL.
        horizon_days: the outcome window, from the as-of day on.
        gap_days: days between the as-of day and the window.
        lag_days: days after the window until its facts are known.
        status: SQL over ``spine`` giving (place, status): scorable, or why not. It reads only
            facts known before the as-of day.
        target: SQL over ``spine`` giving (place, target).
        clouded: SQL over ``spine`` giving (place, reason) of rows whose outcome would teach
            another question. It may read the future: serving answers these rows all the same.
        needs: tables without which nobody can be labelled.
        spine: where the rows come from.

    Raises:
        TrainingError: the window would begin before the as-of day, where the features end.
    """

    question: str
    version: str
    population: str
    outcome: str
    answer: Answer
    horizon_days: int
    status: str = field(repr=False)
    target: str = field(repr=False)
    clouded: str = field(default="", repr=False)
    needs: tuple[str, ...] = ()
    gap_days: int = 0
    lag_days: int = 31
    spine: Literal["month_ends", "day_before_loan"] = "month_ends"

    def __post_init__(self) -> None:
        if min(self.gap_days, self.horizon_days, self.lag_days) < 0:
            raise TrainingError(
                f"label {self.version}: a gap of {self.gap_days}, a horizon of {self.horizon_days}"
                f" and a lag of {self.lag_days} days overlap what the features see; each is at"
                " least 0."
            )

    def mature(self, as_of: date, last: date) -> bool:
        """Whether the outcome of ``as_of`` is fully known on the last day of the data."""
        return as_of + timedelta(self.gap_days + self.horizon_days + self.lag_days) <= last


@dataclass(frozen=True)
class Labelled:
    """A labelled spine: rows that fit, and how many did not, by reason."""

    rows: pd.DataFrame
    left_out: dict[str, int]


# A customer's accounts that were open, as far as the bank knew before the as-of day.
_HELD = """
    held AS (
        SELECT s.place, a.account_id, p.family
        FROM spine s JOIN accounts a USING (customer_id) JOIN products p USING (product_id)
        LEFT JOIN closings x ON x.account_id = a.account_id
            AND x.event_day < s.as_of_day AND x.known_day < s.as_of_day
        WHERE a.event_day < s.as_of_day AND a.known_day < s.as_of_day AND x.account_id IS NULL
    )
"""
_STATUS = """
    WITH {held}, counted AS (SELECT place, {facts} FROM held GROUP BY place)
    SELECT s.place, CASE WHEN c.place IS NULL THEN 'no_open_account' {cases} ELSE 'scorable' END
        AS status
    FROM spine s LEFT JOIN counted c USING (place)
"""

_CHURN_STATUS = f"""
    WITH {_HELD}, active AS (
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
    status=_STATUS.format(held=_HELD, facts="count(*) AS n", cases=""),
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
        status=_STATUS.format(
            held=_HELD,
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

_COVERED = """
    SELECT s.place, coalesce(max(CAST(v.covered_until - DATE '1970-01-01' AS INTEGER)), {last})
        AS covered_until
    FROM spine s LEFT JOIN (accounts a JOIN coverage v USING (account_id))
        ON a.customer_id = s.customer_id AND a.event_day < s.as_of_day
    GROUP BY s.place
"""


def spine_query(spine: pd.DataFrame) -> pd.DataFrame:
    """The spine as the label queries read it: place, customer_id, as_of_day."""
    return pd.DataFrame(
        {
            "place": range(len(spine)),
            "customer_id": spine["customer_id"].to_numpy(),
            "as_of_day": [day_number(day) for day in spine["as_of"]],
        }
    )


def statuses(warehouse: Warehouse, contract: LabelContract, spine: pd.DataFrame) -> list[str]:
    """For each row of a spine: scorable, or why the question does not fit."""
    asked = spine_query(spine)
    found = warehouse.frame(contract.status, spine=asked).sort_values("place")
    status = found["status"].to_numpy(dtype=object)
    seen = _covered_until(warehouse, asked) >= asked["as_of_day"] - COVERAGE_SLACK
    return list(np.where((status == SCORABLE) & ~seen, "history_not_covered", status))


def _covered_until(warehouse: Warehouse, asked: pd.DataFrame) -> pd.Series:
    """For each row, the last day whose bookings the extract holds."""
    last = day_number(extent(warehouse)[1])
    return (
        warehouse.frame(_COVERED.format(last=last), spine=asked)
        .sort_values("place")["covered_until"]
        .reset_index(drop=True)
    )


def label(warehouse: Warehouse, contract: LabelContract, spine: pd.DataFrame) -> Labelled:
    """Label a spine; rows outside the population, immature, uncovered or clouded are left out.

    They are counted by reason.

    Returns:
        Labelled rows with customer_id, as_of, target (float), in spine order.

    Raises:
        TrainingError: a table that the label needs has no rows.
    """
    missing = [t for t in contract.needs if t not in warehouse.manifest.tables]
    if missing:
        raise TrainingError(f"no rows in {', '.join(missing)}, which the label is made of")
    rows = spine[["customer_id", "as_of"]].reset_index(drop=True)
    asked = spine_query(rows)
    _, last = extent(warehouse)
    status = pd.Series(statuses(warehouse, contract, rows))
    ends = asked["as_of_day"] + contract.gap_days + contract.horizon_days
    covered = _covered_until(warehouse, asked)
    status[(status == SCORABLE) & (ends + contract.lag_days > day_number(last))] = "immature"
    status[(status == SCORABLE) & (covered < ends)] = "outcome_not_covered"
    begin = asked.assign(as_of_day=asked["as_of_day"] + contract.gap_days)
    target = warehouse.frame(contract.target.format(horizon=contract.horizon_days), spine=begin)
    rows["target"] = target.set_index("place")["target"].reindex(rows.index)
    if contract.clouded:
        clouded = warehouse.frame(
            contract.clouded.format(horizon=contract.horizon_days), spine=begin
        )
        reason = clouded.set_index("place")["reason"].reindex(rows.index)
        status = status.mask((status == SCORABLE) & reason.notna(), reason)
    status[(status == SCORABLE) & rows["target"].isna()] = "no_outcome"
    counts = status[status != SCORABLE].value_counts()
    left_out = {str(reason): int(count) for reason, count in counts.items()}
    return Labelled(rows[status == SCORABLE].reset_index(drop=True), left_out)


def loan_spine(warehouse: Warehouse) -> pd.DataFrame:
    """A spine of the day before each loan was granted."""
    frame = warehouse.frame(
        "SELECT DISTINCT a.customer_id, l.event_day - 1 AS day FROM loans l"
        " JOIN accounts a USING (account_id) ORDER BY day, customer_id"
    )
    frame["as_of"] = [date(1970, 1, 1) + timedelta(int(day)) for day in frame["day"]]
    return frame[["customer_id", "as_of"]]
