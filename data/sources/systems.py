"""The four systems of the simulated bank: how each lays out its extracts, and what they mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from data.contracts import Column, Rule, Table
from data.tables import CANONICAL, table

SYSTEMS = ("core", "cards", "ebanking", "call_centre")
# Rows of one canonical table keep their order: system by system, then line by line.
_NEXT_SYSTEM = 1 << 48


@dataclass(frozen=True)
class Extract:
    """One kind of file that a system delivers.

    Attributes:
        system: the system.
        file: what the system calls the file.
        table: the canonical table its rows belong to.
        columns: the canonical column -> what the system calls it.
        fixed: the canonical column -> the one value that all its rows have.
        reversed: canonical columns whose sign the system turns around.
        numbers: canonical identifiers that the system counts -> the letter we put before the
            twelve digits.
    """

    system: str
    file: str
    table: str
    columns: Mapping[str, str]
    fixed: Mapping[str, str] = field(default_factory=dict)
    reversed: tuple[str, ...] = ()
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its contract."""
        return f"{self.system}_{self.file}"

    @property
    def contract(self) -> Table:
        """What its files must look like."""
        ours = table(self.table)
        return Table(
            name=self.name,
            about=ours.about,
            columns=tuple(self._theirs(c) for c in ours.columns if c.name in self.columns),
            key=tuple(self.columns[name] for name in ours.key),
            rules=tuple(self._their_rule(rule) for rule in ours.rules),
            dated=ours.dated,
            clocks=(self.columns.get("event_at", ""), self.columns.get("known_at", "")),
        )

    def _theirs(self, column: Column) -> Column:
        change: dict[str, object] = {"name": self.columns[column.name]}
        if column.name in self.numbers:
            change |= {"kind": "count", "minimum": 0}
        if column.refers_to:
            change["refers_to"] = _holder(self.system, column.refers_to).name
        return column.model_copy(update=change)

    def _their_rule(self, rule: Rule) -> Rule:
        """The same rule over the system's own columns, and in its own signs."""

        def theirs(word: re.Match[str]) -> str:
            name = word.group()
            sign = "-" if name in self.reversed else ""
            return sign + self.columns[name] if name in self.columns else name

        holds = re.sub(r"(?<!['\w])\w+(?!['\w])", theirs, rule.holds)
        return Rule(column=self.columns[rule.column], holds=holds, about=rule.about)

    def query(self) -> str:
        """SELECT of the canonical columns, and a ``line`` to order by."""
        ours = [c for c in table(self.table).columns if c.name in {*self.columns, *self.fixed}]
        columns = ", ".join(f"{self._ours(column)} AS {column.name}" for column in ours)
        place = SYSTEMS.index(self.system) * _NEXT_SYSTEM
        return f"SELECT {columns}, line + {place} AS line FROM {self.name}"

    def _ours(self, column: Column) -> str:
        if column.name in self.fixed:
            return f"'{self.fixed[column.name]}'"
        theirs = self.columns[column.name]
        if column.name in self.numbers:
            return f"'{self.numbers[column.name]}' || lpad(CAST({theirs} AS VARCHAR), 12, '0')"
        return f"-{theirs}" if column.name in self.reversed else theirs


def _columns(event: str, known: str, **columns: str) -> dict[str, str]:
    return {**columns, "event_at": event, "known_at": known}


