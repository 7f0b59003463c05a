"""Which records are worth comparing: those that share a key few others have."""

from dataclasses import dataclass

import duckdb

# More records than this on one key say that the key names no person: a shop's telephone, a
# placeholder, a common name. The product of the largest blocks is what makes linkage explode.
LARGEST_BLOCK = 60
RARE = 10  # for keys that say little unless few share them

_SHARED = "states s"
_PHONES = "(SELECT *, unnest(phones) AS a_phone FROM states) s"
_EMAILS = "(SELECT *, unnest(emails) AS an_email FROM states) s"
_NUMBERS = "(SELECT *, unnest(numbers) AS a_number FROM states) s"
_NAMES = "(SELECT *, unnest(spellings) AS a_name FROM states) s"
_PARTS = "(SELECT *, unnest(syllables) AS a_syllable FROM states) s"
_ADDRESSES = "(SELECT *, unnest(addresses) AS an_address FROM states) s"
_BOTH = f"(SELECT *, unnest(syllables) AS a_syllable FROM {_ADDRESSES}) t"
_YEAR = "birth_text[:4]"


@dataclass(frozen=True)
class Block:
    """Records that share a key are compared, unless more than ``most`` share it."""

    name: str
    relation: str
    key: str
    most: int = LARGEST_BLOCK


BLOCKS = (
    Block("identity number", _NUMBERS, "a_number"),
    Block("telephone", _PHONES, "a_phone", RARE),
    Block("telephone and year of birth", _PHONES, f"a_phone || '|' || {_YEAR}"),
    Block("telephone and name", _PHONES, "a_phone || '|' || spelt"),
    Block("e-mail", _EMAILS, "an_email"),
    Block("name", _NAMES, "a_name", RARE),
    Block("name and year of birth", _NAMES, f"a_name || '|' || {_YEAR}"),
    Block("name and postcode", _NAMES, "a_name || '|' || postcode"),
    Block("syllable and day of birth", _PARTS, "a_syllable || '|' || birth_text"),
    Block("syllable, postcode, year", _PARTS, f"a_syllable || postcode || {_YEAR}", RARE),
    Block("postcode and day of birth", _SHARED, "postcode || '|' || birth_text"),
    Block("address", _ADDRESSES, "an_address", RARE),
    Block("address and syllable", _BOTH, "an_address || '|' || a_syllable"),
)


@dataclass(frozen=True)
class Blocking:
    """How many pairs of records are compared, and how many keys were too common to count."""

    pairs: int
    common_keys: int


def prepare(connection: duckdb.DuckDBPyConnection) -> Blocking:
    """Make table ``pairs`` of uid_l < uid_r: latest states that share a key few others have."""
    connection.execute("CREATE OR REPLACE TEMP TABLE found (uid_l BIGINT, uid_r BIGINT)")
    common = 0
    for block in BLOCKS:
        connection.execute(_keyed(block))
        [(large,)] = connection.sql(
            f"SELECT count(*) FROM (SELECT key FROM keyed GROUP BY key HAVING count(*) > {block.most})"
        ).fetchall()
        common += large if block.most == LARGEST_BLOCK else 0
        connection.execute(_PAIRED.format(most=block.most))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT * FROM found ORDER BY ALL"
    )
    [(pairs,)] = connection.sql("SELECT count(*) FROM pairs").fetchall()
    connection.execute("DROP TABLE found; DROP TABLE keyed")
    return Blocking(pairs, common)


def _keyed(block: Block) -> str:
    return (
        "CREATE OR REPLACE TEMP TABLE keyed AS"
        f" SELECT DISTINCT CAST({block.key} AS VARCHAR) AS key, uid FROM {block.relation}"
        f" WHERE latest AND {block.key} IS NOT NULL"
    )


_PAIRED = """
    INSERT INTO found
    WITH few AS (
        SELECT key, uid FROM keyed
        SEMI JOIN (SELECT key FROM keyed GROUP BY key HAVING count(*) BETWEEN 2 AND {most}) k
        USING (key)
    )
    SELECT l.uid, r.uid FROM few l JOIN few r ON l.key = r.key AND l.uid < r.uid
"""
