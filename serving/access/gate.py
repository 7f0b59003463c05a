"""The gate of the API: who calls, whether the route is open to them, and what they see there."""

import hashlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

from data import audit
from data.database import Database
from data.errors import Forbidden, Unauthorised
from data.settings import settings
from serving.access import keys
from serving.access.keys import REFUSAL, Verified
from serving.access.limits import THRESHOLD, Clock, Lockout, Rate
from serving.access.oidc import Tokens
from serving.access.portfolio import Owned, Portfolio
from serving.access.roles import Caller
from serving.access.rules import BOUND, RULES, Rule, barred

TRUSTED = 30.0  # seconds that a key or token is believed before it is checked again
MOST = 10_000
NOT_YOURS = "this is none of your customers, or nobody at all."
NOT_OPEN = "your role or your key may not do this."


@dataclass(frozen=True)
class _Checked:
    verified: Verified
    at: float


class Gate:
    """What one process keeps to decide who may; ``owned`` says whose customers are whose."""

    def __init__(
        self,
        database: Database,
        *,
        tokens: Tokens | None = None,
        owned: Owned | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.database, self._clock = database, clock
        self._tokens = tokens or Tokens.as_set()
        self.owned = owned or Portfolio().of
        self.rate, self.lockout = Rate(settings().rate_limit), Lockout(clock)
        self._checked: dict[bytes, _Checked] = {}

    def remembered(self, authorization: str | None) -> Caller | None:
        """Who sent the same header a moment ago; asks no database."""
        found = self._checked.get(_digest(authorization or ""))
        if found is None or self._clock() - found.at >= TRUSTED:
            return None
        return found.verified.caller if found.verified.until > datetime.now(UTC) else None

    def identified(self, authorization: str | None, address: str = "") -> Caller:
        """Who sends this Authorization header, from which address.

        Raises:
            Unauthorised: no key or token, or one that does not count; always the same words.
            TooMany: the address, or the key, was tried wrongly too often.
            NotReady: the database does not answer.
        """
        if not authorization:
            raise Unauthorised(REFUSAL)
        scheme, _, shown = authorization.partition(" ")
        parts = keys.parts_of(shown)
        digest = _digest(authorization)
        subjects = [f"address {address}", *([f"key {parts[0]}"] if parts else [])]
        if digest not in self._checked:  # whoever was right before is no guesser
            self.lockout.check(subjects)
        try:
            found = self._verified(scheme, shown, parts)
        except Unauthorised:
            self._checked.pop(digest, None)
            self._failed(subjects)
            raise
        if len(self._checked) >= MOST:
            self._checked.clear()
        self._checked[digest] = _Checked(found, self._clock())
        return found.caller

    def _verified(self, scheme: str, shown: str, parts: tuple[str, str] | None) -> Verified:
        if scheme.lower() != "bearer":
            raise Unauthorised(REFUSAL)
        if parts:
            return keys.verified(self.database, *parts)
        if self._tokens:
            return self._tokens.verified(self.database, shown)
        raise Unauthorised(REFUSAL)

    def _failed(self, subjects: list[str]) -> None:
        for subject in subjects:
            if self.lockout.failed(subject) == THRESHOLD:
                kind, _, which = subject.partition(" ")
                body = {"what": kind, "wrong": THRESHOLD}
                audit.append(
                    self.database,
                    kind="lockout",
                    actor="service",
                    body=body | ({"key": which} if kind == "key" else {}),
                    payload={"address": which} if kind == "address" else None,
                )

    def visit(self, who: Caller, method: str, path: str) -> "Visit | None":
        """A caller at a route, with the roles that let them in; None where nothing does."""
        rule = RULES.get((method, path))
        roles = who.roles & rule.roles if rule else frozenset()
        if not rule or not roles or not _in_scope(who, path, rule):
            return None
        return Visit(self, replace(who, roles=roles), f"{method} {path}", rule)

    def denied(self, who: Caller, route: str, why: str, customer_id: str = "") -> NoReturn:
        """Record that somebody was not let in, and say so.

        Raises:
            Forbidden: always.
        """
        audit.append(
            self.database,
            kind="denied",
            actor=who.name,
            body={"route": route, "why": why},
            payload={"customer_id": customer_id} if customer_id else None,
        )
        raise Forbidden(NOT_YOURS if customer_id else NOT_OPEN)


@dataclass(frozen=True)
class Visit:
    """One caller at one route. What a request names is asked for here before it is looked up."""

    gate: Gate
    who: Caller
    route: str
    rule: Rule

    def customer(self, customer_id: str) -> None:
        """Let a caller name a customer; one whom they may not see is told like nobody.

        Raises:
            Forbidden: a relationship manager named somebody else's customer; it is recorded.
        """
        bound = self.rule.own and self.who.roles <= BOUND
        if bound and customer_id not in self.gate.owned(self.who.employee):
            self.gate.denied(self.who, self.route, "customer", customer_id)

    def questions(self, *named: str, explained: bool = False) -> None:
        """Let a caller ask questions, or models by name.

        Args:
            explained: more than the plain answer: a threshold, what-if, movement or pinned version.

        Raises:
            Forbidden: a question that their roles or their key may not ask so; it is recorded.
        """
        scopes = {scope for scope in self.who.scopes if not scope.startswith("/")}
        for name in named:
            if barred(self.who.roles, name, explained=explained):
                self.gate.denied(self.who, self.route, "question")
            if scopes and not {name, name.partition(".")[0]} & scopes:
                self.gate.denied(self.who, self.route, "scope")


def _in_scope(who: Caller, path: str, rule: Rule) -> bool:
    """Whether a key's scopes allow a route; one cut down to questions has to be asked them."""
    paths = {scope for scope in who.scopes if scope.startswith("/")}
    if paths and path not in paths:
        return False
    return rule.asks or who.scopes == paths


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
