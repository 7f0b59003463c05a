"""Risk policies: named and versioned limits that a risk officer publishes and marketing chooses by name."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import ListError
from data.schema import RISK_POLICIES
from training.grades import GRADES


@dataclass(frozen=True)
class Policy:
    """Who is within a policy: PD at most ``max_pd`` and grade no worse than ``max_grade``.

    Grade D never is. ``unscored`` says whether credit may be offered to customers without a PD;
    their loss is then reckoned at ``max_pd``. What is no credit is open to them in any case.
    """

    name: str
    version: int
    max_pd: float
    max_grade: str
    unscored: bool


def publish(
    database: Database,
    name: str,
    *,
    max_pd: float,
    max_grade: str = GRADES[-1],
    unscored: bool = False,
    actor: str,
) -> Policy:
    """Publish a policy, or the next version of one; lists drafted from now on use it.

    Raises:
        ListError: a limit that cannot be used.
    """
    if not 0 < max_pd < 1 or max_grade not in GRADES:
        raise ListError(
            f"policy {name}: the PD must lie between 0 and 1 and the grade be one of"
            f" {', '.join(GRADES)}."
        )
    if not name or len(name) > 64:
        raise ListError("a policy's name has 1 to 64 characters.")
    with database.writing() as connection:
        last = sa.select(sa.func.max(RISK_POLICIES.c.version)).where(RISK_POLICIES.c.name == name)
        version = (connection.execute(last).scalar() or 0) + 1
        policy = Policy(name, version, max_pd, max_grade, unscored)
        about = {"published_by": actor, "published_at": datetime.now(UTC)}
        connection.execute(sa.insert(RISK_POLICIES).values(**asdict(policy), **about))
        audit.enter(connection, kind="risk_policy", actor=actor, body=asdict(policy))
    return policy


def newest(database: Database, name: str) -> Policy:
    """The newest version of a policy.

    Raises:
        ListError: there is none; the message names those there are.
    """
    with database.reading() as connection:
        kept = connection.execute(
            sa.select(RISK_POLICIES).order_by(RISK_POLICIES.c.name, RISK_POLICIES.c.version)
        ).all()
    found = {row.name: row for row in kept}
    if name not in found:
        raise ListError(
            f"there is no risk policy '{name}'; published are: {', '.join(found) or 'none'}."
        )
    row = found[name]
    return Policy(row.name, row.version, row.max_pd, row.max_grade, row.unscored)
