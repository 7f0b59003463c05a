"""The Berka bank (PKDD'99 Discovery Challenge) in its original ``.asc`` layout.

How its facts are dated, since the files say little about it:

- A client is known from the day on which the first account that the client may use was opened.
- Bookings, cards and loans carry their own day and are taken as known on it.
- A loan's status is the standing at the end of the extract, 1998-12-31, and known only then.
- District figures for 1995 and 1996 are taken as published a year after the year's end; figures
  without a year are taken as those of 1996.
- A permanent order has no date. It cannot feed a feature and is not read at all.
"""

from pathlib import Path

from data.contracts import Column, Kind, Table
from data.csvfile import Layout
from data.errors import SourceError
from data.sources.source import Delivery, Source

ZONE = "Europe/Prague"
EXTRACT_END = "1998-12-31"
_DAY = r"\d{6}( 00:00:00)?"
_AS_DAY = "try_strptime('19' || left({text}, 6), '%Y%m%d')"


def _column(
    name: str,
    kind: Kind = "identifier",
    *,
    values: tuple[str, ...] = (),
    refers_to: str | None = None,
    required: bool = True,
    nulls: tuple[str, ...] = (),
    pattern: str | None = None,
    parse: str | None = None,
) -> Column:
    return Column(
        name=name,
        kind=kind,
        about="As documented by the source.",
        values=values,
        refers_to=refers_to,
        required=required,
        nulls=nulls,
        pattern=pattern,
        parse=parse,
    )


def _day(name: str) -> Column:
    return _column(name, "date", pattern=_DAY, parse=_AS_DAY)


def _born(number: str) -> str:
    """The day of birth in a birth number, YYMMDD with 50 added to the month of women."""
    month = f"lpad(CAST(CAST(substr({number}, 3, 2) AS INTEGER) % 50 AS VARCHAR), 2, '0')"
    return f"try_strptime('19' || left({number}, 2) || {month} || right({number}, 2), '%Y%m%d')"


def _file(name: str, *columns: Column) -> Table:
    about = f"The file {name}.asc."
    return Table(
        name=name, about=about, columns=columns, key=(columns[0].name,), dated=False, required=True
    )


DISTRICT = _file(
    "district",
    _column("A1"),
    _column("A2", "text"),
    _column("A3", "text"),
    _column("A4", "count"),
    _column("A10", "ratio"),
    _column("A11", "money"),
    _column("A12", "ratio", required=False, nulls=("?",)),
    _column("A13", "ratio", required=False, nulls=("?",)),
    _column("A14", "count"),
    _column("A15", "count", required=False, nulls=("?",)),
    _column("A16", "count", required=False, nulls=("?",)),
)
ACCOUNT = _file(
    "account",
    _column("account_id"),
    _column("district_id", refers_to="district"),
    _day("date"),
)
CLIENT = _file(
    "client",
    _column("client_id"),
    _column(
        "birth_number",
        pattern=r"\d\d(0[1-9]|1[0-2]|5[1-9]|6[0-2])(0[1-9]|[12]\d|3[01])",
        parse=f"CASE WHEN {_born('{text}')} IS NOT NULL THEN {{text}} END",
    ),
    _column("district_id", refers_to="district"),
)
DISP = _file(
    "disp",
    _column("disp_id"),
    _column("client_id", refers_to="client"),
    _column("account_id", refers_to="account"),
    _column("type", "code", values=("OWNER", "DISPONENT", "USER")),
)
CARD = _file(
    "card",
    _column("card_id"),
    _column("disp_id", refers_to="disp"),
    _column("type", "code", values=("junior", "classic", "gold")),
    _day("issued"),
)
LOAN = _file(
    "loan",
    _column("loan_id"),
    _column("account_id", refers_to="account"),
    _day("date"),
    _column("amount", "money"),
    _column("duration", "count"),
    _column("payments", "money"),
    _column("status", "code", values=("A", "B", "C", "D")),
)
TRANS = _file(
    "trans",
    _column("trans_id"),
    _column("account_id", refers_to="account"),
    _day("date"),
    _column("type", "code", values=("PRIJEM", "VYDAJ", "VYBER")),
    _column(
        "operation",
        "code",
        values=("VKLAD", "VYBER", "VYBER KARTOU", "PREVOD Z UCTU", "PREVOD NA UCET"),
        required=False,
        nulls=(" ",),
    ),
    _column("amount", "money"),
    _column("balance", "money"),
    _column(
        "k_symbol",
        "code",
        values=("POJISTNE", "SLUZBY", "UROK", "SANKC. UROK", "SIPO", "DUCHOD", "UVER", "LEASING"),
        required=False,
        nulls=(" ",),
    ),
    _column("bank", required=False, nulls=(" ",)),
    _column("account", required=False, nulls=(" ",)),
)

