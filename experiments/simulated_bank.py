"""What does the simulated bank look like? Its rates, amounts and seasons, and a page of them.

With ``--write FOLDER`` the page simulated-bank.md and its picture are written there.
"""

import json
import tempfile
from calendar import month_abbr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

import data.simulation
from data.errors import ConfigurationError
from data.simulation import simulate
from data.simulation.months import NEW_YEARS
from data.simulation.prices import FAMILY_NAMES, TAKEN_UP
from data.simulation.truth import TAKE_UP_DAYS
from data.terminal import show_table
from experiments._true_bank import true_bank
from training.judge import auc

CUSTOMERS, MONTHS, SEED = 6_000, 48, 1
QUICK_CUSTOMERS, QUICK_MONTHS = 1_000, 24
PAGE, PICTURE = "simulated-bank.md", "simulated-bank-seasons.png"
OFFERED = tuple(FAMILY_NAMES[family] for family in TAKEN_UP)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
QUESTIONS = {
    "churn": "churn_6m",
    "credit_risk": "default_12m",
    **{f"propensity.{family}": f"take_up_{family}" for family in OFFERED},
}
_SPENT = """
    NOT automatic AND amount < 0 AND category IN ('groceries', 'dining', 'travel', 'shopping',
        'household', 'health', 'education', 'leasing', 'cash_out')
"""
Figures = dict[str, Any]


