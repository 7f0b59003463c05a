"""The facts that features may read, each keyed by customer and dated on both clocks."""

from features.definition import MODELS, Purpose, Source

# A fact of an account is known of its customer only once the account itself is known.
_OWNED = (
    "unix_seconds({0}.event_at) AS moment,"
    " greatest({0}.event_day, a.event_day) AS event_day, greatest({0}.known_day, a.known_day)"
)
# Sums of squares must fit 64 bits: positions in thousands of minor units, counted as a hundred
# million of the currency where they are more; 90,000 such squares still fit.
_THOUSANDS = "CAST(({0} - {0} % 1000) / 1000 AS BIGINT)"
_SQUARABLE = f"least(greatest({_THOUSANDS}, -10000000), 10000000)"
_WORTH = "coalesce(b.market_value, b.ledger_balance)"

# Whoever complains, is contacted or withdraws a consent must not pay for it with their credit.
NOT_CREDIT: tuple[Purpose, ...] = ("marketing", "service", "value")
# Marketing never sees how a customer pays back, and cannot infer it from reasons.
NOT_MARKETING: tuple[Purpose, ...] = ("service", "value", "credit")
_CARE: tuple[Purpose, ...] = ("marketing", "service")

PERSONS = Source(
    name="persons",
    about="What the bank knows of the person.",
    tables=("customers",),
    entity="customer_id",
    data_class="personal",
    purposes=MODELS,
    query="""
        SELECT customer_id, event_day, known_day, unix_seconds(event_at) AS moment,
            CAST(unix_date(birth_date) AS BIGINT) AS birth_day,
            CAST(sex = 'female' AS BIGINT) AS female
        FROM customers
    """,
)
DISTRICTS = Source(
    name="districts",
    about="Published statistics of the district the customer lived in when they were published.",
    tables=("customers", "districts"),
    entity="customer_id",
    data_class="personal",
    purposes=MODELS,
    query="""
        SELECT c.customer_id, greatest(c.event_day, d.event_day) AS event_day,
            greatest(c.known_day, d.known_day) AS known_day,
            unix_seconds(greatest(c.event_at, d.event_at)) AS moment,
            d.average_salary, d.unemployment, d.inhabitants, d.crimes, d.entrepreneurs
        FROM customers c JOIN districts d ON c.district_id = d.district_id
        WHERE NOT EXISTS (
            SELECT 1 FROM customers n
            WHERE n.customer_id = c.customer_id AND n.event_at > c.event_at
                AND n.event_at <= d.event_at AND n.known_day <= greatest(c.known_day, d.known_day)
        )
    """,
)
OPENINGS = Source(
    name="openings",
    about="Accounts, cards, loans and policies as they were opened.",
    tables=("accounts", "products"),
    data_class="ordinary",
    purposes=MODELS,
    query="""
        SELECT a.customer_id, a.event_day, a.known_day, a.account_id, p.family
        FROM accounts a JOIN products p ON a.product_id = p.product_id
    """,
)
CLOSINGS = Source(
    name="closings",
    about="Accounts as they were closed.",
    tables=("accounts", "products", "closings"),
    data_class="ordinary",
    purposes=MODELS,
    query=f"""
        SELECT a.customer_id, {_OWNED.format("x")} AS known_day, x.account_id, p.family,
            x.reason
        FROM closings x JOIN accounts a ON x.account_id = a.account_id
            JOIN products p ON a.product_id = p.product_id
    """,
)
BALANCES = Source(
    name="balances",
    about="End-of-day positions of accounts.",
    tables=("accounts", "products", "balances"),
    entity="account_id",
    data_class="ordinary",
    purposes=MODELS,
    query=f"""
        SELECT a.customer_id, {_OWNED.format("b")} AS known_day, b.account_id, p.family,
            {_WORTH} AS worth, {_SQUARABLE.format(_WORTH)} AS thousands
        FROM balances b JOIN accounts a ON b.account_id = a.account_id
            JOIN products p ON a.product_id = p.product_id
    """,
)
BOOKINGS = Source(
    name="bookings",
    about="Transactions on the customer's accounts.",
    tables=("accounts", "products", "transactions"),
    data_class="personal",
    purposes=MODELS,
    query=f"""
        SELECT a.customer_id, {_OWNED.format("t")} AS known_day, t.amount, t.channel,
            t.category, t.automatic, t.counterparty, t.balance_after, p.family
        FROM transactions t JOIN accounts a ON t.account_id = a.account_id
            JOIN products p ON a.product_id = p.product_id
    """,
)
LOANS = Source(
    name="loans",
    about="Loans as granted.",
    tables=("accounts", "loans"),
    data_class="ordinary",
    purposes=MODELS,
    query=f"""
        SELECT a.customer_id, {_OWNED.format("l")} AS known_day, l.amount, l.term_months,
            l.instalment, l.rate
        FROM loans l JOIN accounts a ON l.account_id = a.account_id
    """,
)
REPAYMENTS = Source(
    name="repayments",
    about="Monthly statements of loans.",
    tables=("accounts", "loans", "repayments"),
    entity="loan_id",
    data_class="ordinary",
    purposes=MODELS,
    query="""
        SELECT a.customer_id, unix_seconds(r.event_at) AS moment,
            greatest(r.event_day, l.event_day, a.event_day) AS event_day,
            greatest(r.known_day, l.known_day, a.known_day) AS known_day,
            r.loan_id, r.due, r.paid, r.outstanding, r.days_past_due
        FROM repayments r JOIN loans l ON r.loan_id = l.loan_id
            JOIN accounts a ON l.account_id = a.account_id
    """,
)
COLLATERAL = Source(
    name="collateral",
    about="Valuations of what secures loans.",
    tables=("accounts", "loans", "collateral"),
    entity="collateral_id",
    data_class="ordinary",
    purposes=MODELS,
    query="""
        SELECT a.customer_id, unix_seconds(k.event_at) AS moment,
            greatest(k.event_day, l.event_day, a.event_day) AS event_day,
            greatest(k.known_day, l.known_day, a.known_day) AS known_day,
            k.collateral_id, k.value
        FROM collateral k JOIN loans l ON k.loan_id = l.loan_id
            JOIN accounts a ON l.account_id = a.account_id
    """,
)
STATEMENTS = Source(
    name="statements",
    about="Monthly statements of cards.",
    tables=("accounts", "statements"),
    entity="account_id",
    data_class="ordinary",
    purposes=MODELS,
    query=f"""
        SELECT a.customer_id, {_OWNED.format("s")} AS known_day, s.account_id, s.credit_limit,
            s.balance, s.minimum_due, s.paid, s.days_past_due
        FROM statements s JOIN accounts a ON s.account_id = a.account_id
    """,
)
TOUCHES = Source(
    name="touches",
    about="Logins, calls, complaints, visits and answers to offers.",
    tables=("interactions",),
    data_class="personal",
    purposes=MODELS,
    query="SELECT customer_id, event_day, known_day, channel, kind FROM interactions",
)
APPLICATIONS = Source(
    name="applications",
    about="Applications for products and what became of them.",
    tables=("applications",),
    data_class="ordinary",
    purposes=MODELS,
    query="SELECT customer_id, event_day, known_day, family, stage, amount FROM applications",
)
CONTACTS = Source(
    name="contacts",
    about="Campaign contacts and their outcomes.",
    tables=("contacts",),
    data_class="ordinary",
    purposes=NOT_CREDIT,
    query="SELECT customer_id, event_day, known_day, family, arm, outcome FROM contacts",
)
CONSENTS = Source(
    name="consents",
    about="Consents given and withdrawn.",
    tables=("consents",),
    entity="purpose",
    data_class="personal",
    purposes=_CARE,
    query="""
        SELECT customer_id, event_day, known_day, unix_seconds(event_at) AS moment, purpose,
            CAST(granted AS BIGINT) AS granted
        FROM consents
    """,
)
SUITABILITY = Source(
    name="suitability",
    about="Assessments of the investment risk that suits the customer.",
    tables=("suitability",),
    entity="customer_id",
    data_class="personal",
    purposes=_CARE,
    query="""
        SELECT customer_id, event_day, known_day, unix_seconds(event_at) AS moment,
            CAST(substring(tolerance, 2, 1) AS BIGINT) AS tolerance,
            CAST(unix_date(valid_until) AS BIGINT) AS last_day
        FROM suitability
    """,
)
# What a customer earns the bank may set a price, not tell whether a loan is paid back.
CONTRIBUTIONS = Source(
    name="contributions",
    about="What the customer's accounts earned the bank, by month.",
    tables=("accounts", "products", "contributions"),
    data_class="ordinary",
    purposes=NOT_CREDIT,
    query="""
        SELECT a.customer_id, greatest(c.event_day, a.event_day) AS event_day,
            greatest(c.known_day, a.known_day) AS known_day, p.family, c.contribution,
            c.margin_earned, c.fees, c.cost_to_serve, c.loss
        FROM contributions c JOIN accounts a ON c.account_id = a.account_id
            JOIN products p ON a.product_id = p.product_id
    """,
)

SOURCES = (
    PERSONS,
    DISTRICTS,
    OPENINGS,
    CLOSINGS,
    BALANCES,
    BOOKINGS,
    LOANS,
    REPAYMENTS,
    COLLATERAL,
    STATEMENTS,
    TOUCHES,
    APPLICATIONS,
    CONTACTS,
    CONSENTS,
    SUITABILITY,
    CONTRIBUTIONS,
)
