"""Links to persons: joined in a fixed order, never across what is known to be two people."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Proof = tuple[str, str]  # type of document and its valid number


@dataclass(frozen=True)
class Link:
    """Two records, by position, held to be one person.

    Args:
        rule: what says so: identity_number, model, review.
        known_us: when that was known, microseconds since 1970.
    """

    left: int
    right: int
    probability: float
    rule: str
    known_us: int


@dataclass(frozen=True)
class Place:
    """How a record hangs together with the oldest one of its person."""

    probability: float
    rule: str
    known_us: int


@dataclass
class Clusters:
    """Disjoint sets of records that refuse to hold two valid numbers of one type.

    Attributes:
        proofs: by record, its valid identity number.
        apart: pairs of records that somebody has told apart.
    """

    proofs: Mapping[int, Proof]
    apart: Iterable[tuple[int, int]] = ()
    _above: dict[int, int] = field(default_factory=dict)
    _numbers: dict[int, dict[str, str]] = field(default_factory=dict)
    _strangers: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self._numbers = {record: {kind: number} for record, (kind, number) in self.proofs.items()}
        for one, other in self.apart:
            self._strangers[one].add(other)
            self._strangers[other].add(one)

    def of(self, record: int) -> int:
        """The record that stands for the set."""
        path = []
        while (above := self._above.get(record, record)) != record:
            path.append(record)
            record = above
        for passed in path:
            self._above[passed] = record
        return record

    def join(self, one: int, other: int) -> str | None:
        """Make one set of two; returns what forbids it, and then leaves them as they are."""
        kept, gone = sorted((self.of(one), self.of(other)))
        if kept == gone:
            return None
        forbidden = self._forbidden(kept, gone)
        if forbidden is None:
            self._above[gone] = kept
            self._numbers.setdefault(kept, {}).update(self._numbers.pop(gone, {}))
            if strangers := self._strangers.pop(gone, None):
                self._strangers[kept] |= strangers
        return forbidden

    def _forbidden(self, one: int, other: int) -> str | None:
        ours, theirs = self._numbers.get(one, {}), self._numbers.get(other, {})
        if any(theirs.get(kind, number) != number for kind, number in ours.items()):
            return "different valid identity numbers"
        if any(self.of(stranger) == other for stranger in self._strangers.get(one, ())):
            return "told apart by a reviewer"
        return None


def members(clusters: Clusters, records: int) -> dict[int, list[int]]:
    """The records of every set, in order."""
    found: dict[int, list[int]] = defaultdict(list)
    for record in range(records):
        found[clusters.of(record)].append(record)
    return found


def places(root: int, links: Sequence[Link], first_known_us: Sequence[int]) -> dict[int, Place]:
    """How and when each record of a set was first connected with its root.

    A record is connected at a moment when a chain of links known by then leads to the root: the
    chain whose last-known link is the earliest. Of several such chains the more probable counts.
    """
    around: dict[int, list[Link]] = defaultdict(list)
    for link in links:
        around[link.left].append(link)
        around[link.right].append(link)
    found: dict[int, Place] = {}
    waiting = [(first_known_us[root], 0.0, root, "single", 1.0)]
    while waiting:
        known, _, record, rule, probability = heapq.heappop(waiting)
        if record in found:
            continue
        found[record] = Place(probability, rule, known)
        for link in around[record]:
            other = link.right if link.left == record else link.left
            if other not in found:
                moment = max(known, link.known_us)
                step = (moment, -link.probability, other, link.rule, link.probability)
                heapq.heappush(waiting, step)
    return found
