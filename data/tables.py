"""The canonical tables: the bank as Zhike sees it, whatever the sources."""

from data.contracts import Column, Rule, Table
from data.errors import UnknownTable

PRODUCT_FAMILIES = (
    "current",
    "savings",
    "term_deposit",
    "credit_card",
    "personal_loan",
    "mortgage",
    "wealth_management",
    "fund",
    "insurance",
)
CHANNELS = ("branch", "atm", "card", "online", "mobile", "call_centre", "automatic", "other")
CATEGORIES = (
    "salary",
    "pension",
    "cash_in",
    "cash_out",
    "transfer_in",
    "transfer_out",
    "groceries",
    "dining",
    "travel",
    "shopping",
    "utilities",
    "household",
    "insurance",
    "leasing",
    "health",
    "education",
    "interest",
    "penalty_interest",
    "fee",
    "loan_payment",
    "card_payment",
    "investment",
    "correction",
    "write_off",
    "other",
)

# Everything else goes either way: interest and investments; insurance, which takes premiums and
# pays claims; card and loan payments, which the card's or loan's own account receives; fees, of
# which a part given back counts against what was charged; corrections, a refund among them.
MONEY_IN = ("salary", "pension", "cash_in", "transfer_in", "write_off")
MONEY_OUT = (
    "cash_out",
    "transfer_out",
    "groceries",
    "dining",
    "travel",
    "shopping",
    "utilities",
    "household",
    "leasing",
    "health",
    "education",
)

IDENTITY_TYPES = ("resident", "residence_permit", "passport", "other")

EVENT_AT = Column(name="event_at", kind="timestamp", about="When it happened.", past=True)
KNOWN_AT = Column(name="known_at", kind="timestamp", about="When the bank learnt of it.", past=True)


def _id(name: str, about: str, refers_to: str | None = None, *, required: bool = True) -> Column:
    return Column(name=name, kind="identifier", about=about, refers_to=refers_to, required=required)


def _code(name: str, about: str, values: tuple[str, ...], *, required: bool = True) -> Column:
    return Column(name=name, kind="code", about=about, values=values, required=required)


def _money(name: str, about: str, *, minimum: int | None = None, required: bool = True) -> Column:
    return Column(name=name, kind="money", about=about, minimum=minimum, required=required)


def _count(name: str, about: str, *, minimum: int = 0, required: bool = True) -> Column:
    return Column(name=name, kind="count", about=about, minimum=minimum, required=required)


def _ratio(name: str, about: str, *, required: bool = True) -> Column:
    return Column(name=name, kind="ratio", about=about, required=required)


def _text(name: str, about: str) -> Column:
    return Column(name=name, kind="text", about=about, required=False)


def _signed(side: str, sign: str, categories: tuple[str, ...]) -> Rule:
    listed = ", ".join(f"'{category}'" for category in categories)
    return Rule(
        column="amount",
        holds=f"amount {sign} 0 OR category NOT IN ({listed})",
        about=f"{side} where the category is {', '.join(categories)}",
    )


