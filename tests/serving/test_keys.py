"""Keys: shown once, kept as digests, good until they expire."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from data.database import Database
from data.errors import ConfigurationError, Unauthorised
from data.schema import API_KEYS
from serving.access.gate import Gate
from serving.access.keys import make_key
from serving.access.roles import Caller


def caller(database: Database, authorization: str | None) -> Caller:
    return Gate(database).identified(authorization)


def test_whoever_holds_a_key_is_known_by_its_name(database: Database) -> None:
    mine, yours = make_key(database, "marketing"), make_key(database, "风险部")
    assert caller(database, f"Bearer {mine}").name == "marketing"
    assert caller(database, f"bearer {yours}").name == "风险部"


def test_the_database_keeps_no_secret(database: Database) -> None:
    secret = make_key(database, "marketing").split(".")[2]
    with database.reading() as connection:
        assert secret not in str(connection.execute(sa.select(API_KEYS)).all())


def test_a_key_is_good_until_it_expires(database: Database) -> None:
    key = make_key(database, "marketing", days=1)
    assert caller(database, f"Bearer {key}").key_id in key
    with database.writing() as connection:
        just_now = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(API_KEYS).values(expires_at=just_now))
    with pytest.raises(Unauthorised):
        caller(database, f"Bearer {key}")


def test_no_malformed_unknown_and_expired_keys_are_refused_in_the_same_words(
    database: Database,
) -> None:
    key = make_key(database, "marketing", days=0)
    secret = key.split(".")[2]
    unknown = f"zhike.{'0' * 16}.{secret}"
    wrong = key[:-43] + "m" * 43
    malformed = ["zhike", key + "m", key.upper(), f" {key}", f"{key}\n", key.replace("zhike", "x")]
    words = set()
    for sent in [
        None,
        "",
        "Bearer",
        key,
        *[f"Bearer {k}" for k in (key, unknown, wrong, *malformed)],
    ]:
        with pytest.raises(Unauthorised) as told:
            caller(database, sent)
        words.add(str(told.value))
    assert len(words) == 1


@pytest.mark.parametrize("name", ["", "  ", "n" * 101, "two\nlines", "nul\x00", "\ud800"])
def test_a_name_that_no_record_could_show_is_refused(database: Database, name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape("1 to 100 printable")):
        make_key(database, name)
