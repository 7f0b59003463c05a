"""The facts by which a list leaves customers out, as the warehouse and the notices tell them now.

Windows are measured from the day of the list; whatever is loaded counts, whenever it happened.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from data.tables import PRODUCT_FAMILIES
from data.warehouse import Warehouse
from features.calendar import day_number
from serving.lists.reasons import Bits, flags
from serving.lists.request import REACHED_BY, ListRequest, Rules

UNSTATED_DAYS = 62  # arrears of a statement that is older say nothing of today
COLLECTED_DAYS = 365
_BIT = "CASE {0} " + " ".join(f"WHEN '{f}' THEN {1 << n}" for n, f in enumerate(PRODUCT_FAMILIES))
_BIT += " ELSE 0 END"
_VALID = {
    "phone": "length(regexp_replace(phone, '[^0-9]', '', 'g')) BETWEEN 8 AND 15",
    "email": "regexp_full_match(email, '[^@\\s]+@[^@\\s]+\\.[^@\\s]+')",
    "address": "length(trim(address)) >= 6",
}

# What may be asked again when a list is sealed or exported: consent, and who must not be troubled.
_STANDING = """
    consented AS (
        SELECT customer_id, purpose, arg_max(granted, (moment, NOT granted)) AS granted
        FROM (
            SELECT customer_id, purpose, granted, epoch_us(event_at) AS moment FROM consents
            UNION ALL
            SELECT customer_id, CASE kind WHEN 'no_consent' THEN 'marketing' ELSE 'profiling' END,
                NOT holds, moment
            FROM notices WHERE kind IN ('no_consent', 'opted_out')
        ) GROUP BY ALL
    ),
    permitted AS (
        SELECT customer_id, bool_or(granted) FILTER (purpose = 'marketing') AS marketing,
            bool_or(granted) FILTER (purpose = 'profiling') AS profiling
        FROM consented GROUP BY ALL
    ),
    complained AS (
        SELECT customer_id, arg_max(holds, (moment, holds)) AS holds
        FROM (
            SELECT customer_id, true AS holds, epoch_us(event_at) AS moment FROM interactions
            WHERE kind = 'complaint' AND event_day > {day} - {rules.complaint_days}
            UNION ALL
            SELECT customer_id, holds, moment FROM notices WHERE kind = 'open_complaint'
        ) GROUP BY ALL
    ),
    marked AS (
        SELECT customer_id, kind, arg_max(holds, (moment, holds)) AS holds
        FROM (
            SELECT customer_id, kind, holds, moment FROM notices
            WHERE kind IN ('deceased', 'frozen', 'staff')
            UNION ALL
            SELECT a.customer_id, 'deceased', true, epoch_us(x.event_at)
            FROM closings x JOIN accounts a USING (account_id) WHERE x.reason = 'deceased'
        ) GROUP BY ALL
    ),
    marks AS (
        SELECT customer_id, bool_or(holds) FILTER (kind = 'deceased') AS deceased,
            bool_or(holds) FILTER (kind = 'frozen') AS frozen,
            bool_or(holds) FILTER (kind = 'staff') AS staff
        FROM marked GROUP BY ALL
    )
"""
_STANDS = """
    NOT coalesce(c.marketing, false) AS no_consent,
    NOT coalesce(c.profiling, true) AS opted_out,
    coalesce(o.holds, false) AS open_complaint,
    coalesce(m.deceased, false) AS deceased,
    coalesce(m.frozen, false) AS frozen,
    coalesce(m.staff, false) AS staff
"""
_STOOD = """
    LEFT JOIN permitted c USING (customer_id) LEFT JOIN complained o USING (customer_id)
    LEFT JOIN marks m USING (customer_id)