FILES = (DISTRICT, ACCOUNT, CLIENT, DISP, CARD, LOAN, TRANS)


def _at(day: str) -> str:
    return f"timezone('{ZONE}', CAST({day} AS TIMESTAMP))"


def _dated(day: str) -> str:
    return f"{_at(day)} AS event_at, {_at(day)} AS known_at"


_END = f"DATE '{EXTRACT_END}'"
_OWNER = "(SELECT account_id, client_id FROM disp WHERE type = 'OWNER')"
_SIGNED = "CASE WHEN t.type = 'PRIJEM' THEN t.amount ELSE -t.amount END"

CUSTOMERS = f"""
SELECT 'B' || c.client_id AS customer_id, {_dated("min(a.date)")},
    CAST({_born("birth_number")} AS DATE) AS birth_date,
    CASE WHEN substr(birth_number, 3, 1) >= '5' THEN 'female' ELSE 'male' END AS sex,
    c.district_id, c.line
FROM client c JOIN disp d USING (client_id) JOIN account a ON a.account_id = d.account_id
GROUP BY ALL
"""
PRODUCTS = """
SELECT product_id, family, name, line
FROM (VALUES
    ('CURRENT', 'current', 'Current account', 1),
    ('CARD-JUNIOR', 'credit_card', 'Card, junior', 2),
    ('CARD-CLASSIC', 'credit_card', 'Card, classic', 3),
    ('CARD-GOLD', 'credit_card', 'Card, gold', 4),
    ('LOAN', 'personal_loan', 'Loan', 5)
) AS p(product_id, family, name, line)
"""
ACCOUNTS = f"""
SELECT 'A' || a.account_id AS account_id, 'B' || o.client_id AS customer_id,
    'CURRENT' AS product_id, {_dated("a.date")}, 'CZK' AS currency, a.district_id AS branch_id,
    a.line
FROM account a JOIN {_OWNER} o USING (account_id)
UNION ALL
SELECT 'C' || c.card_id, 'B' || d.client_id, 'CARD-' || upper(c.type), {_dated("c.issued")},
    'CZK', NULL, 10000000 + c.line
FROM card c JOIN disp d USING (disp_id)
UNION ALL
SELECT 'L' || l.loan_id, 'B' || o.client_id, 'LOAN', {_dated("l.date")}, 'CZK', NULL,
    20000000 + l.line
FROM loan l JOIN {_OWNER} o USING (account_id)
"""
TRANSACTIONS = f"""
SELECT 'T' || t.trans_id AS transaction_id, 'A' || t.account_id AS account_id,
    {_dated("t.date")}, {_SIGNED} AS amount,
    CASE
        WHEN t.k_symbol IN ('UROK', 'SLUZBY', 'SANKC. UROK') THEN 'automatic'
        WHEN t.operation = 'VYBER KARTOU' THEN 'card'
        WHEN t.operation IN ('VKLAD', 'VYBER') THEN 'branch'
        ELSE 'other'
    END AS channel,
    CASE
        WHEN t.k_symbol = 'UROK' THEN 'interest'
        WHEN t.k_symbol = 'SANKC. UROK' THEN 'penalty_interest'
        WHEN t.k_symbol = 'SLUZBY' THEN 'fee'
        WHEN t.k_symbol = 'DUCHOD' THEN 'pension'
        WHEN t.k_symbol = 'SIPO' THEN 'household'
        WHEN t.k_symbol = 'POJISTNE' THEN 'insurance'
        WHEN t.k_symbol = 'LEASING' THEN 'leasing'
        WHEN t.k_symbol = 'UVER' THEN 'loan_payment'
        WHEN t.operation = 'VKLAD' THEN 'cash_in'
        WHEN t.operation = 'PREVOD Z UCTU' THEN 'transfer_in'
        WHEN t.operation = 'PREVOD NA UCET' THEN 'transfer_out'
        WHEN t.type = 'PRIJEM' THEN 'other'
        ELSE 'cash_out'
    END AS category,
    coalesce(t.k_symbol, '') IN
        ('UROK', 'SLUZBY', 'SANKC. UROK', 'SIPO', 'POJISTNE', 'LEASING', 'UVER') AS automatic,
    t.bank || '-' || t.account AS counterparty, t.balance AS balance_after, t.line
FROM trans t
"""
# The order of bookings within a day is not in the file: the day ends on the reported balance
# that lies nearest to the running sum of the amounts.
BALANCES = f"""
WITH days AS (
    SELECT account_id, date, sum(sum({_SIGNED})) OVER (PARTITION BY account_id ORDER BY date)
        AS running
    FROM trans t GROUP BY account_id, date
)
SELECT 'A' || account_id AS account_id, {_dated("date")},
    arg_min(t.balance, (abs(t.balance - running), -t.line)) AS ledger_balance,
    min(t.line) AS line
FROM trans t JOIN days USING (account_id, date) GROUP BY account_id, date
"""
LOANS = f"""
SELECT 'L' || loan_id AS loan_id, 'L' || loan_id AS account_id, {_dated("date")},
    amount, duration AS term_months, payments AS instalment, line
FROM loan
"""
LOAN_OUTCOMES = f"""
SELECT 'L' || loan_id AS loan_id, {_dated(_END)},
    CASE status WHEN 'A' THEN 'repaid' WHEN 'B' THEN 'unpaid' WHEN 'C' THEN 'performing'
        ELSE 'in_debt' END AS status,
    line
FROM loan
"""
DISTRICTS = f"""
SELECT A1 AS district_id, {_at("DATE '1995-12-31'")} AS event_at,
    {_at("DATE '1996-12-31'")} AS known_at, A2 AS name, A3 AS region,
    CAST(NULL AS BIGINT) AS inhabitants, CAST(NULL AS BIGINT) AS urban,
    CAST(NULL AS BIGINT) AS average_salary, A12 // 100 AS unemployment,
    CAST(NULL AS BIGINT) AS entrepreneurs, A15 AS crimes, line
FROM district
UNION ALL
SELECT A1, {_at("DATE '1996-12-31'")}, {_at("DATE '1997-12-31'")}, A2, A3, A4, A10 // 100,
    A11, A13 // 100, A14, A16, 1000 + line
FROM district
"""
# Where most histories stop on one day, that day is where the extract was cut. A history that
# goes on beyond it and stops before a loan was delivered up to that loan.
COVERAGE = """
WITH last AS (SELECT account_id, min(date) AS first, max(date) AS last FROM trans GROUP BY 1),
cut AS (SELECT last AS day FROM last GROUP BY 1 ORDER BY count(*) DESC, 1 DESC LIMIT 1)
SELECT 'A' || a.account_id AS account_id, least(a.date, l.first) AS covered_from,
    CAST(CASE
        WHEN l.last IS NULL THEN a.date - INTERVAL 1 DAY
        WHEN l.last <= cut.day THEN cut.day
        ELSE greatest(l.last, loan.date)
    END AS DATE) AS covered_until,
    a.line
FROM account a CROSS JOIN cut LEFT JOIN last l USING (account_id)
LEFT JOIN (SELECT account_id, min(date) AS date FROM loan GROUP BY 1) loan
    ON loan.account_id = a.account_id AND loan.date - l.last <= 31
"""