def measure(files: Path) -> Figures:
    """Yearly rates, holdings, quantiles, attainable AUC and spending of a simulated bank.

    Amounts are units of money; rates and shares are fractions.
    """
    bank = true_bank(files)
    truth: pd.DataFrame = bank.sql("FROM probabilities").to_arrow_table().to_pandas()
    worth = np.sort(truth.groupby("person_id")["contribution_12m"].mean().to_numpy())[::-1]
    chances = {name: truth[column].dropna().to_numpy(float) for name, column in QUESTIONS.items()}
    return {
        "yearly": {
            "churn": float(truth["churn_12m"].mean()),
            "default": float(truth["default_12m"].mean()),
            "take_up": {family: _in_a_year(truth[f"take_up_{family}"]) for family in OFFERED},
        },
        "held": _held(bank),
        "quantiles": {name: _quantiles(amounts) for name, amounts in _amounts(bank, truth).items()},
        "contribution_of_top_fifth": float(worth[: len(worth) // 5].sum() / worth.sum()),
        "attainable_auc": {name: auc(chance, chance) for name, chance in chances.items()},
        "spending": _spending(bank),
    }


def _in_a_year(chance: pd.Series) -> float:
    return float(1 - (1 - chance.mean()) ** (365 / TAKE_UP_DAYS))


def _held(bank: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Share of the customers with an open account that hold each family at the end."""
    found = bank.execute("""
        WITH held AS (SELECT DISTINCT customer_id, family FROM accounts JOIN products USING
            (product_id) WHERE account_id NOT IN (SELECT account_id FROM closings))
        SELECT family, count(*) / (SELECT count(DISTINCT customer_id) FROM held) FROM held GROUP BY 1
    """).fetchall()
    shares = dict(found)
    return {family: float(shares.get(family, 0.0)) for family in FAMILY_NAMES}


def _amounts(bank: duckdb.DuckDBPyConnection, truth: pd.DataFrame) -> dict[str, pd.Series]:
    """What is described by quantiles, one value a customer (salary and bookings: a month)."""
    balance = bank.sql("""
        WITH newest AS (
            SELECT account_id, arg_max(ledger_balance, event_at) AS balance FROM balances GROUP BY 1
        )
        SELECT sum(balance) AS money FROM newest JOIN accounts a USING (account_id)
        JOIN products p USING (product_id) WHERE p.family IN ('current', 'savings')
            AND account_id NOT IN (SELECT account_id FROM closings) GROUP BY a.customer_id
    """).df()
    salary = bank.sql("SELECT amount AS money FROM transactions WHERE category = 'salary'").df()
    bookings = bank.sql("""
        SELECT count(*) AS bookings FROM transactions JOIN accounts USING (account_id)
        WHERE NOT automatic GROUP BY customer_id, date_trunc('month', transactions.event_at)
    """).df()
    last = truth[truth["as_of"] == truth["as_of"].max()]
    return {
        "balance": balance["money"].astype(float),
        "salary": salary["money"].astype(float),
        "bookings": bookings["bookings"].astype(float),
        "contribution": last["contribution_12m"],
    }


def _quantiles(amounts: pd.Series) -> dict[str, float]:
    return {f"p{100 * q:.0f}": float(amounts.quantile(q)) for q in QUANTILES}


def _spending(bank: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float]]:
    """Spending a day and spender, by month of the extract, and by weekday over its average."""
    months = bank.execute(f"""
        SELECT strftime(t.event_at, '%Y-%m') AS month, -sum(amount)::DOUBLE
            / count(DISTINCT customer_id) / day(last_day(any_value(t.event_at)::DATE)) AS spent
        FROM transactions t JOIN accounts USING (account_id) WHERE {_SPENT} GROUP BY 1 ORDER BY 1
    """).fetchall()
    weekdays = bank.execute(f"""
        SELECT isodow(event_at) AS weekday,
            -sum(amount)::DOUBLE / count(DISTINCT event_at::DATE) AS spent
        FROM transactions WHERE {_SPENT} GROUP BY 1 ORDER BY 1
    """).fetchall()
    usual = float(np.mean([spent for _, spent in weekdays]))
    return {
        "by_month": {month: float(spent) for month, spent in months},
        "by_weekday": {WEEKDAYS[day - 1]: float(spent) / usual for day, spent in weekdays},
    }


def draw(spending: dict[str, dict[str, float]], file: Path) -> None:
    """A picture of the seasons: spending by month, with the feasts, and by weekday."""
    drawing = Drawing(figsize=(10, 6.4), layout="constrained")
    above, below = drawing.subplots(2, 1, height_ratios=(3, 2))
    months = pd.to_datetime(list(spending["by_month"]), format="%Y-%m")
    middle = pd.Timedelta(days=14)
    spent = list(spending["by_month"].values())
    above.plot(months + middle, spent, marker="o", markersize=4, color="#1f5a8a")
    for year in sorted(set(months.year)):
        summer = pd.Timestamp(year, 7, 1), pd.Timestamp(year, 8, 31)
        if months[0] <= summer[0] and summer[1] <= months[-1]:
            above.axvspan(*summer, color="#f2c14e", alpha=0.35, linewidth=0)
    for feast in map(pd.Timestamp, NEW_YEARS):
        if months[0] <= feast <= months[-1] + pd.offsets.MonthEnd():
            above.axvline(feast, color="#b3261e", linestyle="--", linewidth=1)
    ticks = [month for month in months if month.month in (1, 4, 7, 10)]
    above.set_xticks(
        [tick + middle for tick in ticks],
        [f"{month_abbr[m.month]}\n{m.year}" for m in ticks],
        fontsize=7,
    )
    above.set_ylim(bottom=0.75 * min(spent))
    above.set_ylabel("TWD a day and spender")
    above.set_title(
        "Spending by month; dashed: Lunar New Year, shaded: July and August", fontsize=10
    )
    below.bar(list(spending["by_weekday"]), list(spending["by_weekday"].values()), color="#1f5a8a")
    below.set_ylim(bottom=0.5)
    below.set_ylabel("over the average day")
    below.set_title("Spending by weekday", fontsize=10)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    drawing.savefig(file, dpi=100, metadata={"Software": None})


@dataclass(frozen=True)
class Size:
    """How large a bank the page tells of."""

    customers: int
    months: int
    seed: int


def page(found: Figures, size: Size) -> str:
    """Markdown of the page; its last block holds the figures as JSON."""
    told = (data.simulation.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(
        [
            "# The simulated bank",
            *told,
            (
                f"The figures below are those of {size.customers:,} customers over {size.months} months,"
                f" seed {size.seed}. `./zhike experiments simulated_bank --write docs` makes this page"
                " anew. Another size or seed gives about the same figures, never the same bytes."
            ),
            "## How often, in a year",
            (
                "Chances that the truth tells, averaged over customers and month-ends; those of"
                " products without a contact, among customers who do not hold them."
            ),
            _markdown(("what", "share"), _rates(found)),
            "## Products",
            _markdown(("family", "held at the end", "taken up in a year"), _products(found)),
            "## Amounts",
            (
                f"{_percent(found['contribution_of_top_fifth'])} of the contribution comes from the"
                " fifth of the customers that bring most."
            ),
            _markdown(("", *(f"{100 * q:.0f} %" for q in QUANTILES)), _quantile_rows(found)),
            "## What a model can reach",
            (
                "The AUC of the true chances themselves, rows of all months together. `./zhike"
                " experiments attainable` says how much of it the models reach."
            ),
            _markdown(("question", "attainable AUC"), _reachable(found)),
            "## Seasons",
            f"![Spending by month and weekday]({PICTURE})",
            "## The figures, for programs",
            f"```json\n{json.dumps(_rounded(found), indent=1)}\n```\n",
        ]
    )


def _rates(found: Figures) -> list[tuple[str, ...]]:
    yearly = found["yearly"]
    return [
        ("customers who leave or fall silent", _percent(yearly["churn"])),
        ("borrowers more than 90 days past due", _percent(yearly["default"])),
    ]


def _products(found: Figures) -> list[tuple[str, ...]]:
    taken = found["yearly"]["take_up"]
    return [
        (name, _percent(share), _percent(taken[name]) if name in taken else "on joining")
        for name, share in found["held"].items()
    ]


def _quantile_rows(found: Figures) -> list[tuple[str, ...]]:
    names = {
        "balance": "Current and savings accounts at the end, TWD",
        "salary": "Salary a month, TWD",
        "bookings": "Own bookings a month",
        "contribution": "Contribution expected in a year, TWD",
    }
    return [
        (names[name], *(f"{value:,.0f}" for value in values.values()))
        for name, values in found["quantiles"].items()
    ]


def _reachable(found: Figures) -> list[tuple[str, ...]]:
    return [(name, f"{value:.3f}") for name, value in found["attainable_auc"].items()]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _markdown(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}")


def run(quick: bool = False, write: Path | None = None) -> Figures:
    """Simulate a bank and describe it; write the page where asked.

    Raises:
        ConfigurationError: the page cannot go there, or is asked of a quick run.
    """
    if write is not None and (quick or not write.is_dir()):
        raise ConfigurationError(
            f"{write} is not a folder, or the run is a quick one, which is too small for the page."
        )
    size = Size(*((QUICK_CUSTOMERS, QUICK_MONTHS) if quick else (CUSTOMERS, MONTHS)), seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        simulate(files, customers=size.customers, months=size.months, seed=size.seed)
        found = measure(files)
    show_table("How often, in a year", ("what", "share"), _rates(found))
    show_table("Products", ("family", "held at the end", "taken up in a year"), _products(found))
    show_table("Amounts", ("", *(f"{100 * q:.0f} %" for q in QUANTILES)), _quantile_rows(found))
    show_table("What a model can reach", ("question", "attainable AUC"), _reachable(found))
    if write is not None:
        (write / PAGE).write_text(page(found, size), encoding="utf-8")
        draw(found["spending"], write / PICTURE)
    rounded: Figures = _rounded(found)
    return rounded