"""
STANDING = ("no_consent", "opted_out", "open_complaint", "deceased", "frozen", "staff")

_FACTS = (
    "WITH "
    + _STANDING
    + """,
    late AS (
        SELECT l.account_id FROM (
            SELECT loan_id, arg_max(days_past_due, event_at) AS late, max(event_day) AS told
            FROM repayments GROUP BY ALL) r JOIN loans l USING (loan_id)
        WHERE r.late > 0 AND r.told > {day} - {unstated}
        UNION ALL
        SELECT account_id FROM (
            SELECT account_id, arg_max(days_past_due, event_at) AS late, max(event_day) AS told
            FROM statements GROUP BY ALL)
        WHERE late > 0 AND told > {day} - {unstated}
        UNION ALL
        SELECT l.account_id FROM (
            SELECT loan_id, arg_max(status, event_at) AS status FROM loan_outcomes GROUP BY ALL) e
            JOIN loans l USING (loan_id)
        WHERE e.status IN ('unpaid', 'in_debt', 'written_off')
        UNION ALL
        SELECT account_id FROM closings WHERE reason = 'written_off'
        UNION ALL
        SELECT account_id FROM recoveries WHERE event_day > {day} - {collected}
    ),
    behind AS (
        SELECT DISTINCT customer_id, true AS late
        FROM late JOIN accounts USING (account_id)
    ),
    contacted AS (
        SELECT customer_id, family, channel, min(event_day) AS event_day,
            max(event_day) FILTER (outcome = 'refused') AS refused_day
        FROM contacts
        WHERE arm = 'treated' AND campaign_id NOT IN (SELECT list_id FROM results)
        GROUP BY contact_id, customer_id, family, channel
        HAVING NOT bool_or(outcome = 'undelivered')
        UNION ALL
        SELECT customer_id, family, channel, event_day,
            CASE WHEN disposition = 'refused' THEN event_day END
        FROM results WHERE disposition NOT IN ('undelivered', 'wrong_contact')
    ),
    pressed AS (
        SELECT customer_id, max(event_day) AS last_day,
            count(*) FILTER (event_day > {day} - {rules.cap_days}) AS contacts,
            count(*) FILTER (event_day > {day} - {rules.cap_days}
                AND channel = '{channel}') AS on_channel,
            bit_or(CASE WHEN refused_day > {day} - {rules.refusal_days} THEN {bit} ELSE 0 END)
                AS refused
        FROM contacted GROUP BY ALL
    ),
    full_of AS (
        SELECT customer_id, bit_or({bit}) AS families FROM (
            SELECT customer_id, family FROM contacted
            WHERE event_day > {day} - {rules.cap_days}
            GROUP BY ALL HAVING count(*) >= {rules.cap_product})
        GROUP BY ALL
    ),
    declined AS (
        SELECT DISTINCT customer_id, true AS declined FROM interactions
        WHERE kind = 'offer_refused' AND event_day > {day} - {rules.refusal_days}
    ),
    owned AS (
        SELECT a.customer_id, bit_or({bit}) AS families
        FROM accounts a JOIN products p USING (product_id)
        WHERE NOT EXISTS (FROM closings x WHERE x.account_id = a.account_id)
        GROUP BY ALL
    ),
    suited AS (
        SELECT customer_id,
            arg_max(CAST(substring(tolerance, 2, 1) AS INTEGER), event_at) AS tolerance,
            arg_max(valid_until - DATE '1970-01-01', event_at) AS valid_until
        FROM suitability GROUP BY ALL
    ),
    lives AS (
        SELECT district_id, arg_max(region, event_at) AS region
        FROM districts WHERE region IS NOT NULL GROUP BY ALL
    ),
    persons AS (
        SELECT customer_id, arg_max(birth_date, event_at) AS birth_date,
            arg_max({point}, event_at) AS {point}, arg_max(district_id, event_at) AS district_id
        FROM customers GROUP BY ALL
    )
    SELECT b.customer_id,
        coalesce(l.region, 'unknown') AS region,
        """
    + _STANDS
    + """,
        coalesce(d.late, false) AS in_arrears,
        coalesce(p.birth_date + INTERVAL '{rules.adult_age} years' > DATE '{date}', true) AS minor,
        NOT coalesce({valid}, false) AS no_contact_point,
        coalesce(t.last_day > {day} - {rules.quiet_days}, false) AS contacted_recently,
        coalesce(t.contacts >= {rules.cap_all}, false) AS cap_all,
        coalesce(t.on_channel >= {rules.cap_channel}, false) AS cap_channel,
        EXISTS (FROM members i WHERE i.customer_id = b.customer_id) AS in_sealed_list,
        CAST(coalesce(h.families, 0) AS INTEGER) AS held,
        CAST(coalesce(f.families, 0) AS INTEGER) AS full_families,
        CAST(CASE WHEN r.declined THEN {all} ELSE coalesce(t.refused, 0) END AS INTEGER) AS refused,
        CAST(coalesce(u.tolerance, 0) AS INTEGER) AS tolerance,
        CAST(coalesce(u.valid_until, 0) AS INTEGER) AS valid_until
    FROM book b
    """
    + _STOOD
    + """
    LEFT JOIN persons p USING (customer_id) LEFT JOIN lives l ON l.district_id = p.district_id
    LEFT JOIN behind d USING (customer_id) LEFT JOIN pressed t USING (customer_id)
    LEFT JOIN full_of f USING (customer_id) LEFT JOIN declined r USING (customer_id)
    LEFT JOIN owned h USING (customer_id) LEFT JOIN suited u USING (customer_id)
    ORDER BY b.place
"""
)
_AGAIN = "WITH " + _STANDING + " SELECT " + _STANDS + " FROM book b " + _STOOD + " ORDER BY b.place"


def facts(
    warehouse: Warehouse,
    customers: Sequence[str],
    request: ListRequest,
    rules: Rules,
    *,
    notices: pd.DataFrame,
    results: pd.DataFrame,
    members: Sequence[str],
) -> pa.Table:
    """One row a customer, in their order: region, a flag a reason, and bits of families.

    Args:
        notices: as ``notices.kept`` gives them.
        results: what came back from lists: list_id, customer_id, family, channel, event_day,
            disposition.
        members: customers in lists that are sealed and not closed.
    """
    point = REACHED_BY[request.channel]
    query = _FACTS.format(
        day=day_number(request.day),
        date=request.day.isoformat(),
        rules=rules,
        channel=request.channel,
        bit=_BIT.format("family"),
        all=(1 << len(PRODUCT_FAMILIES)) - 1,
        point=point,
        valid=_VALID[point],
        unstated=UNSTATED_DAYS,
        collected=COLLECTED_DAYS,
    )
    told = {"customer_id": pd.Series(list(members), dtype="string")}
    found = warehouse.frame(
        query,
        book=_book(customers),
        notices=notices,
        results=results,
        members=pd.DataFrame(told),
    )
    return pa.Table.from_pandas(found, preserve_index=False)


def forbidden(
    warehouse: Warehouse,
    customers: Sequence[str],
    day: date,
    rules: Rules,
    notices: pd.DataFrame,
) -> Bits:
    """The reasons of ``STANDING`` asked anew, as bits, shape (customers,)."""
    if not customers:
        return np.zeros(0, np.int32)
    query = _AGAIN.format(day=day_number(day), rules=rules)
    found = warehouse.frame(query, book=_book(customers), notices=notices)
    return flags(**{code: found[code].to_numpy(bool) for code in STANDING})


def _book(customers: Sequence[str]) -> pd.DataFrame:
    names = pd.Series(list(customers), dtype="string")
    return pd.DataFrame({"customer_id": names, "place": range(len(names))})
