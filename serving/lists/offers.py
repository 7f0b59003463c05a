"""What a list offers: each product's family and risk, and what one that is taken up is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from data.errors import ListError
from data.warehouse import Warehouse
from features.calendar import day_number
from training.losses import CONVERSION, LossRate, loss_rates, rate

LENDING = ("credit_card", "personal_loan", "mortgage")
SUITED = ("wealth_management", "fund", "insurance")  # need a suitability assessment
YEAR = 365
RECENT = 3 * YEAR  # opened at most so many days before the year that is reckoned
LEAST_CASES = 30


@dataclass(frozen=True)
class Offer:
    """A product, and what is expected of one account of it; money in units of the home currency.

    Attributes:
        risk: 1 to 5, of the riskiest product meant; None where none has a grade.
        contribution: over the first 12 months, before credit losses.
        cases: accounts that it is the mean of.
        basis: first_year, or last_year where too few first years are known.
        lgd, ead: of one account; 0 where the product is no credit.
    """

    product: str
    family: str
    risk: int | None
    contribution: float
    cases: int
    basis: str
    lgd: float
    ead: float

    @property
    def lending(self) -> bool:
        """Whether it is credit."""
        return self.family in LENDING


def offers(warehouse: Warehouse, products: Sequence[str], day: date) -> tuple[Offer, ...]:
    """The offers of a list, from the warehouse's own contributions, grants and losses.

    Contribution is the mean, over the accounts opened in the last years whose first 365 days are
    over, of margin and fees less cost to serve in these days. Of less than 30 such accounts, it is
    the mean of the last 365 days over all accounts that earned in them. Credit losses stand in the
    expected loss, so they are left out here. EAD is the mean amount granted, of cards the mean of
    the last statements: owed + CCF x undrawn.

    Raises:
        ListError: a product that is none, or whose contribution nothing tells.
    """
    table = warehouse.frame("SELECT product_id, family, risk_grade FROM products")
    known = {
        str(product): (str(family), _risk(grade))
        for product, family, grade in table.itertuples(index=False, name=None)
    }
    families = {family for family, _ in known.values()}
    if unknown := [name for name in products if name not in known and name not in families]:
        raise ListError(
            f"no such product: {', '.join(unknown)}; there are"
            f" {', '.join(sorted(families))} and {', '.join(sorted(known))}."
        )
    if "contributions" not in warehouse.manifest.tables:
        raise ListError(
            "these data hold no contribution by product, so no contact can be valued; load"
            " products with margin and cost to serve, and balances."
        )
    worth = _worth(warehouse)
    granted = _granted(warehouse, day)
    losses = loss_rates(warehouse, day)
    return tuple(_offer(name, known, worth, granted, losses) for name in products)


def _risk(grade: object) -> int | None:
    return int(grade[1:]) if isinstance(grade, str) else None


def _offer(
    name: str,
    known: Mapping[str, tuple[str, int | None]],
    worth: pd.DataFrame,
    granted: Mapping[str, float],
    losses: Mapping[tuple[str, str], LossRate],
) -> Offer:
    meant = [p for p, (family, _) in known.items() if name in (p, family)]
    family = known[meant[0]][0]
    risks = [known[product][1] for product in meant]
    # Whoever may not buy the riskiest of a family is offered the family by product only.
    risk = None if None in risks else max(r for r in risks if r is not None)
    contribution, cases, basis = _earned(name, worth[worth["product_id"].isin(meant)])
    lending = family in LENDING
    if lending and family not in granted:
        raise ListError(f"nothing was granted as {family} yet, so its EAD is not known.")
    return Offer(
        product=name,
        family=family,
        risk=risk,
        contribution=contribution,
        cases=cases,
        basis=basis,
        lgd=_lgd(family, losses) if lending else 0.0,
        ead=granted[family] if lending else 0.0,
    )


def _earned(name: str, worth: pd.DataFrame) -> tuple[float, int, str]:
    """Mean contribution of a year in units, the accounts behind it, and which year."""
    for basis, least in (("first_year", LEAST_CASES), ("last_year", 1)):
        rows = worth[worth["basis"] == basis]
        cases = int(rows["accounts"].sum())
        if cases >= least:
            return int(rows["earned"].sum()) / cases / 100, cases, basis
    raise ListError(f"no account of {name} has earned anything yet, so its worth is not known.")


def _lgd(family: str, losses: Mapping[tuple[str, str], LossRate]) -> float:
    """The rate of the collateral that most of the family's cases had."""
    ours = [one for (product, _), one in sorted(losses.items()) if product == family]
    if ours:
        return max(ours, key=lambda one: one.cases).lgd
    return rate(family, "real_estate" if family == "mortgage" else "none", 0.0, 0).lgd


def _worth(warehouse: Warehouse) -> pd.DataFrame:
    """Product, basis, accounts, and what they earned in minor units before losses."""
    return warehouse.frame(f"""
        WITH told AS (SELECT max(event_day) AS last_day FROM contributions),
        firsts AS (
            SELECT a.product_id, c.account_id, sum(c.contribution + c.loss) AS earned
            FROM contributions c JOIN accounts a USING (account_id), told
            WHERE c.event_day >= a.event_day AND c.event_day < a.event_day + {YEAR}
                AND a.event_day + {YEAR} <= last_day
                AND a.event_day + {YEAR} > last_day - {RECENT}
            GROUP BY ALL
        ),
        lasts AS (
            SELECT a.product_id, c.account_id, sum(c.contribution + c.loss) AS earned
            FROM contributions c JOIN accounts a USING (account_id), told
            WHERE c.event_day > last_day - {YEAR}
            GROUP BY ALL
        )
        SELECT product_id, 'first_year' AS basis, count(*) AS accounts,
            CAST(sum(earned) AS BIGINT) AS earned FROM firsts GROUP BY ALL
        UNION ALL
        SELECT product_id, 'last_year', count(*), CAST(sum(earned) AS BIGINT)
        FROM lasts GROUP BY ALL
    """)


def _granted(warehouse: Warehouse, day: date) -> dict[str, float]:
    """Family -> mean EAD of one account in units."""
    owed = warehouse.frame(f"""
        SELECT p.family, count(*) AS accounts, CAST(sum(l.amount) AS BIGINT) AS drawn,
            CAST(0 AS BIGINT) AS undrawn
        FROM loans l JOIN accounts a USING (account_id) JOIN products p USING (product_id)
        WHERE l.event_day < {day_number(day)} GROUP BY ALL
        UNION ALL
        SELECT p.family, count(*), CAST(sum(s.balance) AS BIGINT),
            CAST(sum(greatest(s.credit_limit - s.balance, 0)) AS BIGINT)
        FROM (
            SELECT account_id, arg_max(balance, event_at) AS balance,
                arg_max(credit_limit, event_at) AS credit_limit
            FROM statements WHERE event_day < {day_number(day)} GROUP BY 1
        ) s JOIN accounts a USING (account_id) JOIN products p USING (product_id) GROUP BY ALL
    """)
    found: dict[str, float] = {}
    for family, accounts, drawn, undrawn in owed.sort_values("family").itertuples(
        index=False, name=None
    ):
        ead = drawn + CONVERSION.get(str(family), 0.0) * undrawn
        found[str(family)] = max(float(ead), 0.0) / int(accounts) / 100
    return found
