"""Exposure at default and loss given default: EAD = drawn + CCF x undrawn, EL = PD x LGD x EAD.

LGD is what the bank's own defaults lost, by product and collateral, where there are enough of
them, else a stated table. A case is an exposure of a customer on the day of default. Its loss is
what is written off of it within two years, less what is recovered after the write-off, with what
collecting costs, all discounted to the day of default; a cured case loses nothing. What comes later
counts neither way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from data.warehouse import Warehouse
from features.calendar import day_number
from training.labels.default import MONTH, USUAL, WRITTEN_OFF, DefaultDefinition, past_due

TABLES = "losses/1"
# Share of what is undrawn that will be drawn by default. Commitments under the Basel standardised
# approach carry 40 % (CRE20); the 10 % of those cancellable at any time would suppose that the
# bank cancels before the customer draws. A bank puts its own figures here.
CONVERSION: Mapping[str, float] = {"credit_card": 0.40}
# The foundation values of Basel II (CRE32): 45 % unsecured, 35 % real estate, 40 % other physical
# collateral. Financial collateral is put at 10 %, not 0: it may be worth less than what is owed.
STATED: Mapping[str, float] = {
    "none": 0.45,
    "real_estate": 0.35,
    "vehicle": 0.40,
    "other": 0.40,
    "securities": 0.10,
    "deposit": 0.10,
}
DISCOUNT_RATE = 0.05  # a year
WORKOUT_DAYS = 730
LEAST_CASES = 30
UNSTATED_DAYS = 62  # an exposure whose last statement is older is over


@dataclass(frozen=True)
class LossRate:
    """LGD of a product and collateral, and where it comes from."""

    product: str
    collateral: str
    lgd: float
    cases: int
    source: str  # observed or stated


@dataclass(frozen=True)
class Part:
    """One product's share of a customer's exposure, in units of currency."""

    product: str
    collateral: str
    drawn: float
    undrawn: float
    ccf: float
    ead: float
    lgd: float
    lgd_source: str
    lgd_cases: int


@dataclass(frozen=True)
class Exposure:
    """What a customer owes or may owe as of a day, in units of one currency.

    ``lgd`` is weighted by EAD. ``currency``, ``ead`` and ``lgd`` are None where the exposures are in
    several currencies, which are not added.
    """

    currency: str | None
    ead: float | None
    lgd: float | None
    parts: tuple[Part, ...]
    tables: str = TABLES


def as_json(exposure: Exposure | None) -> dict[str, Any] | None:
    """An exposure as plain values."""
    if exposure is None:
        return None
    return {**asdict(exposure), "parts": [asdict(part) for part in exposure.parts]}


def of_json(told: Mapping[str, Any] | None) -> Exposure | None:
    """The exposure that ``as_json`` told."""
    if told is None:
        return None
    return Exposure(**{**told, "parts": tuple(Part(**part) for part in told["parts"])})


def expected_loss(pd: float, lgd: float, ead: float) -> float:
    """EL over the 12 months of the PD, in the units of EAD."""
    return pd * lgd * ead


_SECURED = """
    secured AS (
        SELECT l.account_id, c.event_day, c.known_day, c.kind, c.value
        FROM collateral c JOIN loans l USING (loan_id)
    )
"""
_BOOKED_OFF = """
    booked_off AS (
        SELECT l.account_id, o.event_day, o.known_day, o.loss AS amount
        FROM loan_outcomes o JOIN loans l USING (loan_id)
        WHERE o.status = 'written_off' AND o.loss IS NOT NULL
        UNION ALL
        SELECT account_id, event_day, known_day, amount FROM transactions
        WHERE category = 'write_off' AND account_id NOT IN (
            SELECT account_id FROM loans JOIN loan_outcomes USING (loan_id)
            WHERE status = 'written_off' AND loss IS NOT NULL)
    )
