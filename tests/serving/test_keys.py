"""Keys: shown once, kept as digests, good until they expire."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from typer.testing import CliRunner

from data.audit import records
from data.database import MIGRATIONS, Database
from data.errors import ConfigurationError, Unauthorised
from data.schema import API_KEYS
from serving.__main__ import app as commands
from serving.access.gate import Gate
from serving.access.keys import make_key
from serving.access.roles import Caller, Role
from serving.access.sessions import ended


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


def test_a_key_from_before_there_were_roles_is_a_systems(database: Database) -> None:
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
        text = "INSERT INTO api_keys VALUES (:id, 'old', :digest, :now, :then)"
        moments = {"now": datetime.now(UTC), "then": datetime.now(UTC) + timedelta(days=1)}
        digest = sha256(b"s" * 43).hexdigest()
        connection.execute(sa.text(text), {"id": "a" * 16, "digest": digest} | moments)
    database.migrate()
    who = caller(database, f"Bearer zhike.{'a' * 16}.{'s' * 43}")
    assert (who.name, who.client, set(who.roles)) == ("old", "old", {Role.SYSTEM})


def key(*words: str) -> str:
    done = CliRunner().invoke(commands, ["key", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_commands_make_rotate_list_and_revoke_keys(store: Database) -> None:
    first = key("Campaign tool", "--role", "marketing", "--days", "3").strip()
    assert caller(store, f"Bearer {first}").roles == {Role.MARKETING}
    assert caller(store, f"Bearer {key('--days', '3', 'A feed').strip()}").roles == {Role.SYSTEM}
    key_id, secret = first.split(".")[1:]
    second = key("rotate", key_id, "--grace", "30m").strip()
    assert caller(store, f"Bearer {second}").roles == {Role.MARKETING}
    listed = key("list")
    assert "replaced, good" in listed
    assert secret not in listed
    key("revoke", key_id)
    with pytest.raises(Unauthorised):
        caller(store, f"Bearer {first}")
    assert "replaced, revoked" in key("list")
    kinds = ["key_made", "key_rotated", "key_revoked"]
    assert [record.kind for record in records(store, kinds)] == ["key_made", *kinds]


@pytest.mark.parametrize(
    "words,told",
    [
        (["x", "--role", "king"], "no role king"),
        (["x", "--role", "relationship_manager"], "--employee"),
        (["x", "--scope", "weather"], "--scope weather"),
        (["x", "--client", "two\nlines"], "printable"),
        (["rotate", "0" * 16], "there is no key"),
        (["rotate", "0" * 16, "--grace", "soon"], "--grace soon"),
        (["revoke", "0" * 16], "there is no key"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    store: Database, words: list[str], told: str
) -> None:
    done = CliRunner().invoke(commands, ["key", *words])
    assert isinstance(done.exception, ConfigurationError)
    assert told in str(done.exception)


def test_a_session_is_ended_by_token_or_by_subject(store: Database) -> None:
    for words in (["--token-id", "t1"], ["--subject", "S0001"]):
        assert CliRunner().invoke(commands, ["end-session", *words]).exit_code == 0
    assert ended(store, "t1", "S0002", 2e9)
    assert ended(store, "t2", "S0001", 0)
    assert not ended(store, "t2", "S0001", 4e9)
    assert not ended(store, "S0001", "t1", 0)
    done = CliRunner().invoke(commands, ["end-session"])
    assert isinstance(done.exception, ConfigurationError)