def berka(folder: Path) -> Source:
    """The Berka files in ``folder``; a partial ``trans.asc`` is read like the whole one.

    Raises:
        SourceError: a file is missing, so this is not the Berka bank.
    """
    missing = [f"{t.name}.asc" for t in FILES if not (folder / f"{t.name}.asc").is_file()]
    if missing:
        raise SourceError(
            f"{folder} is not the Berka bank in its .asc layout: {', '.join(missing)} not found."
        )
    layout = Layout(delimiter=";", encoding="utf-8")
    return Source(
        name="berka",
        folder=folder,
        zone=ZONE,
        deliveries=tuple(Delivery(folder / f"{t.name}.asc", t, layout) for t in FILES),
        canonical={
            "customers": CUSTOMERS,
            "products": PRODUCTS,
            "accounts": ACCOUNTS,
            "balances": BALANCES,
            "transactions": TRANSACTIONS,
            "loans": LOANS,
            "loan_outcomes": LOAN_OUTCOMES,
            "districts": DISTRICTS,
            "coverage": COVERAGE,
        },
        dropped=(
            (
                "client",
                "client_id NOT IN (SELECT client_id FROM staged.disp)",
                "no disposition, so the client cannot be dated",
            ),
            (
                "account",
                "account_id NOT IN (SELECT account_id FROM staged.disp WHERE type = 'OWNER')",
                "no owner in disp.asc",
            ),
        ),
        refused={"order.asc": "a permanent order has no date, so it cannot feed a feature"},
        notes=(
            (
                "The credit-risk label is the loan's final status (bad = B or D), not default"
                " within 12 months."
            ),
            "Loans still running at the end of 1998 are judged by how they stood then.",
        ),
    )