"""


def _cases(definition: DefaultDefinition, as_of_day: int) -> str:
    """SQL of (place, product, collateral, exposure, kind, days, amount): a case with each of its cash flows."""
    known = f"known_day < {as_of_day} AND event_day < {as_of_day}"
    apart = definition.probation_days + MONTH
    return f"""
    WITH {past_due(definition)}, {WRITTEN_OFF}, {_SECURED}, {_BOOKED_OFF},
    bad AS (
        SELECT DISTINCT customer_id, event_day FROM (
            SELECT customer_id, event_day, known_day FROM defaults
            UNION ALL FROM written_off) WHERE {known}
    ),
    beginnings AS (
        SELECT customer_id, event_day FROM bad
        QUALIFY event_day - coalesce(lag(event_day)
            OVER (PARTITION BY customer_id ORDER BY event_day), -100000) > {apart}
    ),
    episodes AS (
        SELECT customer_id, event_day AS default_day, least(event_day + {WORKOUT_DAYS},
            coalesce(lead(event_day) OVER (PARTITION BY customer_id ORDER BY event_day), 1000000)) AS end_day
        FROM beginnings
    ),
    owed AS (
        SELECT p.customer_id, p.default_day, p.end_day, e.account_id,
            arg_max(CASE WHEN e.most IS NULL THEN e.exposure ELSE e.most END, e.event_day) AS exposure
        FROM episodes p JOIN exposures e ON e.customer_id = p.customer_id
            AND e.event_day <= p.default_day AND e.event_day >= p.default_day - {UNSTATED_DAYS}
        WHERE p.default_day + {WORKOUT_DAYS} <= {as_of_day}
            AND NOT EXISTS (FROM closings x WHERE x.account_id = e.account_id
                AND x.event_day < p.default_day)
        GROUP BY ALL HAVING exposure > 0
    ),
    cases AS (
        SELECT row_number() OVER (ORDER BY o.account_id, o.default_day) AS place, o.account_id,
            o.default_day, o.end_day, o.exposure, p.family AS product,
            coalesce((SELECT arg_max(c.kind, (c.value, c.kind)) FROM secured c
                WHERE c.account_id = o.account_id AND c.event_day <= o.default_day), 'none') AS collateral
        FROM owed o JOIN accounts a USING (account_id) JOIN products p USING (product_id)
    ),
    flows AS (
        SELECT account_id, 'written_off' AS kind, event_day, amount FROM booked_off WHERE {known}
        UNION ALL
        SELECT r.account_id, CASE r.kind WHEN 'cost' THEN 'cost' ELSE 'recovered' END, r.event_day, r.amount
        FROM recoveries r
        LEFT JOIN (SELECT account_id, min(event_day) AS off_day FROM booked_off GROUP BY 1) b
            ON b.account_id = r.account_id
        WHERE r.known_day < {as_of_day} AND r.event_day < {as_of_day}
            AND (r.kind = 'cost' OR r.event_day >= b.off_day)
    )
    SELECT c.place, c.product, c.collateral, c.exposure, f.kind, f.event_day - c.default_day AS days,
        CAST(sum(f.amount) AS BIGINT) AS amount
    FROM cases c LEFT JOIN flows f ON f.account_id = c.account_id
        AND f.event_day >= c.default_day AND f.event_day < c.end_day
    GROUP BY ALL ORDER BY c.place, days, f.kind
    """


def loss_rates(
    warehouse: Warehouse, as_of: date, definition: DefaultDefinition = USUAL
) -> dict[tuple[str, str], LossRate]:
    """LGD by product and collateral from the defaults worked out, and known, before a day.

    Loss over exposure, summed over cases, between 0 and 1; stated below 30 cases.
    """
    flows = warehouse.frame(_cases(definition, day_number(as_of)))
    sign = flows["kind"].map({"recovered": -1.0}).fillna(1.0).to_numpy(np.float64)
    days = flows["days"].fillna(0).to_numpy(np.float64)
    amount = flows["amount"].fillna(0).to_numpy(np.float64)
    flows["loss"] = sign * amount / (1 + DISCOUNT_RATE) ** (days / 365)
    cells = (
        flows[["product", "collateral"]].drop_duplicates().sort_values(["product", "collateral"])
    )
    rates = {}
    for product, collateral in cells.astype(str).itertuples(index=False, name=None):
        rows = flows[(flows["product"] == product) & (flows["collateral"] == collateral)]
        exposures = rows.drop_duplicates("place")["exposure"]
        lost = float(rows["loss"].sum()) / float(exposures.sum())
        rates[product, collateral] = rate(product, collateral, lost, len(exposures))
    return rates


def rate(product: str, collateral: str, observed: float, cases: int) -> LossRate:
    """The observed LGD where the cases suffice, else the stated one."""
    if cases < LEAST_CASES:
        return LossRate(product, collateral, STATED[collateral], cases, "stated")
    return LossRate(product, collateral, min(max(observed, 0.0), 1.0), cases, "observed")


_OWED = """
    WITH {secured}, stated AS (
        SELECT l.account_id, r.event_day, r.outstanding AS drawn, 0 AS undrawn
        FROM repayments r JOIN loans l USING (loan_id)
        WHERE r.event_day < {day} AND r.known_day < {day}
        UNION ALL
        SELECT account_id, event_day, greatest(balance, 0), greatest(credit_limit - greatest(balance, 0), 0)
        FROM statements WHERE event_day < {day} AND known_day < {day}
        UNION ALL
        SELECT account_id, event_day, amount, 0 FROM loans
        WHERE event_day < {day} AND known_day < {day}
    ),
    newest AS (
        SELECT account_id, max(event_day) AS event_day, arg_max(drawn, event_day) AS drawn,
            arg_max(undrawn, event_day) AS undrawn
        FROM stated GROUP BY 1
    )
    SELECT a.customer_id, a.currency, p.family AS product,
        coalesce((SELECT arg_max(c.kind, (c.value, c.kind)) FROM secured c
            WHERE c.account_id = n.account_id AND c.event_day < {day} AND c.known_day < {day}),
            'none') AS collateral,
        CAST(sum(n.drawn) AS BIGINT) AS drawn, CAST(sum(n.undrawn) AS BIGINT) AS undrawn
    FROM newest n JOIN accounts a USING (account_id) JOIN products p USING (product_id)
    WHERE n.event_day >= {day} - {unstated} AND a.event_day < {day} AND a.known_day < {day}
        AND n.drawn + n.undrawn > 0
        AND NOT EXISTS (FROM closings x WHERE x.account_id = n.account_id
            AND x.event_day < {day} AND x.known_day < {day})
    GROUP BY ALL ORDER BY a.customer_id, p.family, collateral, a.currency
