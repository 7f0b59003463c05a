"""Which records are worth comparing: those that share a key few others have."""

from dataclasses import dataclass

import duckdb

# More records than this on one key say that the key names no person: a shop's telephone, a
# placeholder, a common name. The product of the largest blocks is what makes linkage explode.
LARGEST_BLOCK = 60

# Rule -> the relation its records come from, and the key. Taken in this order.
_SHARED = "states s"
_PHONES = "(SELECT *, unnest(phones) AS a_phone FROM states) s"
_EMAILS = "(SELECT *, unnest(emails) AS an_email FROM states) s"
_NUMBERS = "(SELECT *, unnest(numbers) AS a_number FROM states) s"
_NAMES = "(SELECT *, unnest(spellings) AS a_name FROM states) s"
_PARTS = "(SELECT *, unnest(syllables) AS a_syllable FROM states) s"
_ADDRESSES = "(SELECT *, unnest(addresses) AS an_address FROM states) s"
_BOTH = f"(SELECT *, unnest(syllables) AS a_syllable FROM {_ADDRESSES}) t"
_YEAR = "birth_text[:4]"
BLOCKS: dict[str, tuple[str, str]] = {
    "identity number": (_NUMBERS, "a_number"),
    "telephone": (_PHONES, "a_phone"),
    "telephone and year of birth": (_PHONES, f"concat_ws('|', a_phone, {_YEAR})"),
    "telephone and name": (_PHONES, "a_phone || '|' || spelt"),
    "e-mail": (_EMAILS, "an_email"),
    "name": (_NAMES, "a_name"),
    "name and year of birth": (_NAMES, f"a_name || '|' || {_YEAR}"),
    "name and postcode": (_NAMES, "a_name || '|' || postcode"),
    "syllable and day of birth": (_PARTS, "a_syllable || '|' || birth_text"),
    "syllable, postcode and year of birth": (
        _PARTS,
        f"a_syllable || '|' || postcode || '|' || {_YEAR}",
    ),
    "postcode and day of birth": (_SHARED, "postcode || '|' || birth_text"),
    "address": (_ADDRESSES, "an_address"),
    "address and syllable": (_BOTH, "an_address || '|' || a_syllable"),
}


@dataclass(frozen=True)
class Blocking:
    """How many pairs of records are compared, and how many keys were too common to count."""

    pairs: int
    common_keys: int


def prepare(connection: duckdb.DuckDBPyConnection) -> Blocking:
    """Make table ``pairs`` of uid_l < uid_r: latest states that share a key."""
    keyed = " UNION ALL ".join(
        f"SELECT DISTINCT {place} AS rule, CAST({key} AS VARCHAR) AS key, uid"
        f" FROM {relation} WHERE latest AND {key} IS NOT NULL"
        for place, (relation, key) in enumerate(BLOCKS.values())
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE keyed AS {keyed}")
    connection.execute(_SIZES)
    connection.execute(_PAIRS)
    [counted] = connection.sql(
        f"SELECT (SELECT count(*) FROM pairs),"
        f" (SELECT count(*) FROM sizes WHERE records > {LARGEST_BLOCK})"
    ).fetchall()
    connection.execute("DROP TABLE keyed; DROP TABLE sizes")
    return Blocking(*counted)


_SIZES = """
    CREATE OR REPLACE TEMP TABLE sizes AS
    SELECT rule, key, count(*) AS records FROM keyed GROUP BY ALL HAVING count(*) > 1
"""
_PAIRS = f"""
    CREATE OR REPLACE TEMP TABLE pairs AS
    WITH few AS (
        SELECT k.* FROM keyed k JOIN sizes z USING (rule, key) WHERE records <= {LARGEST_BLOCK}
    )
    SELECT DISTINCT l.uid AS uid_l, r.uid AS uid_r
    FROM few l JOIN few r ON l.rule = r.rule AND l.key = r.key AND l.uid < r.uid
    ORDER BY ALL
"""