CUSTOMERS = Table(
    name="customers",
    about=(
        "A person as one source system knows them from a moment on; a change is a new row."
        " Several records may be one person: identification joins them."
    ),
    key=("customer_id", "event_at"),
    required=True,
    columns=(
        _id("customer_id", "The record: the customer as the source system keys them."),
        EVENT_AT,
        KNOWN_AT,
        _id("system", "The source system that keeps the record.", required=False),
        _text("name", "Name as written by the source."),
        _text("latin_name", "Name in Latin letters as written by the source."),
        Column(name="birth_date", kind="date", about="Day of birth.", required=False, past=True),
        _code("sex", "Sex as registered.", ("female", "male"), required=False),
        _code("identity_type", "Kind of identity document.", IDENTITY_TYPES, required=False),
        _id("identity_number", "Number of the document, as written.", required=False),
        _text("phone", "Telephone number, as written."),
        _text("email", "E-mail address, as written."),
        _text("address", "Postal address, as written."),
        _text("postcode", "Postal code, as written."),
        _text("occupation", "Occupation as registered."),
        _id("district_id", "Where the customer lives.", required=False),
    ),
)
ACCOUNTS = Table(
    name="accounts",
    about="The opening of an account, card, loan or policy: one row per account.",
    key=("account_id",),
    required=True,
    columns=(
        _id("account_id", "The account."),
        _id("customer_id", "Its owner.", "customers"),
        _id("product_id", "Its product.", "products"),
        EVENT_AT,
        KNOWN_AT,
        _code("currency", "ISO code of its currency.", ("TWD", "CNY", "CZK", "EUR", "USD")),
        _id("branch_id", "The branch that keeps it.", required=False),
    ),
)
CLOSINGS = Table(
    name="closings",
    about="The closing of an account.",
    key=("account_id",),
    columns=(
        _id("account_id", "The account.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _code(
            "reason",
            "Why it was closed.",
            ("customer", "matured", "repaid", "written_off", "bank", "deceased"),
        ),
    ),
)
PRODUCTS = Table(
    name="products",
    about="What the bank sells, with the prices that make up contribution.",
    key=("product_id",),
    dated=False,
    required=True,
    columns=(
        _id("product_id", "The product."),
        _code("family", "Its family.", PRODUCT_FAMILIES),
        _text("name", "Its name."),
        _ratio("margin", "Transfer-price margin on the balance, a year.", required=False),
        _money("cost_to_serve", "Cost to serve one account, a month.", minimum=0, required=False),
        _code(
            "risk_grade",
            "Product risk grade for suitability.",
            ("R1", "R2", "R3", "R4", "R5"),
            required=False,
        ),
    ),
)
BALANCES = Table(
    name="balances",
    about="End-of-day position of an account, at least on every day on which it changed.",
    key=("account_id", "event_at"),
    columns=(
        _id("account_id", "The account.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _money("ledger_balance", "Book balance; what is owed to the bank is negative."),
        _money("market_value", "Value of holdings at market prices.", required=False),
    ),
)
TRANSACTIONS = Table(
    name="transactions",
    about="A booking on an account.",
    key=("transaction_id",),
    columns=(
        _id("transaction_id", "The booking."),
        _id("account_id", "The account.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _money("amount", "Signed amount: money in is positive, money out is negative."),
        _code("channel", "Where it was made.", CHANNELS),
        _code("category", "What it was for.", CATEGORIES),
        Column(
            name="automatic",
            kind="flag",
            about="Booked without the customer acting: interest, fees, standing collections.",
        ),
        _id("counterparty", "The other side, as a token.", required=False),
        _money("balance_after", "Book balance after it.", required=False),
    ),
    rules=(
        _signed("negative", ">=", MONEY_IN),
        _signed("positive", "<=", MONEY_OUT),
    ),
)
LOANS = Table(
    name="loans",
    about="A loan as granted.",
    key=("loan_id",),
    columns=(
        _id("loan_id", "The loan."),
        _id("account_id", "Its account.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _money("amount", "Amount granted.", minimum=1),
        _count("term_months", "Months to maturity.", minimum=1),
        _money("instalment", "Monthly instalment.", minimum=0),
        _ratio("rate", "Nominal rate, a year.", required=False),
    ),
)
LOAN_OUTCOMES = Table(
    name="loan_outcomes",
    about="How a loan stands or ended, as the bank reports it on a day.",
    key=("loan_id", "event_at"),
    columns=(
        _id("loan_id", "The loan.", "loans"),
        EVENT_AT,
        KNOWN_AT,
        _code(
            "status",
            "Repaid, ended unpaid, running as agreed, running in debt, or written off.",
            ("repaid", "unpaid", "performing", "in_debt", "written_off"),
        ),
        _money("loss", "Written off, before anything is recovered.", minimum=0, required=False),
    ),
)
RECOVERIES = Table(
    name="recoveries",
    about=("Cash collected on an account in default or written off, and what collecting it cost."),
    key=("recovery_id",),
    columns=(
        _id("recovery_id", "The recovery."),
        _id("account_id", "The account, also after its closing.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _code(
            "kind",
            "Paid by the debtor, from the sale of collateral, or the cost of collecting.",
            ("payment", "collateral", "cost"),
        ),
        _money("amount", "Amount collected, or spent on collecting.", minimum=0),
    ),
)
REPAYMENTS = Table(
    name="repayments",
    about="A loan's monthly statement: what was due, what was paid, how far it is behind.",
    key=("loan_id", "event_at"),
    columns=(
        _id("loan_id", "The loan.", "loans"),
        EVENT_AT,
        KNOWN_AT,
        _money("due", "Instalment due this month.", minimum=0),
        _money("paid", "Paid since the last statement.", minimum=0),
        _money("outstanding", "Principal still owed.", minimum=0),
        _count("days_past_due", "Days since the oldest unpaid instalment was due."),
    ),
)
COLLATERAL = Table(
    name="collateral",
    about="A valuation of what secures a loan.",
    key=("collateral_id", "event_at"),
    columns=(
        _id("collateral_id", "The collateral."),
        _id("loan_id", "The loan it secures.", "loans"),
        EVENT_AT,
        KNOWN_AT,
        _code("kind", "What it is.", ("real_estate", "vehicle", "securities", "deposit", "other")),
        _money("value", "Its value.", minimum=0),
    ),
)
STATEMENTS = Table(
    name="statements",
    about="A card's monthly statement.",
    key=("account_id", "event_at"),
    columns=(
        _id("account_id", "The card account.", "accounts"),
        EVENT_AT,
        KNOWN_AT,
        _money("credit_limit", "Limit in force.", minimum=0),
        _money("balance", "Owed at the statement date."),
        _money("minimum_due", "Least to be paid.", minimum=0),
        _money("paid", "Paid since the last statement.", minimum=0),
        _count("days_past_due", "Days since the oldest unpaid minimum was due."),
    ),
)
APPLICATIONS = Table(
    name="applications",
    about="A stage of an application for a product.",
    key=("application_id", "stage"),
    columns=(
        _id("application_id", "The application."),
        _id("customer_id", "The applicant.", "customers"),
        _code("family", "What was applied for.", PRODUCT_FAMILIES),
        EVENT_AT,
        KNOWN_AT,
        _code("stage", "The stage reached.", ("submitted", "approved", "refused", "withdrawn")),
        _money("amount", "Amount applied for.", minimum=0, required=False),
    ),
)
INTERACTIONS = Table(
    name="interactions",
    about="A touch between customer and bank that is no booking.",
    key=("interaction_id",),
    columns=(
        _id("interaction_id", "The interaction."),
        _id("customer_id", "The customer.", "customers"),
        EVENT_AT,
        KNOWN_AT,
        _code("channel", "Where.", CHANNELS),
        _code(
            "kind",
            "What.",
            (
                "login",
                "call",
                "complaint",
                "branch_visit",
                "offer_shown",
                "offer_clicked",
                "offer_refused",
                "offer_accepted",
            ),
        ),
    ),
)
CONTACTS = Table(
    name="contacts",
    about="A step in a campaign's contact with a customer.",
    key=("contact_id", "outcome"),
    columns=(
        _id("contact_id", "The contact."),
        _id("customer_id", "The customer.", "customers"),
        _id("campaign_id", "The campaign."),
        _code("family", "What was offered.", PRODUCT_FAMILIES),
        EVENT_AT,
        KNOWN_AT,
        _code("channel", "By which channel.", CHANNELS),
        _code("arm", "Treated, or held out as control.", ("treated", "control")),
        _code(
            "outcome",
            "The step reached.",
            ("assigned", "delivered", "undelivered", "refused", "accepted"),
        ),
    ),
)
CONSENTS = Table(
    name="consents",
    about="A consent given or withdrawn.",
    key=("customer_id", "purpose", "event_at"),
    columns=(
        _id("customer_id", "The customer.", "customers"),
        _code("purpose", "For what.", ("marketing", "profiling", "credit_bureau", "sharing")),
        EVENT_AT,
        KNOWN_AT,
        Column(name="granted", kind="flag", about="True when given, false when withdrawn."),
    ),
)
SUITABILITY = Table(
    name="suitability",
    about="An assessment of what investment risk suits the customer.",
    key=("customer_id", "event_at"),
    columns=(
        _id("customer_id", "The customer.", "customers"),
        EVENT_AT,
        KNOWN_AT,
        _code("tolerance", "Risk tolerance.", ("C1", "C2", "C3", "C4", "C5")),
        Column(name="valid_until", kind="date", about="Last day on which it counts."),
    ),
)
STAFF = Table(
    name="staff",
    about="A member of staff from a moment on.",
    key=("staff_id", "event_at"),
    columns=(
        _id("staff_id", "The member of staff."),
        EVENT_AT,
        KNOWN_AT,
        _id("branch_id", "Where they work."),
        _code("role", "What they do.", ("manager", "adviser", "teller", "call_centre", "other")),
    ),
)
ASSIGNMENTS = Table(
    name="assignments",
    about="The hand-over of a customer to a manager and branch.",
    key=("customer_id", "event_at"),
    columns=(
        _id("customer_id", "The customer.", "customers"),
        EVENT_AT,
        KNOWN_AT,
        _id("staff_id", "The manager from then on.", required=False),
        _id("branch_id", "The branch from then on."),
    ),
)
RATES = Table(
    name="rates",
    about="An exchange rate of a day.",
    key=("currency", "event_at"),
    columns=(
        _code("currency", "ISO code.", ("TWD", "CNY", "CZK", "EUR", "USD")),
        EVENT_AT,
        KNOWN_AT,
        _ratio("rate", "Units of the home currency for one unit."),
    ),
)
DISTRICTS = Table(
    name="districts",
    about="Statistics of a district, known from their publication on.",
    key=("district_id", "event_at"),
    columns=(
        _id("district_id", "The district."),
        EVENT_AT,
        KNOWN_AT,
        _text("name", "Its name."),
        _text("region", "Its region."),
        _count("inhabitants", "Inhabitants.", required=False),
        _ratio("urban", "Share of urban inhabitants.", required=False),
        _money("average_salary", "Average monthly salary.", minimum=0, required=False),
        _ratio("unemployment", "Unemployment rate.", required=False),
        _count("entrepreneurs", "Entrepreneurs per 1,000 inhabitants.", required=False),
        _count("crimes", "Crimes committed in the year.", required=False),
    ),
)

COVERAGE = Table(
    name="coverage",
    about="From when to when an extract holds an account's bookings; without it, all of them.",
    key=("account_id",),
    dated=False,
    columns=(
        _id("account_id", "The account.", "accounts"),
        Column(name="covered_from", kind="date", about="First day whose bookings are there."),
        Column(name="covered_until", kind="date", about="Last day whose bookings are there."),
    ),
)

CANONICAL: tuple[Table, ...] = (
    CUSTOMERS,
    PRODUCTS,
    ACCOUNTS,
    CLOSINGS,
    BALANCES,
    TRANSACTIONS,
    LOANS,
    LOAN_OUTCOMES,
    RECOVERIES,
    REPAYMENTS,
    COLLATERAL,
    STATEMENTS,
    APPLICATIONS,
    INTERACTIONS,
    CONTACTS,
    CONSENTS,
    SUITABILITY,
    STAFF,
    ASSIGNMENTS,
    RATES,
    DISTRICTS,
    COVERAGE,
)


def table(name: str) -> Table:
    """The canonical table called ``name``.

    Raises:
        UnknownTable: there is no such table; the message lists those there are.
    """
    for candidate in CANONICAL:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in CANONICAL)
    raise UnknownTable(f"there is no canonical table '{name}'. The tables are: {known}.")