"""


def exposures(
    warehouse: Warehouse, as_of: date, rates: Mapping[tuple[str, str], LossRate]
) -> dict[str, Exposure]:
    """Customer -> exposure as of a day, from the last statements known before it.

    A loan without a statement yet counts as granted; a card without one tells no limit and is
    left out.
    """
    query = _OWED.format(secured=_SECURED, day=day_number(as_of), unstated=UNSTATED_DAYS)
    columns = ["customer_id", "currency", "product", "collateral", "drawn", "undrawn"]
    owed = warehouse.frame(query)[columns].itertuples(index=False, name=None)
    return {
        str(customer): _exposure([tuple(row[1:]) for row in rows], rates)
        for customer, rows in groupby(owed, key=itemgetter(0))
    }


def _exposure(
    rows: Sequence[tuple[Any, ...]], rates: Mapping[tuple[str, str], LossRate]
) -> Exposure:
    """The exposure of rows of currency, product, collateral, drawn and undrawn minor units."""
    parts = tuple(
        _part(product, collateral, drawn / 100, undrawn / 100, rates)
        for _, product, collateral, drawn, undrawn in rows
    )
    currencies = {str(row[0]) for row in rows}
    if len(currencies) > 1:
        return Exposure(None, None, None, parts)
    ead = sum(part.ead for part in parts)
    lost = sum(part.lgd * part.ead for part in parts)
    return Exposure(currencies.pop(), ead, lost / ead if ead else None, parts)


def _part(
    product: str,
    collateral: str,
    drawn: float,
    undrawn: float,
    rates: Mapping[tuple[str, str], LossRate],
) -> Part:
    ccf = CONVERSION.get(product, 0.0)
    found = rates.get((product, collateral)) or rate(product, collateral, 0.0, 0)
    ead = drawn + ccf * undrawn
    return Part(product, collateral, drawn, undrawn, ccf, ead, found.lgd, found.source, found.cases)