EXTRACTS = (
    Extract(
        "core",
        "party",
        "customers",
        _columns(
            "valid_from",
            "entered_at",
            customer_id="cif_no",
            name="full_name",
            latin_name="romanised_name",
            birth_date="born_on",
            sex="gender",
            identity_type="id_type",
            identity_number="id_no",
            phone="telephone",
            email="e_mail",
            address="address",
            postcode="zip",
            occupation="occupation",
            district_id="district_no",
        ),
        fixed={"system": "core"},
    ),
    Extract(
        "core",
        "product",
        "products",
        {
            "product_id": "product_no",
            "family": "family",
            "name": "title",
            "margin": "ftp_margin",
            "cost_to_serve": "monthly_cost",
            "risk_grade": "risk_grade",
        },
    ),
    Extract(
        "core",
        "account",
        "accounts",
        _columns(
            "opened_at",
            "entered_at",
            account_id="account_no",
            customer_id="cif_no",
            product_id="product_no",
            currency="ccy",
            branch_id="branch_no",
        ),
    ),
    Extract(
        "core",
        "account_closed",
        "closings",
        _columns("closed_at", "entered_at", account_id="account_no", reason="reason"),
    ),
    Extract(
        "core",
        "balance",
        "balances",
        _columns(
            "struck_at",
            "entered_at",
            account_id="account_no",
            ledger_balance="book_balance",
            market_value="market_value",
        ),
    ),
    Extract(
        "core",
        "booking",
        "transactions",
        _columns(
            "booked_at",
            "entered_at",
            transaction_id="booking_no",
            account_id="account_no",
            amount="amount",
            channel="channel",
            category="purpose",
            automatic="by_system",
            counterparty="other_side",
            balance_after="balance_after",
        ),
        numbers={"transaction_id": "T"},
    ),
    Extract(
        "core",
        "loan",
        "loans",
        _columns(
            "granted_at",
            "entered_at",
            loan_id="loan_no",
            account_id="account_no",
            amount="principal",
            term_months="term",
            instalment="instalment",
            rate="rate",
        ),
    ),
    Extract(
        "core",
        "loan_status",
        "loan_outcomes",
        _columns("as_of", "entered_at", loan_id="loan_no", status="status", loss="written_off"),
    ),
    Extract(
        "core",
        "recovery",
        "recoveries",
        _columns(
            "collected_at",
            "entered_at",
            recovery_id="recovery_no",
            account_id="account_no",
            kind="kind",
            amount="amount",
        ),
    ),
    Extract(
        "core",
        "instalment",
        "repayments",
        _columns(
            "stated_at",
            "entered_at",
            loan_id="loan_no",
            due="due",
            paid="paid",
            outstanding="outstanding",
            days_past_due="dpd",
        ),
    ),
    Extract(
        "core",
        "collateral",
        "collateral",
        _columns(
            "valued_at",
            "entered_at",
            collateral_id="collateral_no",
            loan_id="loan_no",
            kind="kind",
            value="value",
        ),
    ),
    Extract(
        "core",
        "application",
        "applications",
        _columns(
            "stage_at",
            "entered_at",
            application_id="application_no",
            customer_id="cif_no",
            family="family",
            stage="stage",
            amount="amount",
        ),
    ),
    Extract(
        "core",
        "visit",
        "interactions",
        _columns("visited_at", "entered_at", interaction_id="visit_no", customer_id="cif_no"),
        fixed={"channel": "branch", "kind": "branch_visit"},
        numbers={"interaction_id": "I"},
    ),
    Extract(
        "core",
        "consent",
        "consents",
        _columns(
            "signed_at", "entered_at", customer_id="cif_no", purpose="purpose", granted="agreed"
        ),
    ),
    Extract(
        "core",
        "suitability",
        "suitability",
        _columns(
            "assessed_at",
            "entered_at",
            customer_id="cif_no",
            tolerance="tolerance",
            valid_until="valid_until",
        ),
    ),
    Extract(
        "core",
        "staff",
        "staff",
        _columns("since", "entered_at", staff_id="staff_no", branch_id="branch_no", role="role"),
    ),
    Extract(
        "core",
        "portfolio",
        "assignments",
        _columns(
            "since",
            "entered_at",
            customer_id="cif_no",
            staff_id="staff_no",
            branch_id="branch_no",
        ),
    ),
    Extract(
        "core",
        "district",
        "districts",
        _columns(
            "as_of",
            "published_at",
            district_id="district_no",
            name="title",
            region="region",
            inhabitants="inhabitants",
            urban="urban",
            average_salary="average_salary",
            unemployment="unemployment",
            entrepreneurs="entrepreneurs",
            crimes="crimes",
        ),
    ),
    Extract(
        "core",
        "extracted",
        "coverage",
        {"account_id": "account_no", "covered_from": "from_day", "covered_until": "to_day"},
    ),
    Extract(
        "cards",
        "cardholder",
        "customers",
        _columns(
            "created",
            "loaded",
            customer_id="holder_id",
            latin_name="embossed_name",
            birth_date="birth_date",
            sex="sex",
            identity_type="document",
            identity_number="document_no",
            phone="phone",
            email="email",
            address="billing_address",
            postcode="billing_zip",
        ),
        fixed={"system": "cards"},
    ),
    Extract(
        "cards",
        "card",
        "accounts",
        _columns(
            "issued",
            "loaded",
            account_id="card_account",
            customer_id="holder_id",
            product_id="card_product",
            currency="currency",
        ),
    ),
    Extract(
        "cards",
        "card_closed",
        "closings",
        _columns("closed", "loaded", account_id="card_account", reason="reason"),
    ),
    Extract(
        "cards",
        "position",
        "balances",
        _columns("struck", "loaded", account_id="card_account", ledger_balance="owed"),
        reversed=("ledger_balance",),
    ),
    Extract(
        "cards",
        "debit",
        "transactions",
        _columns(
            "made",
            "loaded",
            transaction_id="debit_id",
            account_id="card_account",
            amount="debit",
            channel="channel",
            category="merchant_category",
            automatic="system_made",
            counterparty="merchant",
            balance_after="owed_after",
        ),
        reversed=("amount", "balance_after"),
        numbers={"transaction_id": "T"},
    ),
    Extract(
        "cards",
        "statement",
        "statements",
        _columns(
            "cut",
            "loaded",
            account_id="card_account",
            credit_limit="limit_amount",
            balance="owed",
            minimum_due="minimum",
            paid="paid",
            days_past_due="dpd",
        ),
    ),
    Extract(
        "cards",
        "recovery",
        "recoveries",
        _columns(
            "collected",
            "loaded",
            recovery_id="recovery_id",
            account_id="card_account",
            kind="kind",
            amount="amount",
        ),
    ),
    Extract(
        "cards",
        "application",
        "applications",
        _columns(
            "stage_at",
            "loaded",
            application_id="application_id",
            customer_id="holder_id",
            stage="stage",
            amount="limit_amount",
        ),
        fixed={"family": "credit_card"},
    ),
    Extract(
        "cards",
        "extracted",
        "coverage",
        {"account_id": "card_account", "covered_from": "from_day", "covered_until": "to_day"},
    ),
    Extract(
        "ebanking",
        "user",
        "customers",
        _columns(
            "registered",
            "logged",
            customer_id="user_id",
            name="display_name",
            latin_name="latin_name",
            birth_date="birthday",
            identity_type="id_kind",
            identity_number="id_number",
            phone="mobile",
            email="mail",
        ),
        fixed={"system": "ebanking"},
    ),
    Extract(
        "ebanking",
        "session",
        "interactions",
        _columns("started", "logged", interaction_id="session_id", customer_id="user_id"),
        fixed={"channel": "mobile", "kind": "login"},
        numbers={"interaction_id": "I"},
    ),
    Extract(
        "call_centre",
        "caller",
        "customers",
        _columns(
            "first_seen",
            "saved",
            customer_id="caller_no",
            name="caller_name",
            latin_name="name_spelt",
            birth_date="birth_date",
            identity_type="id_kind",
            identity_number="id_given",
            phone="calls_from",
            address="address",
            postcode="zip",
        ),
        fixed={"system": "call_centre"},
    ),
    Extract(
        "call_centre",
        "call",
        "interactions",
        _columns(
            "picked_up", "saved", interaction_id="call_no", customer_id="caller_no", kind="kind"
        ),
        fixed={"channel": "call_centre"},
        numbers={"interaction_id": "I"},
    ),
    Extract(
        "call_centre",
        "contact",
        "contacts",
        _columns(
            "contacted_at",
            "saved",
            contact_id="contact_no",
            customer_id="caller_no",
            campaign_id="campaign_no",
            family="product_family",
            channel="channel",
            arm="arm",
            outcome="outcome",
        ),
    ),
)
_BY_TABLE = {(extract.system, extract.table): extract for extract in EXTRACTS}


def extract(system: str, canonical: str) -> Extract:
    """How a system delivers the rows of a canonical table; KeyError where it does not."""
    return _BY_TABLE[system, canonical]


def _holder(system: str, canonical: str) -> Extract:
    """Where a system's reference to a canonical table points: its own extract, or the core's."""
    return _BY_TABLE.get((system, canonical)) or _BY_TABLE["core", canonical]


def canonical_queries(delivered: set[str]) -> dict[str, str]:
    """By canonical table, the query over the extracts that were delivered."""
    queries = {}
    for contract in CANONICAL:
        parts = [e.query() for e in EXTRACTS if e.table == contract.name and e.name in delivered]
        if parts:
            queries[contract.name] = " UNION ALL BY NAME ".join(parts)
    return queries
