"""Which role may call which route: one table; what does not stand in it is open to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.access.roles import ROLES, Role

VERSION = "/v1"
_MARKETING, _MANAGER, _RISK = Role.MARKETING, Role.RELATIONSHIP_MANAGER, Role.RISK_OFFICER
_MODELLER, _APPROVER, _AUDITOR = Role.MODELLER, Role.APPROVER, Role.AUDITOR
_SYSTEM = Role.SYSTEM


@dataclass(frozen=True)
class Rule:
    """Who may call a route.

    Attributes:
        roles: any one of them lets a caller in.
        own: the route is about customers; a relationship manager may name their own only.
        asks: the route takes questions; a key that is cut down to some has only such routes.
    """

    roles: frozenset[Role]
    own: bool = False
    asks: bool = False


def _for(*roles: Role, own: bool = False, asks: bool = False) -> Rule:
    return Rule(frozenset(roles), own, asks)


_EVERYBODY = Rule(ROLES)
_CUSTOMERS = _for(_MARKETING, _MANAGER, _RISK, _SYSTEM, own=True)
_QUESTIONS = _for(_MARKETING, _MANAGER, _RISK, _SYSTEM, own=True, asks=True)
_MANY = _for(_RISK, _SYSTEM)

RULES: Mapping[tuple[str, str], Rule] = {
    ("POST", "/v1/scores"): _QUESTIONS,
    ("POST", "/v1/scores/batch"): _QUESTIONS,
    ("POST", "/v1/scores/inline"): _for(_MANAGER, _RISK, _MODELLER, _SYSTEM),
    ("POST", "/v1/changes"): _QUESTIONS,
    ("POST", "/v1/movements"): _QUESTIONS,
    ("POST", "/v1/refusals"): _for(_MANAGER, _RISK, _SYSTEM, own=True),
    ("POST", "/v1/customers/profile"): _CUSTOMERS,
    ("POST", "/v1/customers/history"): _CUSTOMERS,
    ("POST", "/v1/customers/lookup"): _for(_SYSTEM),
    ("GET", "/v1/models"): _EVERYBODY,
    ("GET", "/v1/models/{name}"): _EVERYBODY,
    ("GET", "/v1/models/{name}/{version}/card"): _EVERYBODY,
    ("GET", "/v1/features"): _EVERYBODY,
    ("POST", "/v1/jobs"): _MANY,
    ("GET", "/v1/jobs"): _MANY,
    ("GET", "/v1/jobs/{job_id}"): _MANY,
    ("GET", "/v1/jobs/{job_id}/result"): _MANY,
    ("GET", "/v1/jobs/{job_id}/results"): _MANY,
    ("DELETE", "/v1/jobs/{job_id}"): _MANY,
    ("POST", "/v1/outcomes"): _for(_MANAGER, _RISK, _SYSTEM, own=True),
    ("POST", "/v1/overrides"): _for(_RISK),
    ("GET", "/v1/overrides"): _for(_RISK, _APPROVER, _AUDITOR),
    ("POST", "/v1/overrides/{override_id}/approval"): _for(_RISK, _APPROVER),
    ("GET", "/v1/audit/{number}"): _for(_AUDITOR),
    ("GET", "/v1/audit/{number}/payload"): _for(_AUDITOR),
    ("POST", "/v1/audit/{number}/replay"): _for(_AUDITOR),
    ("GET", "/v1/openapi.json"): _EVERYBODY,
}
# What answers without a key, outside the version.
PUBLIC = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")})
# These see their own customers only, on routes about customers that nothing else lets them into.
BOUND = frozenset({Role.RELATIONSHIP_MANAGER})
# Of these questions a role gets the plain answer alone: no threshold, no what-if, no movement, no
# pinned version. Each of them asked often enough would give away what the answer hides.
CLOSED: Mapping[Role, frozenset[str]] = {Role.MARKETING: frozenset({"credit_risk"})}
# These questions a role may not ask at all: features that are sent stand for any customer's.
BARRED: Mapping[Role, frozenset[str]] = {Role.MARKETING: frozenset({"table"})}


def barred(roles: frozenset[Role], question: str, *, explained: bool) -> bool:
    """Whether none of the roles may ask a question, or a model by name, in this way."""
    family = question.partition(".")[0]
    shut = [
        BARRED.get(role, frozenset())
        | (CLOSED.get(role, frozenset()) if explained else frozenset())
        for role in roles
    ]
    return all(family in one for one in shut)


def standing(rule: Rule, role: Role) -> str:
    """What a role may do on a route, in a word: all, own (customers only), part (of it), or -."""
    if role not in rule.roles:
        return "-"
    if not rule.own:
        return "all"
    return "own" if role in BOUND else "part" if role in CLOSED else "all"


def matrix() -> list[tuple[str, ...]]:
    """Route x role, as people read it: method and path, then one word a role."""
    return [
        (f"{method} {path}", *(standing(rule, role) for role in Role))
        for (method, path), rule in RULES.items()
    ]
