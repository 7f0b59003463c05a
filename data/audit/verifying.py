"""Whether the audit is whole: every chain by itself, and all of them against the checkpoints."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.audit.chain import GENESIS, MAIN, digest_of
from data.audit.checkpoints import Checkpoint, Place, checkpoints, copied, trusted_keys
from data.audit.entries import digest_of_sealed
from data.database import Database
from data.schema import AUDIT, AUDIT_PAYLOADS
from data.settings import settings

PAGE = 500  # records in memory at a time


@dataclass(frozen=True)
class Broken:
    """The first record of a chain that is not as it was written."""

    chain: str
    position: int
    how: str = field(default="altered", compare=False)

    def __str__(self) -> str:
        return f"chain {self.chain} is broken at its record {self.position}: it is {self.how}"


@dataclass
class Findings:
    """What a verification found.

    Attributes:
        faults: sentences; none where the audit is whole.
        ends: chain -> position of its last record.
        vouched: chain -> position up to which checkpoints vouch for it.
        odd: chains that are not as a checkpoint knows them.
        lag: checkpoints that are not in the file yet.
    """

    faults: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    vouched: dict[str, int] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    checkpoints: int = 0
    lag: int = 0

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(self.ends.values())

    @property
    def newer(self) -> int:
        """Records that no checkpoint vouches for yet: a cut among them would not be found."""
        return sum(end - min(end, self.vouched.get(c, 0)) for c, end in self.ends.items())


def first_broken(database: Database) -> Broken | None:
    """The first record that is altered, missing or out of order in its chain; None if none is."""
    with database.reading() as connection:
        return next((one for one in _walked(connection, {}) if one), None)


def verify(database: Database) -> Findings:
    """Check every chain, every payload as sealed, every checkpoint and its copy in the file.

    Memory does not grow with the records.
    """
    path = settings().checkpoints_file
    size = path.stat().st_size if path.exists() else 0  # what is written later is not compared
    found = Findings()
    with database.reading() as connection:
        found.faults += [f"{one}." for one in _walked(connection, found.ends) if one]
        witnesses = zip_longest(checkpoints(connection), copied(path, size))
        try:
            _compare(connection, witnesses, found)
        except (ValueError, TypeError, KeyError, IndexError):
            found.faults.append(f"{path} or the table of checkpoints holds what is no checkpoint.")
    return found


def _walked(connection: Connection, ends: dict[str, int]) -> Iterator[Broken | None]:
    """Of every chain the first broken record, or None; fills in where the chains end."""
    removed = _removed(connection)
    chain, broken, position, previous, form = "", False, 0, GENESIS, 1
    for row in _rows(connection):
        if row.chain != chain:
            chain, broken, position, previous, form = row.chain, False, 0, GENESIS, 1
        position += 1
        ends[chain] = row.position
        if broken:
            continue
        how = _fault(row, position, previous, form, removed)
        if how:
            broken = True
            yield Broken(chain, position, how)
        previous, form = row.digest, row.form
    yield None


def _rows(connection: Connection) -> Iterator[Any]:
    """Every record with its payload as kept, by chain and position, a page at a time."""
    place = sa.tuple_(AUDIT.c.chain, AUDIT.c.position)
    page = (
        sa.select(AUDIT, AUDIT_PAYLOADS.c.payload, AUDIT_PAYLOADS.c.person, AUDIT_PAYLOADS.c.sealed)
        .outerjoin(AUDIT_PAYLOADS)
        .order_by(AUDIT.c.chain, AUDIT.c.position)
        .limit(PAGE)
    )
    rows = connection.execute(page).all()
    while rows:
        yield from rows
        last = sa.tuple_(sa.literal(rows[-1].chain), sa.literal(rows[-1].position))
        rows = connection.execute(page.where(place > last)).all()


def _fault(row: Any, position: int, previous: str, form: int, removed: set[int]) -> str:
    """What is wrong with a record that is expected behind another; empty where nothing is."""
    if row.position != position:
        return "missing"
    # The earlier form binds no place: it counts only where it can have been written.
    if row.form < form or (row.form == 1 and (row.chain, row.sequence) != (MAIN, position)):
        return "altered"
    if row.previous != previous or row.digest != digest_of(row, previous):
        return "altered, or not the one that was written there"
    stated, kept = json.loads(row.body).get("payload_sha256"), _kept(row)
    if stated == kept:
        return ""
    if kept is None:
        return "" if row.form == 1 and row.sequence in removed else "without its payload"
    return "beside another payload"


def _kept(row: Any) -> str | None:
    if row.sealed is not None:
        return digest_of_sealed(row.person, row.sealed)
    return hashlib.sha256(row.payload.encode()).hexdigest() if row.payload is not None else None


def _removed(connection: Connection) -> set[int]:
    """Numbers of records whose payload, never sealed, was removed by a recorded erasure."""
    bodies = sa.select(AUDIT.c.body).where(AUDIT.c.kind == "erasure")
    found: set[int] = set()
    for body in connection.execute(bodies).scalars():
        try:
            found.update(json.loads(body).get("removed", ()))
        except (ValueError, AttributeError, TypeError):
            continue  # it will be found altered
    return found


def _compare(
    connection: Connection,
    witnesses: Iterator[tuple[Checkpoint | None, Checkpoint | None]],
    found: Findings,
) -> None:
    """Hold the chains against every checkpoint, from the table or from the file."""
    trusted, previous, agreed = trusted_keys(), GENESIS, True
    for number, (stored, copy) in enumerate(witnesses, 1):
        if copy is None:
            found.lag += 1
        elif stored != copy and agreed:
            agreed = False
            found.faults.append(_disagreement(number, stored))
        sound = (one for one in (copy, stored) if one and _follows(one, number, previous, trusted))
        witness = next(sound, None)
        if witness is None:
            found.faults.append(
                f"checkpoint {number} is missing or altered, or no key of audit.pub signed it."
            )
            return
        found.checkpoints, previous = number, witness.digest
        for chain, place in witness.heads.items():
            _hold(connection, number, chain, place, found)


def _disagreement(number: int, stored: Checkpoint | None) -> str:
    if stored is None:
        return f"checkpoint {number} is in the file and not in the database: it was removed there."
    return f"checkpoint {number} in the database is not the one in the file."


def _follows(one: Checkpoint, number: int, previous: str, trusted: frozenset[str]) -> bool:
    told = one.told
    in_place = (one.number, told["number"], told["previous"]) == (number, number, previous)
    return in_place and one.signed(trusted)


def _hold(connection: Connection, number: int, chain: str, place: Place, found: Findings) -> None:
    """Hold one chain against the head that a checkpoint states."""
    position, digest = place
    vouched = found.vouched.get(chain, 0)
    if chain in found.odd:
        return
    here = sa.select(AUDIT.c.digest).where(AUDIT.c.chain == chain, AUDIT.c.position == position)
    standing = connection.execute(here).scalar()
    if standing == digest:
        found.vouched[chain] = position
        return
    found.odd.add(chain)
    if standing is None:
        end = found.ends.get(chain, 0)
        found.faults.append(
            f"chain {chain} is cut: it ends at record {end}, checkpoint {number} knows its record"
            f" {position}."
        )
    else:
        found.faults.append(
            f"chain {chain} was written anew from a record between {vouched + 1} and {position} on:"
            f" checkpoint {number} knows another record {position}."
        )
