"""The facts that features may read, each keyed by customer and dated on both clocks."""

from features.definition import Source

# A fact of an account is known of its customer only once the account itself is known.
_OWNED = (
    "CAST(epoch({0}.event_at) AS BIGINT) AS moment,"
    " greatest({0}.event_day, a.event_day) AS event_day, greatest({0}.known_day, a.known_day)"
)

PERSONS = Source(
    name="persons",
    about="What the bank knows of the person.",
    tables=("customers",),
    entity="customer_id",
    query="""
        SELECT customer_id, event_day, known_day, CAST(epoch(event_at) AS BIGINT) AS moment,
            CAST(birth_date - DATE '1970-01-01' AS BIGINT) AS birth_day,
            CAST(sex = 'female' AS BIGINT) AS female
        FROM customers
    """,
)
DISTRICTS = Source(
    name="districts",
    about="Published statistics of the district the customer lived in when they were published.",
    tables=("customers", "districts"),
    entity="customer_id",
    query="""
        SELECT c.customer_id, greatest(c.event_day, d.event_day) AS event_day,
            greatest(c.known_day, d.known_day) AS known_day,
            CAST(epoch(greatest(c.event_at, d.event_at)) AS BIGINT) AS moment,
            d.average_salary, d.unemployment, d.inhabitants, d.crimes
        FROM customers c JOIN districts d USING (district_id)
        WHERE NOT EXISTS (
            FROM customers n WHERE n.customer_id = c.customer_id AND n.event_at > c.event_at
                AND n.event_at <= d.event_at AND n.known_day <= greatest(c.known_day, d.known_day)
        )
    """,
)
OPENINGS = Source(
    name="openings",
    about="Accounts, cards, loans and policies as they were opened.",
    tables=("accounts", "products"),
    query="""
        SELECT a.customer_id, a.event_day, a.known_day, a.account_id, p.family
        FROM accounts a JOIN products p USING (product_id)
    """,
)
CLOSINGS = Source(
    name="closings",
    about="Accounts as they were closed.",
    tables=("accounts", "products", "closings"),
    query=f"""
        SELECT a.customer_id, {_OWNED.format("x")} AS known_day, x.account_id, p.family,
            x.reason
        FROM closings x JOIN accounts a USING (account_id) JOIN products p USING (product_id)
    """,
)
BALANCES = Source(
    name="balances",
    about="End-of-day positions of accounts.",
    tables=("accounts", "products", "balances"),
    entity="account_id",
    query=f"""
        SELECT a.customer_id, {_OWNED.format("b")} AS known_day, b.account_id, p.family,
            coalesce(b.market_value, b.ledger_balance) AS worth
        FROM balances b JOIN accounts a USING (account_id) JOIN products p USING (product_id)
    """,
)
BOOKINGS = Source(
    name="bookings",
    about="Transactions on the customer's accounts.",
    tables=("accounts", "products", "transactions"),
    query=f"""
        SELECT a.customer_id, {_OWNED.format("t")} AS known_day, t.amount, t.channel,
            t.category, t.automatic, t.counterparty, t.balance_after, p.family
        FROM transactions t JOIN accounts a USING (account_id) JOIN products p USING (product_id)
    """,
)
LOANS = Source(
    name="loans",
    about="Loans as granted.",
    tables=("accounts", "loans"),
    query=f"""
        SELECT a.customer_id, {_OWNED.format("l")} AS known_day, l.amount, l.term_months,
            l.instalment
        FROM loans l JOIN accounts a USING (account_id)
    """,
)
REPAYMENTS = Source(
    name="repayments",
    about="Monthly statements of loans.",
    tables=("accounts", "loans", "repayments"),
    entity="loan_id",
    query="""
        SELECT a.customer_id, CAST(epoch(r.event_at) AS BIGINT) AS moment,
            greatest(r.event_day, l.event_day, a.event_day) AS event_day,
            greatest(r.known_day, l.known_day, a.known_day) AS known_day,
            r.loan_id, r.due, r.paid, r.outstanding, r.days_past_due
        FROM repayments r JOIN loans l USING (loan_id) JOIN accounts a USING (account_id)
    """,
)
STATEMENTS = Source(
    name="statements",
    about="Monthly statements of cards.",
    tables=("accounts", "statements"),
    entity="account_id",
    query=f"""
        SELECT a.customer_id, {_OWNED.format("s")} AS known_day, s.account_id, s.credit_limit,
            s.balance, s.minimum_due, s.paid, s.days_past_due
        FROM statements s JOIN accounts a USING (account_id)
    """,
)
TOUCHES = Source(
    name="touches",
    about="Logins, calls, complaints and visits.",
    tables=("interactions",),
    query="SELECT customer_id, event_day, known_day, channel, kind FROM interactions",
)
APPLICATIONS = Source(
    name="applications",
    about="Applications for products and what became of them.",
    tables=("applications",),
    query="SELECT customer_id, event_day, known_day, family, stage, amount FROM applications",
)
CONTACTS = Source(
    name="contacts",
    about="Campaign contacts and their outcomes.",
    tables=("contacts",),
    query="SELECT customer_id, event_day, known_day, family, arm, outcome FROM contacts",
)
CONTRIBUTIONS = Source(
    name="contributions",
    about="What the customer's accounts earned the bank, by month.",
    tables=("contributions",),
    query="SELECT customer_id, event_day, known_day, contribution FROM contributions",
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
    STATEMENTS,
    TOUCHES,
    APPLICATIONS,
    CONTACTS,
    CONTRIBUTIONS,
)
