"""Bearer tokens of the bank's identity provider (OpenID Connect), checked without a network."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import jwt

from data.database import Database
from data.errors import ConfigurationError, Unauthorised
from data.settings import settings
from serving.access import sessions
from serving.access.keys import LONGEST_NAME, REFUSAL, Verified
from serving.access.roles import ROLES, Caller, Role

_log = logging.getLogger(__name__)
# Never "none", and never HS*, with which the public key would be the secret.
ALGORITHMS = ("RS256", "ES256", "EdDSA")
REQUIRED = ["exp", "nbf", "iss", "aud", "sub"]
LEEWAY = 5  # seconds that two clocks may differ
LONGEST_TOKEN = 8_192
DAY = 86_400  # an expiry beyond it is as good as one, and fits a date
_KINDS = {"RSA", "EC", "OKP"}


@dataclass(frozen=True)
class Expected:
    """What a token has to say, and the claims that are read from it."""

    issuer: str
    audience: str
    roles_claim: str = "roles"
    employee_claim: str = "sub"


class Tokens:
    """Checks tokens against the key set in a file, which is read anew when it changes."""

    def __init__(self, file: Path, expected: Expected) -> None:
        self.file, self.expected = file, expected
        self._lock = threading.Lock()
        self._stamp, self._keys = self._read()

    @classmethod
    def as_set(cls) -> Self | None:
        """As the settings say; None without an issuer.

        Raises:
            ConfigurationError: an issuer without audience or key set, or one that cannot be read.
        """
        chosen = settings()
        if not chosen.oidc_issuer:
            return None
        if not chosen.oidc_audience or chosen.oidc_jwks_file is None:
            raise ConfigurationError(
                "ZHIKE_OIDC_ISSUER needs ZHIKE_OIDC_AUDIENCE and ZHIKE_OIDC_JWKS_FILE as well."
            )
        expected = Expected(
            chosen.oidc_issuer,
            chosen.oidc_audience,
            chosen.oidc_roles_claim,
            chosen.oidc_employee_claim,
        )
        return cls(chosen.oidc_jwks_file, expected)

    def verified(self, database: Database, token: str) -> Verified:
        """Who a token was issued to.

        Raises:
            Unauthorised: whatever is wrong with it; always the same words.
        """
        claims = self._claims(token)
        subject, issued = claims["sub"], int(claims.get("iat", 0))
        if not subject.strip() or not subject.isprintable() or len(subject) > LONGEST_NAME:
            raise Unauthorised(REFUSAL)
        if sessions.ended(database, str(claims.get("jti", "")), subject, issued):
            raise Unauthorised(REFUSAL)
        caller = Caller(
            key_id="",
            name=subject,
            roles=_roles(claims.get(self.expected.roles_claim)),
            client=f"{self.expected.issuer} {subject}",
            employee=str(claims.get(self.expected.employee_claim, "")),
        )
        until = min(int(claims["exp"]) + LEEWAY, int(time.time()) + DAY)
        return Verified(caller, datetime.fromtimestamp(until, UTC))

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise Unauthorised(REFUSAL)
        try:
            key = self._now()[jwt.get_unverified_header(token)["kid"]]
            return jwt.decode(
                token,
                key=key,
                algorithms=list(ALGORITHMS),
                issuer=self.expected.issuer,
                audience=self.expected.audience,
                leeway=LEEWAY,
                options={"require": REQUIRED, "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            raise Unauthorised(REFUSAL) from None

    def _now(self) -> Mapping[str, jwt.PyJWK]:
        """The key set as the file has it now; the last good one where it cannot be read."""
        with self._lock:
            try:
                if self._stamped() != self._stamp:
                    self._stamp, self._keys = self._read()
            except (ConfigurationError, OSError) as error:
                _log.error("the key set read before goes on: %s", error)
            return self._keys

    def _stamped(self) -> tuple[int, ...]:
        found = self.file.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[tuple[int, ...], Mapping[str, jwt.PyJWK]]:
        try:
            stamp = self._stamped()
            keys = jwt.PyJWKSet.from_json(self.file.read_text()).keys
        except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
            raise ConfigurationError(
                f"ZHIKE_OIDC_JWKS_FILE: {self.file} is no key set ({type(error).__name__}); write"
                " what the issuer publishes as its jwks_uri."
            ) from None
        named = {key.key_id: key for key in keys if key.key_id and key.key_type in _KINDS}
        return stamp, named


def _roles(claim: Any) -> frozenset[Role]:
    """The roles that a claim lists; an issuer's other roles are none of ours."""
    listed = claim if isinstance(claim, list) else []
    return frozenset(Role(name) for name in listed if isinstance(name, str) and name in ROLES)
