"""The roles of the bank's people and systems, and the caller who holds some of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from data.errors import ConfigurationError


class Role(StrEnum):
    """What somebody is to the service; who holds no role may do nothing."""

    MARKETING = "marketing"
    RELATIONSHIP_MANAGER = "relationship_manager"
    RISK_OFFICER = "risk_officer"
    MODELLER = "modeller"
    APPROVER = "approver"
    AUDITOR = "auditor"
    SYSTEM = "system"
    ADMINISTRATOR = "administrator"


ROLES = frozenset(Role)


@dataclass(frozen=True)
class Caller:
    """Whoever holds a valid key or token.

    Attributes:
        key_id: of the key; empty for a token.
        name: what records call them.
        roles: what they are; within a route only the roles that the route is open to.
        client: whom the rate limit counts.
        scopes: the routes and questions that the key is cut down to; none cuts nothing.
        employee: their staff_id in the warehouse, where they are one of the staff.
    """

    key_id: str
    name: str
    roles: frozenset[Role] = frozenset()
    client: str = ""
    scopes: frozenset[str] = frozenset()
    employee: str = ""

    @property
    def person(self) -> str:
        """Who it is, whichever key they send: four eyes are two such."""
        return self.employee or self.name


def roles_of(names: Iterable[str]) -> frozenset[Role]:
    """Roles by name.

    Raises:
        ConfigurationError: there is no such role.
    """
    given = frozenset(names)
    if unknown := sorted(given - ROLES):
        raise ConfigurationError(
            f"there is no role {', '.join(unknown)}; choose from {', '.join(Role)}."
        )
    return frozenset(Role(name) for name in given)
