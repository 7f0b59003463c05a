"""Bearer tokens: only what the issuer signed for us, now, counts."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from data.audit import records
from data.database import Database
from data.errors import ConfigurationError, Unauthorised
from serving.access import sessions
from serving.access.gate import TRUSTED, Gate
from serving.access.keys import REFUSAL, make_key, revoke, rotate
from serving.access.oidc import Expected, Tokens
from serving.access.roles import Role

ISSUER, AUDIENCE = "https://login.bank.example", "zhike"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER = ec.generate_private_key(ec.SECP256R1())


def published(kid: str, alg: str, private: Any) -> dict[str, Any]:
    """A key as an issuer publishes it."""
    algorithm = jwt.get_algorithm_by_name(alg)
    return dict(json.loads(algorithm.to_jwk(private.public_key()))) | {"kid": kid, "alg": alg}


@pytest.fixture
def key_set(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    write(file, *(published(alg, alg, private) for alg, private in PRIVATE.items()))
    return file


def write(file: Path, *keys: dict[str, Any]) -> None:
    draft = file.with_name("draft")
    draft.write_text(json.dumps({"keys": list(keys)}))
    draft.replace(file)


@pytest.fixture
def gate(store: Database, key_set: Path) -> Gate:
    return Gate(store, tokens=Tokens(key_set, Expected(ISSUER, AUDIENCE)))


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "S0001",
        "roles": ["marketing", "golfer"],
    }
    said |= {"iat": now, "nbf": now, "exp": now + 300, "jti": "t1"} | other
    return {name: value for name, value in said.items() if value is not None}


def token(alg: str = "ES256", kid: str | None = None, key: Any = None, **other: Any) -> str:
    return jwt.encode(claims(**other), key or PRIVATE[alg], alg, {"kid": kid or alg})


@pytest.mark.parametrize("alg", PRIVATE)
def test_whoever_shows_the_issuers_token_is_known_with_their_roles(gate: Gate, alg: str) -> None:
    who = gate.identified(f"Bearer {token(alg)}")
    assert (who.name, who.employee, who.key_id) == ("S0001", "S0001", "")
    assert who.roles == {Role.MARKETING}


def test_the_claims_of_roles_and_employee_can_be_others(store: Database, key_set: Path) -> None:
    expected = Expected(ISSUER, AUDIENCE, roles_claim="groups", employee_claim="staff")
    gate = Gate(store, tokens=Tokens(key_set, expected))
    who = gate.identified(f"Bearer {token(groups=['auditor'], staff='S0007')}")
    assert (set(who.roles), who.employee) == ({Role.AUDITOR}, "S0007")


def test_a_token_that_never_expires_is_checked_again_like_any_other(gate: Gate) -> None:
    assert gate.identified(f"Bearer {token(exp=10**30)}").name == "S0001"


@pytest.mark.parametrize("roles", [None, "auditor", [], [1, None, ["auditor"]], {"auditor": 1}])
def test_whose_roles_are_no_list_of_ours_has_none(gate: Gate, roles: Any) -> None:
    assert gate.identified(f"Bearer {token(roles=roles)}").roles == frozenset()


NOW = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 60},
    "not yet valid": {"nbf": NOW + 86_400},
    "issued in the future": {"iat": NOW + 86_400},
    "wrong issuer": {"iss": "https://login.other.example"},
    "wrong audience": {"aud": "mail"},
    "no expiry": {"exp": None},
    "no beginning": {"nbf": None},
    "no issuer": {"iss": None},
    "no audience": {"aud": None},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject that no record could show": {"sub": "two\nlines"},
    "endless subject": {"sub": "s" * 101},
    "subject that is no text": {"sub": 7},
    "expiry beyond all numbers": {"exp": float("inf")},
    "expiry that is no time": {"exp": "tomorrow"},
    "unknown key": {"kid": "nobody"},
    "another's key": {"key": OTHER},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_f51_a_token_that_does_not_count_is_refused_in_the_same_words(
    gate: Gate, wrong: str
) -> None:
    other = dict(WRONG[wrong])
    if other.get("sub") == 7:  # the library would not even sign it
        signed = jwt.PyJWS().encode(
            json.dumps(claims(**other)).encode(), PRIVATE["ES256"], "ES256", {"kid": "ES256"}
        )
    else:
        signed = token(**other)
    with pytest.raises(Unauthorised) as told:
        gate.identified(f"Bearer {signed}")
    assert str(told.value) == REFUSAL


def test_f51_an_unsigned_token_or_one_signed_with_the_public_key_is_refused(gate: Gate) -> None:
    public = PRIVATE["RS256"].public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, spki)
    head = {"kid": "RS256", "typ": "JWT"}
    confused = hmac_signed(claims(), pem, head)
    unsigned = jwt.encode(claims(), None, "none", head)  # type: ignore[arg-type]
    for sent in (unsigned, unsigned + "AAAA", confused, unsigned.replace("none", "None")):
        with pytest.raises(Unauthorised):
            gate.identified(f"Bearer {sent}")


def hmac_signed(said: dict[str, Any], secret: bytes, head: dict[str, Any]) -> str:
    """HS256 by hand: the library refuses to take a public key for a secret."""
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    def coded(raw: bytes) -> str:
        return urlsafe_b64encode(raw).rstrip(b"=").decode()

    first = coded(json.dumps(head | {"alg": "HS256"}).encode())
    signing = f"{first}.{coded(json.dumps(said).encode())}"
    return f"{signing}.{coded(hmac.digest(secret, signing.encode(), hashlib.sha256))}"


def test_f51_a_secret_in_the_key_set_signs_nothing(store: Database, tmp_path: Path) -> None:
    file, secret = tmp_path / "jwks.json", b"s" * 32
    oct_ = {"kty": "oct", "kid": "secret", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M"}
    write(file, oct_, published("ES256", "ES256", PRIVATE["ES256"]))
    gate = Gate(store, tokens=Tokens(file, Expected(ISSUER, AUDIENCE)))
    with pytest.raises(Unauthorised):
        gate.identified(f"Bearer {hmac_signed(claims(), secret, {'kid': 'secret'})}")
    assert gate.identified(f"Bearer {token()}").name == "S0001"


@pytest.mark.parametrize(
    "sent", ["a.b.c", "eyJhbGciOiJFUzI1NiJ9..", "." * 9, "é.é.é", "[" * 8000, "e" * 60_000]
)
def test_f51_what_is_no_token_at_all_is_refused(gate: Gate, sent: str) -> None:
    with pytest.raises(Unauthorised):
        gate.identified(f"Bearer {sent}")


def test_without_an_issuer_no_token_counts(store: Database) -> None:
    with pytest.raises(Unauthorised):
        Gate(store).identified(f"Bearer {token()}")


def test_f51_the_issuers_new_key_counts_at_once_and_the_old_one_no_more(
    store: Database, key_set: Path
) -> None:
    tokens = Tokens(key_set, Expected(ISSUER, AUDIENCE))
    assert tokens.verified(store, token()).caller.name == "S0001"
    key_set.write_text("{half")
    assert tokens.verified(store, token()).caller.name == "S0001"  # until it can be read again
    write(key_set, published("new", "ES256", OTHER))
    assert tokens.verified(store, token(kid="new", key=OTHER)).caller.name == "S0001"
    with pytest.raises(Unauthorised):
        tokens.verified(store, token())


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_f51_a_revoked_session_ends_in_every_worker_within_a_minute(
    database: Database, key_set: Path
) -> None:
    clock = Clock()
    workers = [
        Gate(database, tokens=Tokens(key_set, Expected(ISSUER, AUDIENCE)), clock=clock)
        for _ in range(2)
    ]
    one, other = (f"Bearer {token(jti=name)}" for name in ("t1", "t2"))
    for worker in workers:
        assert worker.identified(one) == worker.remembered(one)
        worker.identified(other)
    sessions.end(database, "token", "t1", actor="ann")
    clock.now += TRUSTED
    for worker in workers:
        assert worker.remembered(one) is None
        with pytest.raises(Unauthorised):
            worker.identified(one)
        assert worker.identified(other).name == "S0001"
    sessions.end(database, "subject", "S0001", actor="ann")
    later = f"Bearer {token(jti='t3', iat=int(time.time()) + 4)}"
    with pytest.raises(Unauthorised):
        workers[0].identified(other)
    assert workers[0].identified(later).name == "S0001"
    assert TRUSTED <= 60
    assert [record.actor for record in records(database, ["session_revoked"])] == ["ann", "ann"]


def test_f51_a_revoked_key_ends_in_every_worker_within_a_minute(database: Database) -> None:
    clock, key = Clock(), f"Bearer {make_key(database, 'a system')}"
    workers = [Gate(database, clock=clock) for _ in range(2)]
    ids = {worker.identified(key).key_id for worker in workers}
    revoke(database, ids.pop())
    clock.now += TRUSTED
    for worker in workers:
        with pytest.raises(Unauthorised):
            worker.remembered(key) or worker.identified(key)


def test_a_key_is_rotated_without_a_gap(database: Database) -> None:
    gate = Gate(database)
    old = make_key(database, "a system", roles=[Role.SYSTEM, Role.AUDITOR], scopes=["churn"])
    before = gate.identified(f"Bearer {old}")
    new = rotate(database, before.key_id, timedelta(hours=1), actor="ann")
    after = gate.identified(f"Bearer {new}")
    assert gate.identified(f"Bearer {old}") == before
    assert (after.name, after.roles, after.scopes) == (before.name, before.roles, before.scopes)
    with pytest.raises(ConfigurationError, match="replaced"):
        rotate(database, before.key_id, timedelta(hours=1))
    rotate(database, after.key_id, timedelta(0))
    with pytest.raises(Unauthorised):
        Gate(database).identified(f"Bearer {new}")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}'])
def test_a_file_that_is_no_key_set_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="jwks_uri"):
        Tokens(file, Expected(ISSUER, AUDIENCE))
    with pytest.raises(ConfigurationError, match="no key set"):
        Tokens(tmp_path / "absent", Expected(ISSUER, AUDIENCE))


def test_half_a_configuration_is_refused(monkeypatch: pytest.MonkeyPatch, key_set: Path) -> None:
    monkeypatch.setenv("ZHIKE_OIDC_ISSUER", ISSUER)
    with pytest.raises(ConfigurationError, match="ZHIKE_OIDC_AUDIENCE"):
        Tokens.as_set()
    monkeypatch.setenv("ZHIKE_OIDC_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("ZHIKE_OIDC_JWKS_FILE", str(key_set))
    made = Tokens.as_set()
    assert made is not None
    assert made.expected == Expected(ISSUER, AUDIENCE)
