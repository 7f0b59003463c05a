"""What counts as default: the parameters, and the queries that find it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DefaultDefinition:
    """The parameters of default, at the level of the customer.

    Attributes:
        days_past_due: an exposure must be late by more than so many days.
        materiality: minor units of the accounts' currency; what is past due on all exposures so
            late must exceed it. The default, 3,000 units, is near the EUR 100 that the European
            definition (EBA/GL/2016/07) asks of retail business where a unit is a Taiwan dollar.
        probation_days: days without default after which a customer counts as cured.
        written_off_days: days for which a write-off keeps a customer in default.
    """

    days_past_due: int = 90
    materiality: int = 300_000
    probation_days: int = 92
    written_off_days: int = 365

    @property
    def outcome(self) -> str:
        """The event as a sentence."""
        return (
            f"more than {self.days_past_due} days past due on any exposure with more than"
            f" {self.materiality / 100:,.0f} units of currency past due, or written off"
        )

    @property
    def mark(self) -> str:
        """What a label's version carries: nothing for the usual parameters, else all of them."""
        if self == DefaultDefinition():
            return ""
        return (
            f"({self.days_past_due},{self.materiality},{self.probation_days}"
            f",{self.written_off_days})"
        )

    def told(self) -> dict[str, str]:
        """The parameters in words, for the model card."""
        return {
            "Days past due": f"more than {self.days_past_due}",
            "Materiality": f"more than {self.materiality / 100:,.0f} units of currency past due,"
            " summed over the customer's exposures that are so late",
            "Past-due amount": PAST_DUE,
            "Probation before cure": f"{self.probation_days} days without default",
            "Write-off": f"default, for {self.written_off_days} days",
            "Distressed restructuring": RESTRUCTURING,
            "Level": "the customer: one exposure in default puts all of them in default",
        }


USUAL = DefaultDefinition()
RESTRUCTURING = (
    "is default too, but no table tells of it: a loan restructured before it is 90 days past due"
    " counts as performing here"
)
PAST_DUE = (
    "derived, as statements carry days only: payments settle the oldest debt first, so all"
    " instalments due since the oldest unpaid one are unpaid (at most one of them partly paid); on"
    " cards the minimum payments in their place, at most what is owed"
)

EXPOSURES = """
    exposures AS (
        SELECT a.customer_id, a.account_id, 'loan ' || l.loan_id AS id, r.event_day, r.known_day, r.days_past_due,
            r.outstanding AS exposure, r.due AS falls_due, NULL AS most
        FROM repayments r JOIN loans l USING (loan_id) JOIN accounts a USING (account_id)
        UNION ALL
        SELECT a.customer_id, a.account_id, 'card ' || s.account_id, s.event_day, s.known_day, s.days_past_due,
            greatest(s.credit_limit, s.balance), s.minimum_due, greatest(s.balance, 0)
        FROM statements s JOIN accounts a USING (account_id)
    )
"""
WRITTEN_OFF = """
    written_off AS (
        SELECT a.customer_id, o.event_day, o.known_day
        FROM loan_outcomes o JOIN loans l USING (loan_id) JOIN accounts a USING (account_id)
        WHERE o.status = 'written_off'
        UNION ALL
        SELECT a.customer_id, x.event_day, x.known_day
        FROM closings x JOIN accounts a USING (account_id) WHERE x.reason = 'written_off'
    )
"""
MONTH = 31  # days: no two statements of an exposure in a month, none missed between two


def past_due(definition: DefaultDefinition) -> str:
    """SQL of exposures, the late among them, and the statements that show a customer in default.

    ``late`` gives (customer_id, id, event_day, known_day, overdue), ``defaults`` the same without
    the amount where the amount is material.
    """
    return f"""
    {EXPOSURES}, late AS (
        SELECT e.customer_id, e.id, e.event_day, max(greatest(e.known_day, d.known_day)) AS known_day,
            least(sum(d.falls_due), coalesce(any_value(e.most), sum(d.falls_due))) AS overdue
        FROM exposures e JOIN exposures d ON d.id = e.id AND CASE
            WHEN e.most IS NULL THEN d.event_day BETWEEN e.event_day - e.days_past_due AND e.event_day
            ELSE d.event_day >= e.event_day - e.days_past_due - {MONTH} AND d.event_day < e.event_day END
        WHERE e.days_past_due > {definition.days_past_due}
        GROUP BY e.customer_id, e.id, e.event_day
    ),
    late_together AS (
        SELECT l.customer_id, l.id, l.event_day, o.id AS other,
            arg_max(o.overdue, o.event_day) AS overdue, max(greatest(l.known_day, o.known_day)) AS known_day
        FROM late l JOIN late o ON o.customer_id = l.customer_id
            AND o.event_day <= l.event_day AND o.event_day > l.event_day - {MONTH}
        GROUP BY l.customer_id, l.id, l.event_day, o.id
    ),
    defaults AS (
        SELECT customer_id, id, event_day, max(known_day) AS known_day
        FROM late_together GROUP BY customer_id, id, event_day
        HAVING sum(overdue) > {definition.materiality}
    )"""


def in_default(definition: DefaultDefinition) -> str:
    """SQL of ``in_default``: the places of ``spine`` whose customer is in default, or not yet cured.

    A default ends with the exposure's next statement that shows none, or its closing; the
    customer is cured when that lies the probation back. A write-off counts for its own term.
    Reads only what was known before the as-of day.
    """
    return f"""
    {past_due(definition)}, {WRITTEN_OFF},
    ends AS (
        SELECT DISTINCT e.id, x.event_day, x.known_day
        FROM (SELECT DISTINCT id, account_id FROM exposures) e JOIN closings x USING (account_id)
        UNION ALL
        SELECT 'loan ' || loan_id, event_day, known_day FROM loan_outcomes
        WHERE status IN ('repaid', 'written_off')
    ),
    words AS (SELECT id, event_day, known_day FROM exposures UNION ALL FROM ends),
    in_default AS (
        SELECT s.place FROM spine s JOIN defaults d USING (customer_id)
        WHERE d.event_day < s.as_of_day AND d.known_day < s.as_of_day
            AND NOT EXISTS (FROM words w WHERE w.id = d.id AND w.event_day > d.event_day
                AND w.event_day <= s.as_of_day - {definition.probation_days}
                AND w.known_day < s.as_of_day)
        UNION
        SELECT s.place FROM spine s JOIN written_off w USING (customer_id)
        WHERE w.event_day < s.as_of_day AND w.known_day < s.as_of_day
            AND w.event_day >= s.as_of_day - {definition.written_off_days}
    )"""


def defaulted(definition: DefaultDefinition) -> str:
    """SQL over ``spine`` of (place, target): whether the customer defaults within ``{horizon}`` days."""
    return f"""
        WITH {past_due(definition)}, {WRITTEN_OFF}, bad AS (
            SELECT customer_id, event_day FROM defaults
            UNION ALL SELECT customer_id, event_day FROM written_off
        )
        SELECT s.place, CAST(count(b.customer_id) > 0 AS DOUBLE) AS target
        FROM spine s LEFT JOIN bad b ON b.customer_id = s.customer_id
            AND b.event_day >= s.as_of_day AND b.event_day < s.as_of_day + {{horizon}}
        GROUP BY s.place
    """
